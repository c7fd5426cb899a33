import type * as Context from "effect/Context"
import * as Metric from "effect/Metric"

/**
 * The metrics of caches. Read them with `Metric.value`, or export them with any of Effect's exporters.
 *
 * **Example** (Counting lookups)
 *
 * ```ts
 * import { Effect, Layer, Metric, Schema } from "effect"
 * import { Extraction, LlmCache } from "effect-instructor"
 * import { MockLlm } from "effect-instructor/testing"
 *
 * const hits = Metric.withAttributes(LlmCache.metrics.lookups, { outcome: "hit" })
 * const name = Schema.Struct({ name: Schema.String })
 *
 * const program = Effect.gen(function*() {
 *   const before = yield* Metric.value(hits)
 *   yield* Extraction.extract(name, "I am Ada")
 *   yield* Extraction.extract(name, "I am Ada")
 *   return (yield* Metric.value(hits)).count - before.count
 * }).pipe(Effect.provide(LlmCache.layer().pipe(Layer.provide(MockLlm.layer([{ name: "Ada" }])))))
 *
 * await Effect.runPromise(program) // => 1
 * ```
 *
 * @category metrics
 * @since 0.1.0
 */
export const metrics: {
  /** Requests that reached a cache, by `outcome`: `hit`, `shared`, `miss` or `stale`. */
  readonly lookups: Metric.Counter<number>
} = {
  lookups: Metric.counter("effect_instructor_llm_cache_lookups", {
    description: "Requests that reached a cache, by outcome",
    incremental: true
  })
}

const byOutcome = {
  hits: Metric.withAttributes(metrics.lookups, { outcome: "hit" }),
  shared: Metric.withAttributes(metrics.lookups, { outcome: "shared" }),
  misses: Metric.withAttributes(metrics.lookups, { outcome: "miss" }),
  stale: Metric.withAttributes(metrics.lookups, { outcome: "stale" })
}

/** The counts of one cache. */
export interface Counts {
  hits: number
  shared: number
  misses: number
  stale: number
  storeFailures: number
}

export const makeCounts = (): Counts => ({ hits: 0, shared: 0, misses: 0, stale: 0, storeFailures: 0 })

/** Counts a lookup, in the cache itself and in the metrics of the fiber that asked. */
export const count = (counts: Counts, outcome: keyof typeof byOutcome, context: Context.Context<never>): void => {
  counts[outcome]++
  byOutcome[outcome].updateUnsafe(1, context)
}
