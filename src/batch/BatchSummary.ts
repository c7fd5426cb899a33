/**
 * The summary of a batch: counts, usage, latencies and throughput.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Result from "effect/Result"
import * as Sink from "effect/Sink"
import type { Usage } from "../llm/Usage.ts"
import * as Tally from "./internal/tally.ts"

/**
 * The summary of a batch: the result of `sink`. Restored items count only as `restored`, because this run did not send
 * them.
 *
 * @category models
 * @since 0.1.0
 */
export interface BatchSummary {
  readonly succeeded: number
  readonly failed: number
  /** The number of failed items by the tag of their reason. */
  readonly failures: Readonly<Record<string, number>>
  /** Items that an earlier run finished. */
  readonly restored: number
  /** Completions received. */
  readonly attempts: number
  /** The usage of all completions, with those of failed items. The cost is `usage.usd`, or `Usage.cost`. */
  readonly usage: Usage
  /** The time from request to value or error, within 2.5 %. Zero without items. */
  readonly latency: {
    readonly p50: Duration.Duration
    readonly p90: Duration.Duration
    readonly p99: Duration.Duration
    readonly max: Duration.Duration
  }
  readonly elapsed: Duration.Duration
  /** Items finished per second, without restored ones. */
  readonly itemsPerSecond: number
}

/**
 * The part of an item that a summary needs. Every `Batch.Item` is one.
 *
 * @category models
 * @since 0.1.0
 */
export interface FinishedItem {
  readonly result: Result.Result<unknown, { readonly reason: { readonly _tag: string } }>
  readonly attempts: number
  readonly usage: Usage
  readonly latency: Duration.Duration
  readonly restored: boolean
}

/**
 * Summarises the items of a batch. Run a stream of items into it, or use `BatchProgress` for figures while the batch runs.
 *
 * **Example** (Counting failures by reason)
 *
 * ```ts
 * import { Effect, Schema, Stream } from "effect"
 * import { Batch, BatchSummary } from "effect-instructor"
 * import { MockLlm, Reply } from "effect-instructor/testing"
 *
 * const program = Batch.stream(Schema.Struct({ name: Schema.String }), ["I am Ada", "secret"]).pipe(
 *   Stream.run(BatchSummary.sink),
 *   Effect.map(({ failures, succeeded }) => ({ succeeded, failures })),
 *   Effect.provide(MockLlm.layer({ "I am Ada": { name: "Ada" }, "secret": Reply.refusal("No.") }))
 * )
 *
 * await Effect.runPromise(program) // => { succeeded: 1, failures: { Refused: 1 } }
 * ```
 *
 * @category sinks
 * @since 0.1.0
 */
export const sink: Sink.Sink<BatchSummary, FinishedItem> = Sink.unwrap(
  Effect.map(Clock.currentTimeMillis, (start) => {
    const tally = Tally.make(start)
    return Sink.forEachArray((items: ReadonlyArray<FinishedItem>) =>
      Effect.sync(() => items.forEach((item) => Tally.add(tally, item)))
    ).pipe(Sink.mapEffect(() => Effect.map(Clock.currentTimeMillis, (now) => Tally.summary(tally, now))))
  })
)
