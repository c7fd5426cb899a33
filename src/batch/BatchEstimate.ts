/**
 * Estimates of a batch before it runs: the result and the options of `Batch.estimate`.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"

/**
 * The estimated size, cost and time of a batch: the result of `Batch.estimate`.
 *
 * @category models
 * @since 0.1.0
 */
export interface BatchEstimate extends Schema.Schema.Type<typeof BatchEstimate> {}

/**
 * The schema of `BatchEstimate`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const BatchEstimate = Schema.Struct({
  items: Schema.Natural,
  /** Items whose input is rejected, so that nothing is sent. */
  invalid: Schema.Natural,
  /** Items that were examined. The estimate assumes that the others are like them. */
  sampled: Schema.Natural,
  /** Items that were extracted to measure their answers. */
  probed: Schema.Natural,
  /** Requests, with the share of reasks that probes measured. */
  requests: Schema.Natural,
  inputTokens: Schema.Natural,
  outputTokens: Schema.Natural,
  /** In US dollars; `None` where the price of the model is unknown. */
  usd: Schema.Option(Schema.Finite),
  /** The cost of the probes in US dollars, which is not part of `usd`; `None` where it is unknown. */
  probesUsd: Schema.Option(Schema.Finite),
  duration: Schema.Duration
})

/**
 * Options of `Batch.estimate`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The number of items. By default they are counted, which reads the source to its end. */
  readonly items?: number | undefined
  /**
   * How many items are examined, from the start of the source.
   *
   * @default 100
   */
  readonly sample?: number | undefined
  /**
   * How many items of the sample are extracted to measure tokens, reasks and latency. These requests are billed. With a
   * cache, the batch does not send them again.
   *
   * @default 0
   */
  readonly probe?: number | undefined
  /** The tokens of an answer. By default they are measured by probes, or guessed from the schema. */
  readonly outputTokens?: number | undefined
  /**
   * The time for one request.
   *
   * @default "2 seconds", or measured by probes
   */
  readonly latency?: Duration.Input | undefined
  /**
   * How many items the batch has in flight.
   *
   * @default defaultConcurrency
   */
  readonly concurrency?: number | "unbounded" | undefined
  /** The rate limit on requests, if there is one. */
  readonly requestsPerMinute?: number | undefined
  /** The rate limit on tokens, input and output together, if there is one. */
  readonly tokensPerMinute?: number | undefined
}
