/**
 * What can go wrong with an extraction: one error, with the reason as a tagged value inside.
 *
 * @since 0.1.0
 */
import * as AiError from "effect/ai/AiError"
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import * as BudgetError from "./llm/internal/budgetError.ts"
import { Usage, zero } from "./llm/Usage.ts"
import * as AnswerIssue from "./output/AnswerIssue.ts"

/**
 * The provider failed, after whatever retries its governor made.
 *
 * @category errors
 * @since 0.1.0
 */
export class ProviderFailure
  extends Schema.Error<ProviderFailure>("effect-instructor/ExtractionError/ProviderFailure")({
    _tag: Schema.tag("ProviderFailure"),
    error: AiError.AiError
  })
{
  override readonly cause = this.error

  override get message(): string {
    return this.error.message
  }
}

/**
 * An answer that did not decode, and every issue with it.
 *
 * @category schemas
 * @since 0.1.0
 */
export const InvalidAttempt = Schema.Struct({
  text: Schema.String,
  issues: Schema.Array(AnswerIssue.AnswerIssue)
})

/**
 * @category models
 * @since 0.1.0
 */
export interface InvalidAttempt extends Schema.Schema.Type<typeof InvalidAttempt> {}

/**
 * No answer decoded, the last one included.
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
    return `${count === 1 ? "The answer does not decode" : `None of ${count} answers decodes`} through the schema` +
      `${count === 1 ? "" : "; the last one has"}:${shown}${more}\n` +
      `Make the descriptions in the schema clearer, loosen the check that fails, or raise maxAttempts`
  }
}

/**
 * The answer was cut off at the token limit. Asking again would cut it off again.
 *
 * @category errors
 * @since 0.1.0
 */
export class Truncated extends Schema.Error<Truncated>("effect-instructor/ExtractionError/Truncated")({
  _tag: Schema.tag("Truncated"),
  /** What arrived. */
  text: Schema.String,
  /** The limit that was asked for, if one was. */
  maxTokens: Schema.optionalKey(Schema.Natural)
}) {
  override get message(): string {
    return `The answer was cut off ${
      this.maxTokens === undefined
        ? "at the model's own token limit: ask for less at once"
        : `at maxTokens (${this.maxTokens}): raise it in parameters, or ask for less at once`
    }. ${this.text.length} characters had arrived`
  }
}

/**
 * The model declined to answer.
 *
 * @category errors
 * @since 0.1.0
 */
export class Refused extends Schema.Error<Refused>("effect-instructor/ExtractionError/Refused")({
  _tag: Schema.tag("Refused"),
  /** In the model's words. */
  refusal: Schema.String
}) {
  override get message(): string {
    return `The model declined to answer: ${this.refusal}\nChange the instructions or the text, or ask another model`
  }
}

/**
 * The provider's content filter withheld the answer, or cut it.
 *
 * @category errors
 * @since 0.1.0
 */
export class ContentFiltered
  extends Schema.Error<ContentFiltered>("effect-instructor/ExtractionError/ContentFiltered")({
    _tag: Schema.tag("ContentFiltered"),
    /** What arrived. */
    text: Schema.String
  })
{
  override get message(): string {
    return `The provider's content filter stopped the answer after ${this.text.length} characters. ` +
      `Change the text, or ask another provider`
  }
}

/**
 * The schema cannot be asked for. Nothing was sent.
 *
 * @category errors
 * @since 0.1.0
 */
export class UnsupportedSchema
  extends Schema.Error<UnsupportedSchema>("effect-instructor/ExtractionError/UnsupportedSchema")({
    _tag: Schema.tag("UnsupportedSchema"),
    /** Where in the schema: `$` is its root, `[]` a list's elements, `{}` a record's values. */
    path: Schema.String,
    description: Schema.String
  })
{
  override get message(): string {
    return `The schema cannot be sent: at ${this.path}, ${this.description}`
  }
}

/**
 * The extraction's own deadline passed, all attempts and retries counted in.
 *
 * @category errors
 * @since 0.1.0
 */
export class TimedOut extends Schema.Error<TimedOut>("effect-instructor/ExtractionError/TimedOut")({
  _tag: Schema.tag("TimedOut"),
  after: Schema.DurationFromMillis
}) {
  override get message(): string {
    return `No valid answer within ${Duration.format(this.after)}. Raise timeout, or ask for less at once`
  }
}

/**
 * The connection ended inside a streamed answer.
 *
 * @category errors
 * @since 0.1.0
 */
