/**
 * Errors of an extraction: one `ExtractionError`, with the reason as a tagged value inside. Handle single reasons with
 * `Effect.catchReason`.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as AnswerIssue from "../answer/AnswerIssue.ts"
import { printable } from "../internal/printable.ts"
import { LlmError } from "../llm/LlmError.ts"
import { OutputMode } from "../llm/LlmRequest.ts"
import { Usage } from "../llm/Usage.ts"
import { PromptTruncated, Truncated } from "./internal/truncated.ts"

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
 * The request failed, and the governor did not retry it or used up its retries. Handle it by the reason of `error`, its
 * `isRetryable` or its `isUnrecoverable`.
 *
 * @category errors
 * @since 0.1.0
 */
export class ProviderFailure
  extends Schema.Error<ProviderFailure>("effect-instructor/ExtractionError/ProviderFailure")({
    _tag: Schema.tag("ProviderFailure"),
    error: LlmError
  })
{
  override readonly cause = this.error

  override get message(): string {
    return this.error.message
  }
}

/**
 * The schema of `InvalidAttempt`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const InvalidAttempt = Schema.Struct({
  text: Schema.String,
  issues: Schema.Array(AnswerIssue.AnswerIssue)
})

/**
 * An answer that did not decode, with every issue. `InvalidOutput` has one for each attempt.
 *
 * @category models
 * @since 0.1.0
 */
export interface InvalidAttempt extends Schema.Schema.Type<typeof InvalidAttempt> {}

/**
 * No answer was valid: none decoded through the schema. Its message lists the issues of the last one.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidOutput extends Schema.Error<InvalidOutput>("effect-instructor/ExtractionError/InvalidOutput")({
  _tag: Schema.tag("InvalidOutput"),
  attempts: Schema.NonEmptyArray(InvalidAttempt)
}) {
  /** The issues of the last attempt. */
  get issues(): ReadonlyArray<AnswerIssue.AnswerIssue> {
    return this.attempts[this.attempts.length - 1]!.issues
  }

  override get message(): string {
    const count = this.attempts.length
    const shown = this.issues.slice(0, 10).map((issue) => `\n- ${AnswerIssue.format(issue)}`).join("")
    const more = this.issues.length > 10 ? `\n- and ${this.issues.length - 10} more` : ""
    return `${
      count === 1
        ? "The answer does not match the schema"
        : `None of ${count} answers matches the schema. Issues of the last one`
    }:${shown}${more}\n` +
      `Clarify the descriptions in the schema, relax the check that fails, or raise maxAttempts`
  }
}

/**
 * The model refused to answer. Handle it where inputs may violate the policy of the provider.
 *
 * @category errors
 * @since 0.1.0
 */
export class Refused extends Schema.Error<Refused>("effect-instructor/ExtractionError/Refused")({
  _tag: Schema.tag("Refused"),
  /** The explanation of the model. */
  refusal: Schema.String
}) {
  override get message(): string {
    return `The model refused to answer: ${this.refusal}\nChange the instructions or the text, or use another model`
  }
}

/**
 * The content filter of the provider stopped the answer. Handle it where inputs may violate the policy of the provider.
 *
 * @category errors
 * @since 0.1.0
 */
export class ContentFiltered
  extends Schema.Error<ContentFiltered>("effect-instructor/ExtractionError/ContentFiltered")({
    _tag: Schema.tag("ContentFiltered"),
    /** The text that arrived. */
    text: Schema.String
  })
{
  override get message(): string {
    return `The provider's content filter stopped the answer after ${this.text.length} characters. ` +
      `Change the text, or use another provider`
  }
}

/**
 * The dialect of the provider cannot express the schema. Nothing was sent. Change the schema at `path`, or use one of the
 * modes `json` and `markdown`, which accept every schema.
 *
 * @category errors
 * @since 0.1.0
 */
export class UnsupportedSchema
  extends Schema.Error<UnsupportedSchema>("effect-instructor/ExtractionError/UnsupportedSchema")({
    _tag: Schema.tag("UnsupportedSchema"),
    /** The place in the schema: `$` is its root, `[]` the elements of a list, `{}` the values of a record. */
    path: Schema.String,
    description: Schema.String
  })
{
  override get message(): string {
    return `The schema cannot be sent: at ${this.path}, ${this.description}`
  }
}

/**
 * The provider does not offer the `mode` of the extraction for its model. An extraction that names none uses the best.
 *
 * @category errors
 * @since 0.1.0
 */
