/**
 * Estimates of a batch before it runs: what `Batch.estimate` gives and takes.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"

/**
 * The estimated size, cost and time of a batch.
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
  /** Items that will fail before anything is sent. */
  invalid: Schema.Natural,
  /** The items that were examined. The estimate assumes that the others are like them. */
  sampled: Schema.Natural,
  /** The items that were extracted to measure their answers. */
  probed: Schema.Natural,
  /** Requests, including reasks where they were measured. */
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
  /** The number of items. By default the source is read to its end to count them. */
  readonly items?: number | undefined
  /**
   * How many of the first items are examined.
   *
   * @default 100
   */
  readonly sample?: number | undefined
  /**
   * How many items of the sample are extracted, spread over it, to measure tokens, reasks and latency instead of
   * guessing them. They are paid for; with a cache the batch takes them from there.
   *
   * @default 0
   */
  readonly probe?: number | undefined
  /** The tokens of an answer. Guessed from the schema, or measured by probes, by default. */
  readonly outputTokens?: number | undefined
  /**
   * The time that an answer takes.
   *
   * @default "2 seconds", or measured by probes
   */
  readonly latency?: Duration.Input | undefined
  /**
   * How many items will be in flight.
   *
   * @default defaultConcurrency
   */
  readonly concurrency?: number | "unbounded" | undefined
  readonly requestsPerMinute?: number | undefined
  /** Tokens of input and output together. */
  readonly tokensPerMinute?: number | undefined
}
