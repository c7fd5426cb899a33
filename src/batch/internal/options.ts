/** The options of all batches and their defaults. `Batch` exports the public part. */
import * as Duration from "effect/Duration"
import type { BatchProgress } from "../BatchProgress.ts"

/**
 * The default limit on the items in flight.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultConcurrency = 16

/**
 * The options of all batch functions. `In` is the type of the inputs.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<in In = never> {
  /**
   * The maximum number of items in flight.
   *
   * @default defaultConcurrency
   */
  readonly concurrency?: number | "unbounded" | undefined
  /**
   * Whether a stream emits items in the order of their inputs instead of as they finish. A slow item then delays the
   * items after it. `all` and `results` always keep the order.
   *
   * @default false
   */
  readonly ordered?: boolean | undefined
  /** The id of an item, unique in the batch. A journal identifies the item by it. If it throws, the item fails. */
  readonly id?: ((input: In, index: number) => string | undefined) | undefined
  /**
   * Stops the batch when this many items have failed. 1 stops at the first failure, as `all` always does. Unlimited by
   * default.
   */
  readonly maxFailures?: number | undefined
  /** Stops the batch when more than this share of at least 100 items has failed: 0.1 is 10 %. Unlimited by default. */
  readonly maxFailureShare?: number | undefined
  /** The maximum time for the whole batch. Unlimited by default. */
  readonly timeout?: Duration.Input | undefined
  /**
   * How long items in flight may continue after `timeout`. In a resumable batch also how long they may continue after the
   * consumer was interrupted, so that their answers are recorded.
   *
   * @default "30 seconds"
   */
  readonly grace?: Duration.Input | undefined
  /** Receives the progress of the batch. Make one with `BatchProgress.make`. */
  readonly progress?: BatchProgress | undefined
  /**
   * Whether a resumed batch runs items again that failed in an earlier run.
   *
   * @default true
   */
  readonly retryFailures?: boolean | undefined
  /**
   * Whether a resumed batch emits items that an earlier run finished, from the journal.
   *
   * @default true
   */
  readonly emitRestored?: boolean | undefined
}

/** Not Math.max, which returns NaN for NaN. */
export const toLimit = (concurrency: number | "unbounded" | undefined): number => {
  const limit = concurrency === "unbounded" ? Infinity : Math.floor(concurrency ?? defaultConcurrency)
  return limit >= 1 ? limit : 1
}

export const timeoutOf = ({ timeout }: Options): Duration.Duration | undefined =>
  timeout === undefined ? undefined : Duration.fromInputUnsafe(timeout)

export const graceOf = ({ grace }: Options): Duration.Input => grace ?? "30 seconds"
