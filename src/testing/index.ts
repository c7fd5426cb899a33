/**
 * Test doubles that need nothing but `effect`: a model without a network, and the answers and failures it gives.
 *
 * @since 0.1.0
 */

/** Failures of a server: error statuses, dropped connections, timeouts. */
export * as Fault from "./Fault.ts"
/** An `Llm` that answers from a script. */
export * as MockLlm from "./MockLlm.ts"
/** An `LlmBatch` that answers from a script. */
export * as MockLlmBatch from "./MockLlmBatch.ts"
/** Answers of a model: a text, JSON, a refusal, a truncated answer. */
export * as Reply from "./Reply.ts"
