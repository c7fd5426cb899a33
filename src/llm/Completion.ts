/**
 * A model's answer to a request, as every provider gives it.
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
 * @category schemas
 * @since 0.1.0
 */
export const RateLimitWindow = Schema.Struct({
  /** What is counted: requests, all tokens, or the tokens of prompts or answers alone. */
  unit: Schema.Literals(["requests", "tokens", "inputTokens", "outputTokens"]),
  /** The time that `limit` is for. */
  period: Schema.Literals(["second", "minute", "hour", "day"]),
  limit: Schema.Finite,
  remaining: Schema.Finite,
  /** Until the window is full again, which is longer than until the next request fits. */
  resetAfter: Schema.DurationFromMillis
})

/**
 * The state of one of the provider's rate limits. A provider reports it with an answer or a refusal, and a governor
 * follows it.
 *
 * @category models
 * @since 0.1.0
 */
export interface RateLimitWindow extends Schema.Schema.Type<typeof RateLimitWindow> {}

/**
 * The schema of `Completion`, for code that stores completions.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Completion = Schema.Struct({
  id: Schema.String,
  /** The model that answered, which may be more exact than the one that was asked. */
  model: Schema.String,
  /** The text of the answer, empty when the model only called a tool. */
  text: Schema.String,
  toolCalls: Schema.Array(ToolCall),
  /** The model's own words when it declined to answer. */
  refusal: Schema.optionalKey(Schema.String),
  finishReason: Response.FinishReason,
  usage: Usage,
  /** The tier the provider served it in, where it has several and says so. */
  serviceTier: Schema.optionalKey(Schema.String),
  /** What the provider wants back with the answer, should it be part of the next request. */
  providerData: Schema.optionalKey(ProviderData),
  /** The state of the provider's rate limits. A limit that the provider does not report is not listed. */
  rateLimits: Schema.optionalKey(Schema.Array(RateLimitWindow))
})

/**
 * A model's whole answer: what `Llm.complete` gives, and the last part of `Llm.stream`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Completion extends Schema.Schema.Type<typeof Completion> {}

/**
 * A piece of an answer as it is written: what `Llm.stream` gives. The last part is always `Finish`, with the whole
 * completion.
 *
 * @category models
 * @since 0.1.0
 */
export type CompletionPart =
  | { readonly _tag: "TextDelta"; readonly delta: string }
  /** `index` tells the calls of one answer apart. */
  | { readonly _tag: "ToolArgumentsDelta"; readonly index: number; readonly delta: string }
  | { readonly _tag: "Finish"; readonly completion: Completion }
