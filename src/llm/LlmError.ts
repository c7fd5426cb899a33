/**
 * Errors of a language model provider: one `LlmError`, with the reason as a tagged value inside. The reasons are those of
 * `AiError` in `effect/ai`, and a few more.
 *
 * @since 0.1.0
 */
import * as AiError from "effect/ai/AiError"
import type * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { printable } from "../internal/printable.ts"
import { RateLimitWindow } from "./Completion.ts"
import { Usage } from "./Usage.ts"

/**
 * The provider has no capacity for the request at the moment (status 503, 529 or 498). Unlike a rate limit, it does not
 * concern the account.
 *
 * **Example** (Whether to try again, and whether to go on)
 *
 * ```ts
 * import { LlmError } from "effect-instructor"
 *
 * const reason = new LlmError.OverloadedError({ description: "try again later" })
 * const error = new LlmError.LlmError({ provider: "example", reason })
 *
 * error.isRetryable // => true
 * error.isUnrecoverable // => false
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class OverloadedError extends Schema.Error<OverloadedError>("effect-instructor/LlmError/OverloadedError")({
  _tag: Schema.tag("OverloadedError"),
  description: Schema.String
}) {
  readonly isRetryable = true

  override get message(): string {
    return `The provider is overloaded: ${this.description}`
  }
}

/**
 * The request is larger than a whole rate limit, or than the provider accepts. Waiting does not help. Smaller requests
 * may succeed.
 *
 * **Example** (Whether to try again, and whether to go on)
 *
 * ```ts
 * import { LlmError } from "effect-instructor"
 *
 * const reason = new LlmError.RequestTooLargeError({ description: "300000 tokens exceed the limit of 200000" })
 * const error = new LlmError.LlmError({ provider: "example", reason })
 *
 * error.isRetryable // => false
 * error.isUnrecoverable // => false
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class RequestTooLargeError
  extends Schema.Error<RequestTooLargeError>("effect-instructor/LlmError/RequestTooLargeError")({
    _tag: Schema.tag("RequestTooLargeError"),
    description: Schema.String
  })
{
  readonly isRetryable = false

  override get message(): string {
    return `The request is too large: ${this.description}`
  }
}

/**
 * The model or the URL does not exist. Every request fails in the same way until the name of the model or the base URL
 * is corrected.
 *
 * **Example** (Whether to try again, and whether to go on)
 *
 * ```ts
 * import { LlmError } from "effect-instructor"
 *
 * const reason = new LlmError.NotFoundError({ description: "the model gpt-9 does not exist" })
 * const error = new LlmError.LlmError({ provider: "example", reason })
 *
 * error.isRetryable // => false
 * error.isUnrecoverable // => true
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class NotFoundError extends Schema.Error<NotFoundError>("effect-instructor/LlmError/NotFoundError")({
  _tag: Schema.tag("NotFoundError"),
  description: Schema.String
}) {
  readonly isRetryable = false

  override get message(): string {
    return `Not found: ${this.description}`
  }
}

/**
 * The server cannot be reached with this configuration: its host is unknown, its certificate is not trusted, or it does
 * not speak the protocol of the base URL. Every request fails in the same way until that is corrected.
 *
 * **Example** (Whether to try again, and whether to go on)
 *
 * ```ts
 * import { LlmError } from "effect-instructor"
 *
 * const reason = new LlmError.UnreachableError({ description: "its certificate is not trusted" })
 * const error = new LlmError.LlmError({ provider: "example", reason })
 *
 * error.isRetryable // => false
 * error.isUnrecoverable // => true
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class UnreachableError extends Schema.Error<UnreachableError>("effect-instructor/LlmError/UnreachableError")({
  _tag: Schema.tag("UnreachableError"),
  description: Schema.String
}) {
  readonly isRetryable = false

  override get message(): string {
    return `The server cannot be reached: ${this.description}`
  }
}

/**
 * The answer broke off, because the provider failed or the connection was lost. It may have been billed.
 *
 * **Example** (Whether to try again, and whether to go on)
 *
 * ```ts
 * import { LlmError } from "effect-instructor"
 *
 * const reason = new LlmError.IncompleteResponseError({ description: "the connection was closed" })
 * const error = new LlmError.LlmError({ provider: "example", reason })
 *
 * error.isRetryable // => true
 * error.isUnrecoverable // => false
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class IncompleteResponseError
  extends Schema.Error<IncompleteResponseError>("effect-instructor/LlmError/IncompleteResponseError")({
    _tag: Schema.tag("IncompleteResponseError"),
    description: Schema.String
  })
{
  readonly isRetryable = true

  override get message(): string {
    return `The answer is incomplete: ${this.description}`
  }
}

/**
 * The answer is larger than the transport reads, so the rest of it was not read. The same request may be answered in the
 * same way, so it is not sent again.
 *
 * **Example** (The limit of the transport)
 *
 * ```ts
 * import { LlmError } from "effect-instructor"
 *
 * const reason = new LlmError.LimitExceeded({
 *   description: "more than 1000 bytes",
 *   limit: "maxResponseBytes",
 *   maximum: 1000
 * })
 *
 * reason.message // => "The answer is too large: more than 1000 bytes"
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class LimitExceeded extends Schema.Error<LimitExceeded>("effect-instructor/LlmError/LimitExceeded")({
  _tag: Schema.tag("LimitExceeded"),
  description: Schema.String,
  limit: Schema.Literals(["maxResponseBytes", "maxHeaderBytes"]),
  maximum: Schema.Finite
}) {
  readonly isRetryable = false

  override get message(): string {
    return `The answer is too large: ${this.description}`
  }
}

/**
 * The rest of the budget does not cover the request, so `LlmBudget` did not send it.
 *
 * **Example** (Whether to try again, and whether to go on)
 *
 * ```ts
 * import { LlmError } from "effect-instructor"
 *
 * const reason = new LlmError.BudgetExceededError({ description: "The budget of $1 does not cover the request" })
 * const error = new LlmError.LlmError({ provider: "example", reason })
 *
 * error.isRetryable // => false
 * error.isUnrecoverable // => true
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class BudgetExceededError
  extends Schema.Error<BudgetExceededError>("effect-instructor/LlmError/BudgetExceededError")({
    _tag: Schema.tag("BudgetExceededError"),
    description: Schema.String
  })
{
  readonly isRetryable = false

  override get message(): string {
    return this.description
  }
}

/**
 * The schema of every reason, for code that stores or sends errors.
 *
 * **Example** (A reason as JSON, and back)
 *
 * ```ts
 * import { Schema } from "effect"
 * import { LlmError } from "effect-instructor"
 *
 * const codec = Schema.toCodecJson(LlmError.Reason)
 * const json = Schema.encodeSync(codec)(new LlmError.NotFoundError({ description: "no such model" }))
 *
 * Schema.decodeUnknownSync(codec)(json)._tag // => "NotFoundError"
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const Reason = Schema.Union([
  AiError.RateLimitError,
  AiError.QuotaExhaustedError,
  AiError.AuthenticationError,
  AiError.ContentPolicyError,
  AiError.InvalidRequestError,
  AiError.InvalidUserInputError,
  AiError.UnsupportedSchemaError,
  AiError.InvalidResponseError,
  AiError.InvalidOutputError,
  AiError.InternalProviderError,
  AiError.NetworkError,
  AiError.UnknownError,
  OverloadedError,
  RequestTooLargeError,
  NotFoundError,
  UnreachableError,
  IncompleteResponseError,
  LimitExceeded,
  BudgetExceededError
])

/**
 * The reason of an `LlmError`. Use it in a provider of your own, and to handle all reasons in one place.
 *
 * @category models
 * @since 0.1.0
 */
