import * as Metric from "effect/Metric"

/**
 * The metrics of governors. Read them with `Metric.value`, or export them with any of Effect's exporters.
 *
 * **Example** (Counting requests)
 *
 * ```ts
 * import { Effect, Layer, Metric, Schema } from "effect"
 * import { Extraction, LlmGovernor } from "effect-instructor"
 * import { MockLlm } from "effect-instructor/testing"
 *
 * const program = Effect.gen(function*() {
 *   const before = yield* Metric.value(LlmGovernor.metrics.admitted)
 *   yield* Extraction.extract(Schema.Struct({ age: Schema.Int }), "I am 36")
 *   const after = yield* Metric.value(LlmGovernor.metrics.admitted)
 *   return after.count - before.count
 * }).pipe(Effect.provide(Layer.provide(LlmGovernor.layer(), MockLlm.layer([{ age: 36 }]))))
 *
 * await Effect.runPromise(program) // => 1
 * ```
 *
 * @category metrics
 * @since 0.1.0
 */
export const metrics: {
  /** Requests in flight. */
  readonly inFlight: Metric.Gauge<number>
  /** Requests waiting to be sent. */
  readonly queued: Metric.Gauge<number>
  /** Requests sent, retries included. */
  readonly admitted: Metric.Counter<number>
  /** Requests sent again after a transient failure or a rate limit. */
  readonly retries: Metric.Counter<number>
  /** Requests refused for a rate limit, by `kind`: `requests`, `tokens`, `growth` or `unknown`. */
  readonly rateLimited: Metric.Counter<number>
  /** Requests that had to wait, by the last `reason`. */
  readonly waits: Metric.Counter<number>
  /** The time that requests waited to be sent, in milliseconds, without those that did not wait. */
  readonly waitTime: Metric.Histogram<number>
} = {
  inFlight: Metric.gauge("effect_instructor_llm_in_flight", { description: "Requests in flight" }),
  queued: Metric.gauge("effect_instructor_llm_queued", { description: "Requests waiting to be sent" }),
  admitted: Metric.counter("effect_instructor_llm_admitted", {
    description: "Requests sent, retries included",
    incremental: true
  }),
  retries: Metric.counter("effect_instructor_llm_retries", {
    description: "Requests sent again after a transient failure or a rate limit",
    incremental: true
  }),
  rateLimited: Metric.counter("effect_instructor_llm_rate_limited", {
    description: "Requests refused for a rate limit, by kind",
    incremental: true
  }),
  waits: Metric.counter("effect_instructor_llm_waits", {
    description: "Requests that had to wait, by reason",
    incremental: true
  }),
  waitTime: Metric.histogram("effect_instructor_llm_wait_time", {
    description: "Time that requests waited to be sent, in milliseconds",
    boundaries: Metric.exponentialBoundaries({ start: 10, factor: 2, count: 16 })
  })
}

const labelled = (metric: Metric.Counter<number>, label: string) => {
  const byValue = new Map<string, Metric.Metric<number, unknown>>()
  return (value: string): Metric.Metric<number, unknown> => {
    let found = byValue.get(value)
    if (found === undefined) {
      found = Metric.withAttributes(metric, { [label]: value })
      byValue.set(value, found)
    }
    return found
  }
}

export const waitsFor = labelled(metrics.waits, "reason")
export const rateLimitedFor = labelled(metrics.rateLimited, "kind")
