import * as Metric from "effect/Metric"

/**
 * The metrics of extractions. Read them with `Metric.value`, or export them with one of Effect's exporters.
 *
 * **Example** (Counting completions)
 *
 * ```ts
 * import { Effect, Metric, Schema } from "effect"
 * import { Extraction } from "effect-instructor"
 * import { MockLlm } from "effect-instructor/testing"
 *
 * const program = Effect.gen(function*() {
 *   const before = yield* Metric.value(Extraction.metrics.attempts)
 *   yield* Extraction.extract(Schema.Struct({ age: Schema.Int }), "I am 36")
 *   const after = yield* Metric.value(Extraction.metrics.attempts)
 *   return after.count - before.count
 * }).pipe(Effect.provide(MockLlm.layer([{ age: 36 }])))
 *
 * await Effect.runPromise(program) // => 1
 * ```
 *
 * @category metrics
 * @since 0.1.0
 */
export const metrics: {
  /** Extractions by `outcome`: `Success`, `Interrupted`, `Defect`, or the tag of the reason of a failure. */
  readonly extractions: Metric.Counter<number>
  /** Completions received, with reasks and without retries. */
  readonly attempts: Metric.Counter<number>
  readonly inputTokens: Metric.Counter<number>
  readonly outputTokens: Metric.Counter<number>
  /** The known cost of all completions, in US dollars. */
  readonly cost: Metric.Counter<number>
  /** The time until the value or the error, in milliseconds. */
  readonly duration: Metric.Histogram<number>
} = {
  extractions: Metric.counter("effect_instructor_extractions", {
    description: "Extractions by outcome",
    incremental: true
  }),
  attempts: Metric.counter("effect_instructor_attempts", {
    description: "Completions received, reasks included",
    incremental: true
  }),
  inputTokens: Metric.counter("effect_instructor_input_tokens", {
    description: "Input tokens of all completions",
    incremental: true
  }),
  outputTokens: Metric.counter("effect_instructor_output_tokens", {
    description: "Output tokens of all completions",
    incremental: true
  }),
  cost: Metric.counter("effect_instructor_cost", {
    description: "Known cost of all completions in US dollars",
    incremental: true
  }),
  duration: Metric.histogram("effect_instructor_extraction_duration", {
    description: "Duration of extractions in milliseconds",
    boundaries: Metric.exponentialBoundaries({ start: 50, factor: 2, count: 14 })
  })
}