export class Disconnected extends Schema.Error<Disconnected>("effect-instructor/ExtractionError/Disconnected")({
  _tag: Schema.tag("Disconnected"),
  /** What arrived. */
  text: Schema.String,
  error: AiError.AiError
}) {
  override readonly cause = this.error

  override get message(): string {
    return `The connection ended inside the answer, after ${this.text.length} characters: ${this.error.message}`
  }
}

/**
 * Nothing came for too long inside a streamed answer.
 *
 * @category errors
 * @since 0.1.0
 */
export class Stalled extends Schema.Error<Stalled>("effect-instructor/ExtractionError/Stalled")({
  _tag: Schema.tag("Stalled"),
  /** What arrived. */
  text: Schema.String,
  after: Schema.DurationFromMillis
}) {
  override get message(): string {
    return `Nothing came for ${Duration.format(this.after)} inside the answer, after ${this.text.length} characters. ` +
      `Try again, or raise idleTimeout`
  }
}

/**
 * A streamed answer is longer, or nested deeper, than it may be. The rest was not read.
 *
 * @category errors
 * @since 0.1.0
 */
export class LimitExceeded extends Schema.Error<LimitExceeded>("effect-instructor/ExtractionError/LimitExceeded")({
  _tag: Schema.tag("LimitExceeded"),
  limit: Schema.Literals(["maxLength", "maxDepth"]),
  maximum: Schema.Finite
}) {
  override get message(): string {
    return this.limit === "maxLength"
      ? `The answer is longer than ${this.maximum} characters. Ask for less at once, or raise maxLength`
      : `The answer is nested deeper than ${this.maximum} levels. Ask for less at once, or raise maxDepth`
  }
}

/**
 * The input itself is no good. Nothing was sent.
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
 * What is left of the budget is not enough for the next request, which was not sent. A batch leaves its item pending:
 * over the same journal, a run with a larger budget goes on with it.
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
 * @category schemas
 * @since 0.1.0
 */
export const Reason = Schema.Union([
  ProviderFailure,
  InvalidOutput,
  Truncated,
  Refused,
  ContentFiltered,
  UnsupportedSchema,
  InvalidInput,
  TimedOut,
  BudgetExceeded,
  Disconnected,
  Stalled,
  LimitExceeded
])

/**
 * @category models
 * @since 0.1.0
 */
export type Reason = typeof Reason.Type

/**
 * Why an extraction gave no value. Handle single reasons with `Effect.catchReason`.
 *
 * **Example** (Another model for refusals)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Extraction } from "effect-instructor"
 *
 * const Person = Schema.Struct({ name: Schema.String, age: Schema.Int })
 * const person = Extraction.make({ schema: Person, model: "small" })
 * const careful = Extraction.make({ schema: Person, model: "large" })
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
  /** Completions received: a failure after the first attempt still cost them. */
  attempts: Schema.Natural,
  /** The usage of all of them. */
  usage: Usage
}) {
  override readonly cause = this.reason

  /**
   * Whether every other input would fail for the same reason: a wrong key, a model that does not exist, no money left,
   * a budget used up, a schema that cannot be sent. Going on would only spend.
   */
  get isRunFatal(): boolean {
    return this.reason._tag === "UnsupportedSchema" ||
      this.reason._tag === "BudgetExceeded" ||
      this.reason._tag === "ProviderFailure" && stopsEveryRequest(this.reason.error.reason)
  }

  override get message(): string {
    return `Extraction of ${this.extraction} failed (${this.reason._tag}). ${this.reason.message}`
  }
}

/**
 * @category guards
 * @since 0.1.0
 */
export const isExtractionError = (u: unknown): u is ExtractionError => u instanceof ExtractionError

const stopsEveryRequest = (reason: AiError.AiErrorReason): boolean => {
  switch (reason._tag) {
    case "AuthenticationError":
    case "QuotaExhaustedError":
    case "UnsupportedSchemaError":
      return true
    case "NetworkError":
      return reason.reason === "InvalidUrlError"
    case "InvalidRequestError":
      // An unknown model, or a base URL with nothing behind it.
      return reason.http?.response?.status === 404
    default:
      return false
  }
}

/**
 * The reason for what a `Llm` failed with.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromAiError = (error: AiError.AiError): Reason => {
  const description = BudgetError.description(error)
  return description === undefined ? new ProviderFailure({ error }) : new BudgetExceeded({ description })
}

/**
 * The error of an extraction that never got to ask.
 *
 * @category constructors
 * @since 0.1.0
 */
export const beforeSending = (extraction: string, reason: Reason): ExtractionError =>
  new ExtractionError({ extraction, reason, attempts: 0, usage: zero })
