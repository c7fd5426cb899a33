/**
 * Workers of distributed batches: processes that take chunks of items from a `BatchQueue`, run them, and record the
 * results. Any number of them, on any number of machines, may come and go at any time.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Extraction } from "../extraction/Extraction.ts"
import type { Llm } from "../llm/Llm.ts"
import type { BatchError } from "./BatchError.ts"
import { BatchQueue, partsOf } from "./BatchQueue.ts"
import * as Worker from "./internal/distributed/worker.ts"
import type { AnyExtraction, Options } from "./internal/distributed/workerOptions.ts"

export {
  /** @since 0.1.0 */
  metrics
} from "./internal/distributed/workerMetrics.ts"

export type {
  /** @since 0.1.0 */
  AnyExtraction,
  /** @since 0.1.0 */
  Options
} from "./internal/distributed/workerOptions.ts"

/**
 * Runs a worker until it is interrupted. It works on the batches of these extractions, and leaves those of other
 * extractions, or of other versions of them, to other workers. The prompt of an extraction is not used, because
 * `Batch.distributed` has applied it.
 *
 * After a failure that every item would have, such as a wrong key, it gives its items back and fails. While the queue is
 * away, it tries again. When it is interrupted, it takes nothing more, lets the items in flight finish within `grace`, and
 * gives the rest back.
 *
 * **Example** (A worker)
 *
 * ```ts
 * import { PgClient } from "@effect/sql-pg"
 * import { Effect, Layer, Redacted, Schema } from "effect"
 * import { BatchQueue, BatchWorker, Extraction } from "effect-instructor"
 * import { OpenAi } from "effect-instructor/openai"
 *
 * const person = Extraction.make({ name: "Person", schema: Schema.Struct({ name: Schema.String }) })
 *
 * const Queue = BatchQueue.layerSql().pipe(
 *   Layer.provide(PgClient.layer({ url: Redacted.make("postgres://localhost/batches") }))
 * )
 *
 * export const program = BatchWorker.run([person], { concurrency: 256 }).pipe(
 *   Effect.provide([OpenAi.layerConfig(), Queue])
 * )
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const run = <Extractions extends AnyExtraction | ReadonlyArray<AnyExtraction>>(
  extractions: Extractions,
  options?: Options
): Effect.Effect<void, BatchError, BatchQueue | Llm | Services<Extractions>> =>
  BatchQueue.use((queue) =>
    Worker.run(
      partsOf(queue),
      Array.isArray(extractions) ? extractions : [extractions],
      options ?? {}
    )
  ) as Effect.Effect<void, BatchError, BatchQueue | Llm | Services<Extractions>>

/**
 * A worker for the lifetime of a layer, beside the rest of a program. If it fails, the error is logged.
 *
 * **Example** (A worker in a server)
 *
 * ```ts
 * import { Schema } from "effect"
 * import { BatchWorker, Extraction } from "effect-instructor"
 *
 * const person = Extraction.make({ name: "Person", schema: Schema.Struct({ name: Schema.String }) })
 *
 * export const Worker = BatchWorker.layer([person], { concurrency: 64 })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <Extractions extends AnyExtraction | ReadonlyArray<AnyExtraction>>(
  extractions: Extractions,
  options?: Options
): Layer.Layer<never, never, BatchQueue | Llm | Services<Extractions>> =>
  Layer.effectDiscard(
    run(extractions, options).pipe(
      Effect.catch((error) => Effect.logError("The worker has ended", error)),
      Effect.forkScoped
    )
  )

/**
 * The services that the schemas of extractions need.
 *
 * @category models
 * @since 0.1.0
 */
export type Services<Extractions> = Extractions extends ReadonlyArray<infer One> ? ServicesOf<One>
  : ServicesOf<Extractions>

type ServicesOf<One> = One extends Extraction<infer _A, infer _Input, infer R> ? R : never
