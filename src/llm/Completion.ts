/**
 * A model's answer to a request.
 *
 * @since 0.1.0
 */
import * as Response from "effect/ai/Response"
import * as Schema from "effect/Schema"
import { ToolCall } from "./LlmRequest.ts"
import { Usage } from "./Usage.ts"

/**
 * What is left of one of the provider's limits.
 *
 * @category models
 * @since 0.1.0
 */
export interface RateLimitWindow extends Schema.Schema.Type<typeof RateLimitWindow> {}

/**
 * @category schemas
 * @since 0.1.0
 */
export const RateLimitWindow = Schema.Struct({
  limit: Schema.Finite,
  remaining: Schema.Finite,
  /** Until the window is full again, which is longer than until the next request fits. */
  resetAfter: Schema.DurationFromMillis
})

/**
 * The provider's rate limits as it told them with an answer. What it did not tell is not there.
 *
 * @category models
 * @since 0.1.0
 */
export interface RateLimit extends Schema.Schema.Type<typeof RateLimit> {}

/**
 * @category schemas
 * @since 0.1.0
 */
export const RateLimit = Schema.Struct({
  requests: Schema.optionalKey(RateLimitWindow),
  tokens: Schema.optionalKey(RateLimitWindow)
})

/**
 * @category models
 * @since 0.1.0
 */
export interface Completion extends Schema.Schema.Type<typeof Completion> {}

/**
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
  rateLimit: Schema.optionalKey(RateLimit)
})

/**
 * A piece of an answer as it is written. The last part is always `Finish`, with the whole completion.
 *
 * @category models
 * @since 0.1.0
 */
export type CompletionPart =
  | { readonly _tag: "TextDelta"; readonly delta: string }
  /** `index` tells the calls of one answer apart. */
  | { readonly _tag: "ToolArgumentsDelta"; readonly index: number; readonly delta: string }
  | { readonly _tag: "Finish"; readonly completion: Completion }
