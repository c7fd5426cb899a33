/**
 * Errors of an extraction: one `ExtractionError`, with the reason as a tagged value inside. Handle single reasons with
 * `Effect.catchReason`.
 *
 * @since 0.1.0
 */
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { printable } from "../internal/printable.ts"
import { Usage } from "../llm/Usage.ts"
import {
  ContentFiltered,
  InvalidOutput,
  ProviderFailure,
  Refused,
  UnsupportedMode,
  UnsupportedSchema
} from "./internal/answerReasons.ts"
import {
  BudgetExceeded,
  Disconnected,
  InvalidInput,
  LimitExceeded,
  Skipped,
  Stalled,
  TimedOut
} from "./internal/stopReasons.ts"
import { PromptTruncated, Truncated } from "./internal/truncated.ts"

export {
  /** @since 0.1.0 */
  ContentFiltered,
  /** @since 0.1.0 */
  InvalidAttempt,
  /** @since 0.1.0 */
  InvalidOutput,
  /** @since 0.1.0 */
  ProviderFailure,
  /** @since 0.1.0 */
  Refused,
  /** @since 0.1.0 */
  UnsupportedMode,
  /** @since 0.1.0 */
  UnsupportedSchema
} from "./internal/answerReasons.ts"

export {
  /** @since 0.1.0 */
  BudgetExceeded,
  /** @since 0.1.0 */
  Disconnected,
  /** @since 0.1.0 */
  InvalidInput,
  /** @since 0.1.0 */
  LimitExceeded,
  /** @since 0.1.0 */
  Skipped,
  /** @since 0.1.0 */
  Stalled,
  /** @since 0.1.0 */
  TimedOut
} from "./internal/stopReasons.ts"

export {
  /** @since 0.1.0 */
  PromptTruncated,
  /** @since 0.1.0 */
  Truncated
} from "./internal/truncated.ts"

export {
  /** @since 0.1.0 */
  AnswerIssue,
  /** @since 0.1.0 */
  format as formatIssue
} from "../answer/AnswerIssue.ts"

/**
 * The schema of every reason, for code that stores or sends errors.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Reason = Schema.Union([
  ProviderFailure,
  InvalidOutput,
  Truncated,
  PromptTruncated,
  Refused,
  ContentFiltered,
  UnsupportedSchema,
  UnsupportedMode,
  InvalidInput,
  TimedOut,
  BudgetExceeded,
  Disconnected,
  Stalled,
  LimitExceeded,
  Skipped
])

/**
 * The reason of an `ExtractionError`. Use it to handle all reasons in one place.
 *
 * @category models
 * @since 0.1.0
 */
export type Reason = typeof Reason.Type

/**
 * The error of every extraction. Handle single reasons with `Effect.catchReason`.
 *
 * **Example** (Another model for refusals)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Extraction } from "effect-instructor"
 *
 * const Person = Schema.Struct({ name: Schema.String, age: Schema.Int })
 * const person = Extraction.make({ schema: Person, model: "small" })
 * const careful = Extraction.with(person, { model: "large" })
 *
 * export const extract = (text: string) =>
 *   Extraction.extract(person, text).pipe(
 *     Effect.catchReason("ExtractionError", "Refused", () => Extraction.extract(careful, text))
 *   )
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class ExtractionError extends Schema.Error<ExtractionError>("effect-instructor/ExtractionError")({
  _tag: Schema.tag("ExtractionError"),
  /** The name of the extraction. */
  extraction: Schema.String,
  reason: Reason,
  /** Completions received before the failure. */
  attempts: Schema.Natural,
  /** The usage of all of them. */
  usage: Usage
}) {
  override readonly cause = this.reason

  /** Whether all inputs would fail so: a wrong key, an unknown model, an exhausted account or budget. A batch stops then. */
  get isUnrecoverable(): boolean {
    return /^(?:UnsupportedSchema|UnsupportedMode|BudgetExceeded)$/.test(this.reason._tag) ||
      this.reason._tag === "ProviderFailure" && this.reason.error.isUnrecoverable
  }

  override get message(): string {
    return printable(`Extraction of ${this.extraction} failed (${this.reason._tag}). ${this.reason.message}`)
  }
}

/**
 * Whether a value is an `ExtractionError`. Use it where errors of several kinds meet.
 *
 * @category guards
 * @since 0.1.0
 */
export const isExtractionError = (u: unknown): u is ExtractionError => Predicate.isTagged(u, "ExtractionError")
