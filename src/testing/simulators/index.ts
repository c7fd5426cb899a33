/**
 * Servers on the loopback interface that speak a provider's protocol, for tests over real HTTP.
 *
 * @since 0.1.0
 */

/** A server that speaks OpenAI's Chat Completions protocol. */
export * as OpenAiSimulator from "./OpenAiSimulator.ts"
