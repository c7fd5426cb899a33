/** The reasons of an extraction that stopped before its end: a time, a limit, a budget. `ExtractionError` exports them. */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import { LlmError } from "../../llm/LlmError.ts"

/**
 * The `timeout` of the extraction passed, with all attempts, retries and waits. The same input may succeed later.
 *
 * **Example** (A text that takes too long)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Extraction } from "effect-instructor"
 * import { MockLlm, Reply } from "effect-instructor/testing"
 *
 * const city = Extraction.make({ schema: Schema.Struct({ city: Schema.String }), timeout: "5 millis" })
 *
 * const program = Extraction.extract(city, "Paris").pipe(
 *   Effect.catchReason("ExtractionError", "TimedOut", () => Effect.succeed("too slow")),
 *   Effect.provide(MockLlm.layer(() => Reply.delayed({ city: "Paris" }, "1 minute")))
 * )
 *
 * await Effect.runPromise(program) // => "too slow"
 * ```
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
 * **Example** (What arrived before the connection was lost)
 *
 * ```ts
 * import { Effect, Schema, Stream } from "effect"
 * import { ExtractionStream } from "effect-instructor"
 *
 * export const cities = ExtractionStream.elements(Schema.String, "The cities of France").pipe(
 *   Stream.tapError(({ reason }) =>
 *     reason._tag === "Disconnected" ? Effect.logWarning(`Lost after ${reason.text.length} characters`) : Effect.void
 *   )
 * )
 * ```
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
 * **Example** (Its message)
 *
 * ```ts
 * import { Duration } from "effect"
 * import { ExtractionError } from "effect-instructor"
 *
 * const reason = new ExtractionError.Stalled({ text: `{"city":`, after: Duration.seconds(30) })
 *
 * reason.message // => "The answer paused for 30s after 8 characters. Try again, or raise idleTimeout"
 * ```
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
 * **Example** (Its message)
 *
 * ```ts
 * import { ExtractionError } from "effect-instructor"
 *
 * const reason = new ExtractionError.LimitExceeded({ limit: "maxDepth", maximum: 64 })
 *
 * reason.message // => "The answer is nested deeper than 64 levels. Extract less at once, or raise maxDepth"
 * ```
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
 * **Example** (A prompt that refuses its input)
 *
 * ```ts
 * import { Effect, Result, Schema } from "effect"
 * import { Extraction } from "effect-instructor"
 * import { MockLlm } from "effect-instructor/testing"
 *
 * const city = Extraction.make({ schema: Schema.Struct({ city: Schema.String }) }).pipe(
 *   Extraction.mapInput((text: string) => text === "" ? Result.fail("The text is empty") : Result.succeed(text))
 * )
 *
 * const program = Extraction.extract(city, "").pipe(
 *   Effect.catchReason("ExtractionError", "InvalidInput", ({ description }) => Effect.succeed(description)),
 *   Effect.provide(MockLlm.layer(() => ({ city: "Paris" })))
 * )
 *
 * await Effect.runPromise(program) // => "The text is empty"
 * ```
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
 * **Example** (Stopping where the money ends)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Extraction } from "effect-instructor"
 *
 * export const program = Extraction.extract(Schema.Struct({ city: Schema.String }), "Paris").pipe(
 *   Effect.catchReason("ExtractionError", "BudgetExceeded", ({ description }) => Effect.logWarning(description))
 * )
 * ```
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
 * **Example** (Its message)
 *
 * ```ts
 * import { ExtractionError } from "effect-instructor"
 *
 * new ExtractionError.Skipped({ description: "the batch timed out" }).message // => "Skipped: the batch timed out"
 * ```
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
