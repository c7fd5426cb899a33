/** The options of workers. `BatchWorker` exports them. */
import type * as Duration from "effect/Duration"
import type { Extraction } from "../../../extraction/Extraction.ts"

/**
 * The options of a worker.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * The maximum number of items in flight.
   *
   * @default Batch.defaultConcurrency
   */
  readonly concurrency?: number | "unbounded" | undefined
  /**
   * How long items in flight may continue after the worker was interrupted. The other items of its chunks are given back
   * at once.
   *
   * @default "30 seconds"
   */
  readonly grace?: Duration.Input | undefined
  /**
   * How often a chunk is begun before it is given up. Only the end of a worker's process, and failures of the queue or the
   * database, use an attempt.
   *
   * @default 5
   */
  readonly maxAttempts?: number | undefined
  /** Ends the worker when it had nothing to do for this long. By default it waits for work until it is interrupted. */
  readonly idleTimeout?: Duration.Input | undefined
  /**
   * The name of the worker in logs and in the status of a batch.
   *
   * @default a random name
   */
  readonly id?: string | undefined
}

/**
 * An extraction of any type.
 *
 * @category models
 * @since 0.1.0
 */
export type AnyExtraction = Extraction<unknown, never, unknown>
