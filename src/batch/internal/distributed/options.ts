/** The options of distributed batches. `Batch` exports the public part. */
import type * as Duration from "effect/Duration"
import type { Options as BatchOptions } from "../options.ts"

/**
 * The options of `Batch.distributed` and `Batch.submit`. How many items are in flight is an option of the workers.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<in In = never> extends Omit<BatchOptions<In>, "concurrency" | "grace"> {
  /**
   * The name of the batch. A run with the same name attaches to what is under way, and takes over what is finished. Two
   * batches at the same time need different names.
   *
   * @default the name of the extraction
   */
  readonly job?: string | undefined
  /**
   * How many items a worker takes at once. Choose fewer where one takes over ten seconds.
   *
   * @default 256
   */
  readonly chunkSize?: number | undefined
  /**
   * How many chunks may wait for workers or for the consumer of the results. Their inputs are in memory.
   *
   * @default 64
   */
  readonly maxPending?: number | undefined
  /**
   * How often to look for finished chunks.
   *
   * @default "200 millis"
   */
  readonly pollInterval?: Duration.Input | undefined
}
