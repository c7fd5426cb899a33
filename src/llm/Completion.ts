/**
 * The answer of a model to a request, in the same form for every provider.
 *
 * @since 0.1.0
 */
import * as Response from "effect/ai/Response"
import * as Schema from "effect/Schema"
import { ProviderData, ToolCall } from "./LlmRequest.ts"
import { Usage } from "./Usage.ts"

/**
 * The schema of `RateLimitWindow`.
 *
 * **Example** (Sixty requests per minute, of which ten are left)
 *
 * ```ts
 * import { Duration, Schema } from "effect"
 * import { Completion } from "effect-instructor"
 *
 * const window = {
 *   unit: "requests",
 *   period: "minute",
 *   limit: 60,
 *   remaining: 10,
 *   resetAfter: Duration.seconds(50)
 * }
 *
 * Schema.is(Completion.RateLimitWindow)(window) // => true
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const RateLimitWindow = Schema.Struct({
  /** What the limit counts: requests, all tokens, or the tokens of prompts or answers only. */
  unit: Schema.Literals(["requests", "tokens", "inputTokens", "outputTokens"]),
  /** The period of `limit`. */
  period: Schema.Literals(["second", "minute", "hour", "day"]),
  limit: Schema.Finite,
  remaining: Schema.Finite,
  /** The time until the whole limit is available again. The next request usually fits earlier. */
  resetAfter: Schema.DurationFromMillis
})

/**
 * The state of a rate limit. Providers report it with their answers, and a governor adapts to it.
 *
 * @category models
 * @since 0.1.0
 */
export interface RateLimitWindow extends Schema.Schema.Type<typeof RateLimitWindow> {}

/**
 * The schema of `Completion`, for code that stores completions.
 *
 * **Example** (A completion as JSON, and back)
 *
 * ```ts
 * import { Schema } from "effect"
 * import { Completion, Usage } from "effect-instructor"
 *
 * const codec = Schema.toCodecJson(Completion.Completion)
 * const json = Schema.encodeSync(codec)({
 *   id: "1",
 *   model: "example",
 *   text: "Paris",
 *   toolCalls: [],
 *   finishReason: "stop",
 *   usage: Usage.zero
 * })
 *
 * Schema.decodeUnknownSync(codec)(json).text // => "Paris"
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const Completion = Schema.Struct({
  id: Schema.String,
  /** The model that answered. It may be a version of the model that was asked. */
  model: Schema.String,
  /** The text of the answer. Empty if the model only called a tool. */
  text: Schema.String,
  toolCalls: Schema.Array(ToolCall),
  /** The explanation of the model if it refused to answer. */
  refusal: Schema.optionalKey(Schema.String),
  finishReason: Response.FinishReason,
  usage: Usage,
  /** The service tier of the request, if the provider reports it. */
  serviceTier: Schema.optionalKey(Schema.String),
  /** Opaque data to send back with this answer when it is part of the next request. */
  providerData: Schema.optionalKey(ProviderData),
  /** The tokens of the text with the logarithms of their probabilities, if the request asked for them. */
  logprobs: Schema.optionalKey(Schema.Array(Schema.Struct({ token: Schema.String, logprob: Schema.Finite }))),
  /** The state of the rate limits that the provider reports. */
  rateLimits: Schema.optionalKey(Schema.Array(RateLimitWindow))
})

/**
 * The whole answer of a model: the result of `Llm.complete`, and the last part of `Llm.stream`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Completion extends Schema.Schema.Type<typeof Completion> {}

/**
 * A part of a streamed answer: what `Llm.stream` emits. The last part is always `Finish`, with the whole completion.
 *
 * @category models
 * @since 0.1.0
 */
export type CompletionPart =
  | { readonly _tag: "TextDelta"; readonly delta: string }
  /** `index` distinguishes the tool calls of one answer. */
  | { readonly _tag: "ToolArgumentsDelta"; readonly index: number; readonly delta: string }
  | { readonly _tag: "Finish"; readonly completion: Completion }