export class UnsupportedMode
  extends Schema.Error<UnsupportedMode>("effect-instructor/ExtractionError/UnsupportedMode")({
    _tag: Schema.tag("UnsupportedMode"),
    mode: OutputMode,
    provider: Schema.String,
    /** The modes that work. */
    modes: Schema.Array(OutputMode)
  })
{
  override get message(): string {
    const works = this.modes.join(", ")
    return `${this.provider} does not offer the mode "${this.mode}" for this model. The modes that work: ${works}`
  }
}

/**
 * The `timeout` of the extraction passed, with all attempts, retries and waits. The same input may succeed later.
 *
 * @category errors
 * @since 0.1.0
 */
export class TimedOut extends Schema.Error<TimedOut>("effect-instructor/ExtractionError/TimedOut")({
  _tag: Schema.tag("TimedOut"),
  after: Schema.DurationFromMillis
}) {
  override get message(): string {
    return `No valid answer within ${Duration.format(this.after)}. Raise timeout, or extract less at once`
  }
}

/**
 * The connection was lost within a streamed answer. The elements before it were emitted. The same input may succeed later.
 *
 * @category errors
 * @since 0.1.0
 */
export class Disconnected extends Schema.Error<Disconnected>("effect-instructor/ExtractionError/Disconnected")({
  _tag: Schema.tag("Disconnected"),
  /** The text that arrived. */
  text: Schema.String,
  error: LlmError
}) {
  override readonly cause = this.error

  override get message(): string {
    return `The connection was lost within the answer, after ${this.text.length} characters: ${this.error.message}`
  }
}

/**
 * A streamed answer paused for longer than `idleTimeout`. The same input may succeed later.
 *
 * @category errors
 * @since 0.1.0
 */
export class Stalled extends Schema.Error<Stalled>("effect-instructor/ExtractionError/Stalled")({
  _tag: Schema.tag("Stalled"),
  /** The text that arrived. */
  text: Schema.String,
  after: Schema.DurationFromMillis
}) {
  override get message(): string {
    return `The answer paused for ${Duration.format(this.after)} after ${this.text.length} characters. ` +
      `Try again, or raise idleTimeout`
  }
}

/**
 * An answer is longer than `maxLength`, nested deeper than `maxDepth`, or larger than the transport reads
 * (`maxResponseBytes`, `maxHeaderBytes`). The rest was not read. Raise the limit, or extract less at once.
 *
 * @category errors
 * @since 0.1.0
 */
export class LimitExceeded extends Schema.Error<LimitExceeded>("effect-instructor/ExtractionError/LimitExceeded")({
  _tag: Schema.tag("LimitExceeded"),
  limit: Schema.Literals(["maxLength", "maxDepth", "maxResponseBytes", "maxHeaderBytes"]),
  maximum: Schema.Finite
}) {
  override get message(): string {
    switch (this.limit) {
      case "maxLength":
        return `The answer is longer than ${this.maximum} characters. Extract less at once, or raise maxLength`
      case "maxDepth":
        return `The answer is nested deeper than ${this.maximum} levels. Extract less at once, or raise maxDepth`
      case "maxResponseBytes":
        return `The response is larger than ${this.maximum} bytes. Extract less at once, or raise the transport's ` +
          `maxResponseBytes`
      case "maxHeaderBytes":
        return `The headers of the response are larger than ${this.maximum} bytes`
    }
  }
}

/**
 * The input cannot be used: the prompt rejected it or threw, or the result is neither a text nor a prompt. Nothing was
 * sent.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidInput extends Schema.Error<InvalidInput>("effect-instructor/ExtractionError/InvalidInput")({
  _tag: Schema.tag("InvalidInput"),
  description: Schema.String
}) {
  override get message(): string {
    return this.description
  }
}

/**
 * The rest of the budget does not cover the next request, which was not sent. In a batch with a journal the item stays
 * pending, for a run with a larger budget.
 *
 * @category errors
 * @since 0.1.0
 */
export class BudgetExceeded extends Schema.Error<BudgetExceeded>("effect-instructor/ExtractionError/BudgetExceeded")({
  _tag: Schema.tag("BudgetExceeded"),
  description: Schema.String
}) {
  override get message(): string {
    return this.description
  }
}

/**
 * The batch stopped before this item was finished, because of other items or its own `timeout`. The item itself has not
 * failed: run it again.
 *
 * @category errors
 * @since 0.1.0
 */
export class Skipped extends Schema.Error<Skipped>("effect-instructor/ExtractionError/Skipped")({
  _tag: Schema.tag("Skipped"),
  /** Why the batch stopped. */
  description: Schema.String
}) {
  override get message(): string {
    return `Skipped: ${this.description}`
  }
}

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