export type Reason = typeof Reason.Type

/**
 * The error of `Llm.complete` and `Llm.stream`. Handle single reasons with `Effect.catchReason`, and decide whether to try
 * again with `isRetryable` and `retryAfter`.
 *
 * **Example** (A provider that asks for a pause)
 *
 * ```ts
 * import { AiError } from "effect/ai"
 * import { Duration } from "effect"
 * import { LlmError } from "effect-instructor"
 *
 * const error = new LlmError.LlmError({
 *   provider: "example",
 *   reason: new AiError.RateLimitError({}),
 *   serverDelay: Duration.seconds(2)
 * })
 *
 * error.isRetryable // => true
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class LlmError extends Schema.Error<LlmError>("effect-instructor/LlmError")({
  _tag: Schema.tag("LlmError"),
  /** The name of the provider, as in telemetry. */
  provider: Schema.String,
  reason: Reason,
  /** The HTTP status, if there was a response. */
  status: Schema.optionalKey(Schema.Int),
  /** The code of the failure that the provider reports. */
  code: Schema.optionalKey(Schema.String),
  /** The id that the provider gave the request. Its support asks for it. */
  requestId: Schema.optionalKey(Schema.String),
  /** The delay that the server asked for before a retry. */
  serverDelay: Schema.optionalKey(Schema.DurationFromMillis),
  /** The limit that the request exceeded. `growth` limits how fast the rate may rise. */
  limit: Schema.optionalKey(Schema.Literals(["requests", "tokens", "growth"])),
  /** The state of the rate limits, if the provider reports it. */
  rateLimits: Schema.optionalKey(Schema.Array(RateLimitWindow)),
  /** The usage of the failed request, if the provider reports it. */
  usage: Schema.optionalKey(Usage),
  /**
   * Why a governor stopped waiting for the provider. It makes the error unrecoverable, because every other request would
   * have to wait as long.
   */
  gaveUp: Schema.optionalKey(Schema.String)
}) {
  override readonly cause = this.reason

  /** Whether the same request may succeed later. */
  get isRetryable(): boolean {
    return this.reason.isRetryable
  }

  /**
   * Whether every other request would fail in the same way: a wrong key, an unknown model or host, an exhausted account
   * or budget, a schema that the provider refuses, or a wait that is longer than the governor may wait.
   */
  get isUnrecoverable(): boolean {
    if (this.gaveUp !== undefined) return true
    switch (this.reason._tag) {
      case "AuthenticationError":
      case "QuotaExhaustedError":
      case "UnsupportedSchemaError":
      case "NotFoundError":
      case "UnreachableError":
      case "BudgetExceededError":
        return true
      case "NetworkError":
        return this.reason.reason === "InvalidUrlError"
      default:
        return false
    }
  }

  /** The delay that the server asked for, in either of its two places. */
  get retryAfter(): Duration.Duration | undefined {
    return this.serverDelay ?? (this.reason._tag === "RateLimitError" ? this.reason.retryAfter : undefined)
  }

  override get message(): string {
    const message = `${this.provider}: ${this.reason.message}`
    return printable(this.gaveUp === undefined ? message : `${message} (${this.gaveUp})`)
  }
}

/**
 * Whether a value is an `LlmError`. Use it where errors of several kinds meet.
 *
 * **Example** (Errors of several kinds)
 *
 * ```ts
 * import { LlmError } from "effect-instructor"
 *
 * LlmError.isLlmError(new Error("something else")) // => false
 * ```
 *
 * @category guards
 * @since 0.1.0
 */
export const isLlmError = (u: unknown): u is LlmError => Predicate.isTagged(u, "LlmError")
