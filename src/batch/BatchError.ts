/**
 * Errors of a batch that stopped before the end of its source: one `BatchError`, with the reason as a tagged value inside.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import { ExtractionError } from "../extraction/ExtractionError.ts"
import { printable } from "../internal/printable.ts"
import { JournalError } from "./JournalError.ts"

/**
 * A failure that every other item would have, too: a wrong key, an unknown model, an exhausted account, an unsupported
 * schema. The items that failed with it stay pending. Correct the cause and run the batch again.
 *
 * @category errors
 * @since 0.1.0
 */
export class Unrecoverable extends Schema.Error<Unrecoverable>("effect-instructor/BatchError/Unrecoverable")({
  _tag: Schema.tag("Unrecoverable"),
  error: ExtractionError
}) {
  override readonly cause = this.error

  override get message(): string {
    return `The batch stopped, because every further item would fail in the same way. ${this.error.message}`
  }
}

/**
 * More items failed than `maxFailures` or `maxFailureShare` allows. Look at `last` for a common cause.
 *
 * @category errors
 * @since 0.1.0
 */
export class TooManyFailures extends Schema.Error<TooManyFailures>("effect-instructor/BatchError/TooManyFailures")({
  _tag: Schema.tag("TooManyFailures"),
  failed: Schema.Natural,
  /** Items that succeeded or failed. */
  finished: Schema.Natural,
  /** The last failure. */
  last: ExtractionError
}) {
  override readonly cause = this.last

  override get message(): string {
    return `The batch stopped after ${this.failed} of ${this.finished} items failed. The last failure: ${this.last.message}`
  }
}

/**
 * The `timeout` of the batch passed. Items that were not finished stay pending. Run the batch again, or raise its timeout
 * or its concurrency.
 *
 * @category errors
 * @since 0.1.0
 */
export class TimedOut extends Schema.Error<TimedOut>("effect-instructor/BatchError/TimedOut")({
  _tag: Schema.tag("TimedOut"),
  after: Schema.DurationFromMillis
}) {
  override get message(): string {
    return `The batch did not finish within ${Duration.format(this.after)}. Raise its timeout or its concurrency`
  }
}

/**
 * The journal failed. The batch stops, because answers that are paid for could be lost. Correct the cause and run it again.
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
 * The queue of a distributed batch failed, or the database that its processes share. What is recorded stays. Correct the
 * cause and run the batch again.
 *
 * @category errors
 * @since 0.1.0
 */
export class QueueFailure extends Schema.Error<QueueFailure>("effect-instructor/BatchError/QueueFailure")({
  _tag: Schema.tag("QueueFailure"),
  description: Schema.String
}) {
  override get message(): string {
    return this.description
  }
}

/**
 * Another process feeds the same distributed batch with other items. Give the batches different names.
 *
 * @category errors
 * @since 0.1.0
 */
export class Superseded extends Schema.Error<Superseded>("effect-instructor/BatchError/Superseded")({
  _tag: Schema.tag("Superseded"),
  job: Schema.String
}) {
  override get message(): string {
    return `Another process feeds the batch ${this.job} with other items. Give the batches different names`
  }
}

/**
 * The schema of every reason, for code that stores or sends errors.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Reason = Schema.Union([Unrecoverable, TooManyFailures, TimedOut, JournalFailure, QueueFailure, Superseded])

/**
 * The reason of a `BatchError`. Use it to handle all reasons in one place.
 *
 * @category models
 * @since 0.1.0
 */
export type Reason = typeof Reason.Type

/**
 * The error of `Batch.stream`, `Batch.resumable`, `Batch.distributed` and `Batch.elements`. Handle single reasons with `Effect.catchReason`.
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
    return printable(this.reason.message)
  }
}
