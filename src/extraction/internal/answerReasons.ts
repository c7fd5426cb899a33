/** The reasons of a request or an answer that cannot be used. `ExtractionError` exports them. */
import * as Schema from "effect/Schema"
import * as AnswerIssue from "../../answer/AnswerIssue.ts"
import { LlmError } from "../../llm/LlmError.ts"
import { OutputMode } from "../../llm/LlmRequest.ts"

/**
 * The request failed, and the governor did not retry it or used up its retries. Handle it by the reason of `error`, its
 * `isRetryable` or its `isUnrecoverable`.
 *
 * **Example** (Whether the same request may succeed later)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Extraction } from "effect-instructor"
 *
 * export const program = Extraction.extract(Schema.Struct({ city: Schema.String }), "Paris").pipe(
 *   Effect.catchReason("ExtractionError", "ProviderFailure", ({ error }) =>
 *     Effect.logError(error.isRetryable ? "Try again later" : error.message))
 * )
 * ```
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
 * **Example** (An answer with its issue)
 *
 * ```ts
 * import { Schema } from "effect"
 * import { ExtractionError } from "effect-instructor"
 *
 * const attempt = { text: `{"age":"old"}`, issues: [{ path: ["age"], message: "Expected a number" }] }
 *
 * Schema.is(ExtractionError.InvalidAttempt)(attempt) // => true
 * ```
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
 * **Example** (The issues of the last answer)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Extraction } from "effect-instructor"
 * import { MockLlm } from "effect-instructor/testing"
 *
 * const program = Extraction.extract(Schema.Struct({ age: Schema.Int }), "Ada").pipe(
 *   Effect.catchReason("ExtractionError", "InvalidOutput", ({ attempts, issues }) =>
 *     Effect.succeed([attempts.length, issues[0]!.path])),
 *   Effect.provide(MockLlm.layer(() => ({ age: "old" })))
 * )
 *
 * await Effect.runPromise(program) // => [3, ["age"]]
 * ```
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
 * **Example** (The explanation of the model)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Extraction } from "effect-instructor"
 * import { MockLlm, Reply } from "effect-instructor/testing"
 *
 * const program = Extraction.extract(Schema.Struct({ age: Schema.Int }), "Ada").pipe(
 *   Effect.catchReason("ExtractionError", "Refused", ({ refusal }) => Effect.succeed(refusal)),
 *   Effect.provide(MockLlm.layer(() => Reply.refusal("I cannot help with that.")))
 * )
 *
 * await Effect.runPromise(program) // => "I cannot help with that."
 * ```
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
 * **Example** (What arrived before the filter)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Extraction } from "effect-instructor"
 * import { MockLlm, Reply } from "effect-instructor/testing"
 *
 * const program = Extraction.extract(Schema.Struct({ age: Schema.Int }), "Ada").pipe(
 *   Effect.catchReason("ExtractionError", "ContentFiltered", ({ text }) => Effect.succeed(text)),
 *   Effect.provide(MockLlm.layer(() => Reply.filtered(`{"age":`)))
 * )
 *
 * await Effect.runPromise(program) // => `{"age":`
 * ```
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
 * **Example** (Its message)
 *
 * ```ts
 * import { ExtractionError } from "effect-instructor"
 *
 * const reason = new ExtractionError.UnsupportedSchema({ path: "$.tags[]", description: "a tuple is not supported" })
 *
 * reason.message // => "The schema cannot be sent: at $.tags[], a tuple is not supported"
 * ```
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
 * **Example** (The modes that work)
 *
 * ```ts
 * import { ExtractionError } from "effect-instructor"
 *
 * const reason = new ExtractionError.UnsupportedMode({ mode: "json_schema", provider: "example", modes: ["tools", "json"] })
 *
 * reason.modes // => ["tools", "json"]
 * ```
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
