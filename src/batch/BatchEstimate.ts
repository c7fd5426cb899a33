/**
 * What a batch will come to, before it is run.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"

/**
 * @category models
 * @since 0.1.0
 */
export interface BatchEstimate extends Schema.Schema.Type<typeof BatchEstimate> {}

/**
 * @category schemas
 * @since 0.1.0
 */
export const BatchEstimate = Schema.Struct({
  items: Schema.Natural,
  /** Those that will end before anything is sent. */
  invalid: Schema.Natural,
  /** The items that were looked at. The rest is taken to be like them. */
  sampled: Schema.Natural,
  /** The items that were asked for, to measure what answers take. */
  probed: Schema.Natural,
  /** Requests, reasks included where they were measured. */
  requests: Schema.Natural,
  inputTokens: Schema.Natural,
  outputTokens: Schema.Natural,
  /** In US dollars; nothing, where the price of the model is not known. */
  usd: Schema.Option(Schema.Finite),
  /** What the probes have cost in US dollars; nothing, where nobody knows. It is not part of `usd`. */
  probesUsd: Schema.Option(Schema.Finite),
  duration: Schema.Duration
})

/**
 * What an estimate goes by.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** How many items there are. By default the source is read to its end to count them. */
  readonly items?: number | undefined
  /**
   * How many of the first items are looked at.
   *
   * @default 100
   */
  readonly sample?: number | undefined
  /**
   * How many of the sample are asked for, spread over it, so that tokens, reasks and latency are measured and not
   * guessed. They are paid for; with a cache, the batch gets them from there.
   *
   * @default 0
   */
  readonly probe?: number | undefined
  /** The tokens of an answer. By default they are guessed from the schema, or measured by probes. */
  readonly outputTokens?: number | undefined
  /**
   * The time an answer takes.
   *
   * @default "2 seconds", or measured by probes
   */
  readonly latency?: Duration.Input | undefined
  /**
   * How many extractions will be in flight.
   *
   * @default defaultConcurrency
   */
  readonly concurrency?: number | "unbounded" | undefined
  readonly requestsPerMinute?: number | undefined
  /** Input and output together. */
  readonly tokensPerMinute?: number | undefined
}
