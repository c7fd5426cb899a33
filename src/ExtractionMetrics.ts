/**
 * What extractions count. Read them with `Metric.value`, or export them with any of Effect's exporters.
 *
 * @since 0.1.0
 */
import * as Metric from "effect/Metric"

/**
 * Extractions, by `outcome`: `Success`, or the tag of the reason they failed for.
 *
 * @category metrics
 * @since 0.1.0
 */
export const extractions: Metric.Counter<number> = Metric.counter("effect_instructor_extractions", {
  description: "Extractions by outcome",
  incremental: true
})

/**
 * Completions received, reasks included and retries not.
 *
 * @category metrics
 * @since 0.1.0
 */
export const attempts: Metric.Counter<number> = Metric.counter("effect_instructor_attempts", {
  description: "Completions received, reasks included",
  incremental: true
})

/**
 * @category metrics
 * @since 0.1.0
 */
export const inputTokens: Metric.Counter<number> = Metric.counter("effect_instructor_input_tokens", {
  description: "Input tokens of all completions",
  incremental: true
})

/**
 * @category metrics
 * @since 0.1.0
 */
export const outputTokens: Metric.Counter<number> = Metric.counter("effect_instructor_output_tokens", {
  description: "Output tokens of all completions",
  incremental: true
})

/**
 * What is known of the cost of all completions, in US dollars.
 *
 * @category metrics
 * @since 0.1.0
 */
export const cost: Metric.Counter<number> = Metric.counter("effect_instructor_cost", {
  description: "Cost of all completions in US dollars, as far as their prices are known",
  incremental: true
})

/**
 * How long extractions take, in milliseconds, from call to value or error.
 *
 * @category metrics
 * @since 0.1.0
 */
export const duration: Metric.Histogram<number> = Metric.histogram("effect_instructor_extraction_duration", {
  description: "Duration of extractions in milliseconds",
  boundaries: Metric.exponentialBoundaries({ start: 50, factor: 2, count: 14 })
})
