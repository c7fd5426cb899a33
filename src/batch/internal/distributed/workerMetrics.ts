/** The metrics of a worker. `BatchWorker` exports them. */
import * as Metric from "effect/Metric"

/**
 * The metrics of workers, with the attributes `job` and, for items, `status`.
 *
 * @category metrics
 * @since 0.1.0
 */
export const metrics: {
  readonly items: Metric.Counter<number>
  readonly chunks: Metric.Counter<number>
} = {
  items: Metric.counter("effect_instructor_worker_items", {
    description: "Items that this worker has finished",
    incremental: true
  }),
  chunks: Metric.counter("effect_instructor_worker_chunks", {
    description: "Chunks that this worker has finished",
    incremental: true
  })
}
