/**
 * What became of a batch, in figures.
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
 * Everything but `restored` is about this run alone: what a journal gave back cost nothing again.
 *
 * @category models
 * @since 0.1.0
 */
export interface BatchSummary {
  /** Items that ended with a value. */
  readonly ok: number
  /** Items that ended with an error. */
  readonly failed: number
  /** The failed ones by the tag of their reason. */
  readonly failures: Readonly<Record<string, number>>
  /** Items whose end an earlier run had recorded. */
  readonly restored: number
  /** Completions received. */
  readonly attempts: number
  /** Of all of them, those of failed items included, with their cost: `usage.usd`, or `Usage.cost`. */
  readonly usage: Usage
  /** How long items took, from request to value or error. Within 2.5 %; zero when there were none. */
  readonly latency: {
    readonly p50: Duration.Duration
    readonly p90: Duration.Duration
    readonly p99: Duration.Duration
    readonly max: Duration.Duration
  }
  readonly elapsed: Duration.Duration
  /** Items ended in a second, the restored ones not counted. */
  readonly itemsPerSecond: number
}

/**
 * What of an item a summary needs.
 *
 * @category models
 * @since 0.1.0
 */
export interface EndedItem {
  readonly result: Result.Result<unknown, { readonly reason: { readonly _tag: string } }>
  readonly attempts: number
  readonly usage: Usage
  readonly latency: Duration.Duration
  readonly restored: boolean
}

/**
 * Sums up the items of a batch as they pass.
 *
 * **Example** (Counting what failed, and why)
 *
 * ```ts
 * import { Effect, Schema, Stream } from "effect"
 * import { Batch, BatchSummary } from "effect-instructor"
 * import { MockLlm, Reply } from "effect-instructor/testing"
 *
 * const program = Batch.stream(Schema.Struct({ name: Schema.String }), ["I am Ada", "secret"]).pipe(
 *   Stream.run(BatchSummary.sink),
 *   Effect.map(({ failures, ok }) => ({ ok, failures })),
 *   Effect.provide(MockLlm.layer({ "I am Ada": { name: "Ada" }, "secret": Reply.refusal("No.") }))
 * )
 *
 * await Effect.runPromise(program) // => { ok: 1, failures: { Refused: 1 } }
 * ```
 *
 * @category sinks
 * @since 0.1.0
 */
export const sink: Sink.Sink<BatchSummary, EndedItem> = Sink.unwrap(
  Effect.map(Clock.currentTimeMillis, (start) => {
    const tally = Tally.make(start)
    return Sink.forEachArray((items: ReadonlyArray<EndedItem>) =>
      Effect.sync(() => items.forEach((item) => Tally.add(tally, item)))
    ).pipe(Sink.mapEffect(() => Effect.map(Clock.currentTimeMillis, (now) => Tally.summary(tally, now))))
  })
)
