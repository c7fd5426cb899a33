/**
 * Fakes for tests: a model without a network, and a server without a provider.
 *
 * @since 0.1.0
 */

/** The ways a server fails. */
export * as Fault from "./Fault.ts"
/** A `Llm` that answers from a script. */
export * as MockLlm from "./MockLlm.ts"
/** A loopback server that speaks OpenAI's protocol. */
export * as OpenAiSimulator from "./simulators/OpenAiSimulator.ts"
/** What a fake model answers. */
export * as Reply from "./Reply.ts"
