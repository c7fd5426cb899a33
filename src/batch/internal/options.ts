/** Options of all batches, and their defaults. `Batch` exports the public part of it. */
import * as Duration from "effect/Duration"
import type { BatchProgress } from "../BatchProgress.ts"

/**
 * How many items are in flight when a batch does not say.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultConcurrency = 16

/**
 * Options of every batch. `In` is the input.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<in In = never> {
  /**
   * How many items may be in flight.
   *
   * @default defaultConcurrency
   */
  readonly concurrency?: number | "unbounded" | undefined
  /**
   * Whether items leave a stream in the order of their inputs instead of as they finish. One slow item then delays all
   * behind it. `all` and `results` always keep the order.
   *
   * @default false
   */
  readonly ordered?: boolean | undefined
  /** A name for each item, unique in the batch. A journal keeps the item's record under it. */
  readonly id?: ((input: In, index: number) => string | undefined) | undefined
  /**
   * Stops the batch when this many items have failed: 1 stops at the first failure, as `all` always does. Unlimited by
   * default.
   */
  readonly maxFailures?: number | undefined
  /** Stops the batch when more than this share of the items has failed, from the hundredth on. Unlimited by default. */
  readonly maxFailureShare?: number | undefined
  /** The most time for the whole batch. Unlimited by default. */
  readonly timeout?: Duration.Input | undefined
  /**
   * How long items in flight may go on after `timeout`, and in a resumable batch also after its consumer was
   * interrupted. Their answers are in the journal.
   *
   * @default "30 seconds"
   */
  readonly grace?: Duration.Input | undefined
  /** Receives the progress of the batch. */
  readonly progress?: BatchProgress | undefined
  /**
   * Whether a resumed batch runs the items again that failed in an earlier run.
   *
   * @default true
   */
  readonly retryFailures?: boolean | undefined
  /**
   * Whether a resumed batch emits the items again that an earlier run finished, from the journal.
   *
   * @default true
   */
  readonly emitRestored?: boolean | undefined
}

/** Not Math.max, which passes on a NaN. */
export const toLimit = (concurrency: number | "unbounded" | undefined): number => {
  const limit = concurrency === "unbounded" ? Infinity : Math.floor(concurrency ?? defaultConcurrency)
  return limit >= 1 ? limit : 1
}

export const timeoutOf = ({ timeout }: Options): Duration.Duration | undefined =>
  timeout === undefined ? undefined : Duration.fromInputUnsafe(timeout)

export const graceOf = ({ grace }: Options): Duration.Input => grace ?? "30 seconds"
