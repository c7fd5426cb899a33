/**
 * Servers on the loopback interface that speak a provider's protocol, for tests over real HTTP.
 *
 * @since 0.1.0
 */

/** A server that speaks Anthropic's Messages API. */
export * as AnthropicSimulator from "./AnthropicSimulator.ts"
/** A server that speaks Google's `generateContent` API. */
export * as GoogleSimulator from "./GoogleSimulator.ts"
/** A server that speaks OpenAI's Chat Completions protocol. */
export * as OpenAiSimulator from "./OpenAiSimulator.ts"
