/**
 * What governors count. Read them with `Metric.value`, or export them with any of Effect's exporters.
 *
 * @since 0.1.0
 */
import * as Metric from "effect/Metric"

/**
 * @category metrics
 * @since 0.1.0
 */
export const inFlight: Metric.Gauge<number> = Metric.gauge("effect_instructor_llm_in_flight", {
  description: "Requests sent and not answered yet"
})

/**
 * @category metrics
 * @since 0.1.0
 */
export const queued: Metric.Gauge<number> = Metric.gauge("effect_instructor_llm_queued", {
  description: "Requests that wait to be sent"
})

/**
 * Requests sent, retries included.
 *
 * @category metrics
 * @since 0.1.0
 */
export const admitted: Metric.Counter<number> = Metric.counter("effect_instructor_llm_admitted", {
  description: "Requests sent, retries included",
  incremental: true
})

/**
 * Requests sent again after a transient failure or a rate limit.
 *
 * @category metrics
 * @since 0.1.0
 */
export const retries: Metric.Counter<number> = Metric.counter("effect_instructor_llm_retries", {
  description: "Requests sent again after a transient failure",
  incremental: true
})

/**
 * Requests refused for a rate limit, by `kind`: `requests`, `tokens`, `slow_down` or `unknown`.
 *
 * @category metrics
 * @since 0.1.0
 */
export const rateLimited: Metric.Counter<number> = Metric.counter("effect_instructor_llm_rate_limited", {
  description: "Requests refused for a rate limit, by kind",
  incremental: true
})

/**
 * Requests that could not be sent at once, by the `reason` they waited for last.
 *
 * @category metrics
 * @since 0.1.0
 */
export const waits: Metric.Counter<number> = Metric.counter("effect_instructor_llm_waits", {
  description: "Requests that had to wait, by reason",
  incremental: true
})

/**
 * How long requests waited to be sent, in milliseconds, those that did not wait left out.
 *
 * @category metrics
 * @since 0.1.0
 */
export const waitTime: Metric.Histogram<number> = Metric.histogram("effect_instructor_llm_wait_time", {
  description: "Time requests waited to be sent, in milliseconds",
  boundaries: Metric.exponentialBoundaries({ start: 10, factor: 2, count: 16 })
})
