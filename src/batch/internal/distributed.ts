/** Distributed batches. `Batch` exports them. */
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Compiled from "../../extraction/Compiled.ts"
import type { Extraction, PromptInput } from "../../extraction/Extraction.ts"
import type { BatchError } from "../BatchError.ts"
import { BatchQueue, partsOf } from "../BatchQueue.ts"
import * as Feeder from "./distributed/feeder.ts"
import type { Options as DistributedOptions } from "./distributed/options.ts"
import type { Item } from "./item.ts"
import type { Source } from "./source.ts"

/**
 * Like `stream`, with the work done by the workers of a `BatchQueue`, in other processes and on other machines. Use it
 * when one process or one account is not enough. Items are equal to those of `stream`, and are emitted when their chunk is
 * finished.
 *
 * A run with the same `job` attaches to what is under way, takes over what is finished, and runs what has changed. When
 * the consumer is interrupted, the workers go on. After `maxFailures` or the `timeout` they begin no further chunk.
 *
 * **Example** (Feeding a batch to workers)
 *
 * ```ts
 * import { Effect, Layer, Schema, Stream } from "effect"
 * import { Batch, BatchQueue, BatchWorker, Extraction } from "effect-instructor"
 * import { NodeSqlite } from "effect-instructor/node"
 * import { MockLlm } from "effect-instructor/testing"
 * import { PersistedQueue } from "effect/persistence"
 *
 * const person = Extraction.make({ name: "Person", schema: Schema.Struct({ name: Schema.String }) })
 *
 * // Here in one process. Real workers are processes of their own, and the queue is in PostgreSQL or Redis.
 * const Queue = BatchQueue.layer.pipe(
 *   Layer.provide([PersistedQueue.layerStoreMemory, NodeSqlite.layer({ filename: ":memory:" })])
 * )
 * const Worker = BatchWorker.layer([person]).pipe(Layer.provide(MockLlm.layer({ "I am Ada": { name: "Ada" } })))
 *
 * const program = Batch.distributed(person, ["I am Ada"]).pipe(
 *   Batch.values,
 *   Stream.runCollect,
 *   Effect.provide(Layer.provideMerge(Worker, Queue))
 * )
 *
 * await Effect.runPromise(program) // => [{ name: "Ada" }]
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const distributed: {
  <A, Input, R, In extends Input, E = never, R2 = never>(
    self: Extraction<A, Input, R>,
    source: Source<In, E, R2>,
    options?: DistributedOptions<In>
  ): Stream.Stream<Item<A, In>, E | BatchError, BatchQueue | R | R2>
  <A, R, In extends PromptInput, E = never, R2 = never>(
    self: Schema.ConstraintDecoder<A, R>,
    source: Source<In, E, R2>,
    options?: DistributedOptions<In>
  ): Stream.Stream<Item<A, In>, E | BatchError, BatchQueue | R | R2>
} = <A, Input, R, In extends Input, E = never, R2 = never>(
  self: Extraction<A, Input, R> | Schema.ConstraintDecoder<A, R>,
  source: Source<In, E, R2>,
  options?: DistributedOptions<In>
): Stream.Stream<Item<A, In>, E | BatchError, BatchQueue | R | R2> =>
  Stream.unwrap(
    Effect.map(BatchQueue, (queue) =>
      Feeder.run(partsOf(queue), Compiled.resolve<A, Input, R, unknown>(self), source, options ?? {}))
  )

/**
 * Feeds a distributed batch without waiting for its results. `distributed` with the same source and `job` collects them
 * later, and `BatchQueue.status` tells how far they are.
 *
 * **Example** (Feeding now, collecting later)
 *
 * ```ts
 * import { Schema } from "effect"
 * import { Batch, Extraction } from "effect-instructor"
 *
 * const person = Extraction.make({ name: "Person", schema: Schema.Struct({ name: Schema.String }) })
 * const texts = ["I am Ada", "I am Alan"]
 *
 * export const now = Batch.submit(person, texts, { job: "people" })
 * export const later = Batch.distributed(person, texts, { job: "people", ordered: true })
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const submit: {
  <A, Input, R, In extends Input, E = never, R2 = never>(
    self: Extraction<A, Input, R>,
    source: Source<In, E, R2>,
    options?: DistributedOptions<In>
  ): Effect.Effect<Submitted, E | BatchError, BatchQueue | R2>
  <A, R, In extends PromptInput, E = never, R2 = never>(
    self: Schema.ConstraintDecoder<A, R>,
    source: Source<In, E, R2>,
    options?: DistributedOptions<In>
  ): Effect.Effect<Submitted, E | BatchError, BatchQueue | R2>
} = <A, Input, R, In extends Input, E = never, R2 = never>(
  self: Extraction<A, Input, R> | Schema.ConstraintDecoder<A, R>,
  source: Source<In, E, R2>,
  options?: DistributedOptions<In>
): Effect.Effect<Submitted, E | BatchError, BatchQueue | R2> =>
  BatchQueue.use((queue) =>
    Feeder.submit(partsOf(queue), Compiled.resolve<A, Input, R, unknown>(self), source, options ?? {})
  )

/**
 * A distributed batch that was fed.
 *
 * @category models
 * @since 0.1.0
 */
export interface Submitted {
  readonly job: string
  readonly items: number
  readonly chunks: number
}
