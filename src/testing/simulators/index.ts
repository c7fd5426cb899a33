/**
 * Servers on the loopback interface that speak a provider's protocol, for tests over real HTTP.
 *
 * @since 0.1.0
 */

/** Speaks OpenAI's Chat Completions. */
export * as OpenAiSimulator from "./OpenAiSimulator.ts"
