/**
 * Why a batch ended before its source did: one error, with the reason as a tagged value inside. What was not done is
 * done by running the batch again.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import { JournalError } from "./JournalError.ts"
import { ExtractionError } from "../extraction/ExtractionError.ts"

/**
 * A failure that every other item would meet too: a wrong key, an unknown model, no money left, a schema that cannot be
 * sent. The items it stopped have no end; they are as if never begun.
 *
 * @category errors
 * @since 0.1.0
 */
export class RunFatal extends Schema.Error<RunFatal>("effect-instructor/BatchError/RunFatal")({
  _tag: Schema.tag("RunFatal"),
  error: ExtractionError
}) {
  override readonly cause = this.error

  override get message(): string {
    return `The batch stopped, for every further item would fail too. ${this.error.message}`
  }
}

/**
 * More items failed than the batch was to put up with.
 *
 * @category errors
 * @since 0.1.0
 */
export class TooManyFailures extends Schema.Error<TooManyFailures>("effect-instructor/BatchError/TooManyFailures")({
  _tag: Schema.tag("TooManyFailures"),
  failed: Schema.Natural,
  ended: Schema.Natural,
  /** The failure that was one too many. */
  last: ExtractionError
}) {
  override readonly cause = this.last

  override get message(): string {
    return `The batch stopped after ${this.failed} of ${this.ended} items failed. The last of them: ${this.last.message}`
  }
}

/**
 * The batch's own deadline passed.
 *
 * @category errors
 * @since 0.1.0
 */
export class RunTimedOut extends Schema.Error<RunTimedOut>("effect-instructor/BatchError/RunTimedOut")({
  _tag: Schema.tag("RunTimedOut"),
  after: Schema.DurationFromMillis
}) {
  override get message(): string {
    return `The batch was not done within ${Duration.format(this.after)}. Raise its timeout, or its concurrency`
  }
}

/**
 * The journal is of no use, so an answer could be paid for and lost.
 *
 * @category errors
 * @since 0.1.0
 */
export class JournalFailure extends Schema.Error<JournalFailure>("effect-instructor/BatchError/JournalFailure")({
  _tag: Schema.tag("JournalFailure"),
  error: JournalError
}) {
  override readonly cause = this.error

  override get message(): string {
    return this.error.message
  }
}

/**
 * @category schemas
 * @since 0.1.0
 */
export const Reason = Schema.Union([RunFatal, TooManyFailures, RunTimedOut, JournalFailure])

/**
 * @category models
 * @since 0.1.0
 */
export type Reason = typeof Reason.Type

/**
 * Why a batch ended before its source did. Handle single reasons with `Effect.catchReason`.
 *
 * **Example** (Stopping at the first failure)
 *
 * ```ts
 * import { Effect, Schema, Stream } from "effect"
 * import { Batch } from "effect-instructor"
 * import { MockLlm, Reply } from "effect-instructor/testing"
 *
 * const program = Batch.stream(Schema.Struct({ name: Schema.String }), ["secret", "I am Ada"], {
 *   concurrency: 1,
 *   maxFailures: 1
 * }).pipe(
 *   Stream.runCount,
 *   Effect.catchReason("BatchError", "TooManyFailures", ({ failed, last }) => Effect.succeed([failed, last.reason._tag])),
 *   Effect.provide(MockLlm.layer({ "I am Ada": { name: "Ada" }, "secret": Reply.refusal("No.") }))
 * )
 *
 * await Effect.runPromise(program) // => [1, "Refused"]
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class BatchError extends Schema.Error<BatchError>("effect-instructor/BatchError")({
  _tag: Schema.tag("BatchError"),
  reason: Reason
}) {
  override readonly cause = this.reason

  override get message(): string {
    return this.reason.message
  }
}
