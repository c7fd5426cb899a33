/**
 * What the processes of distributed batches share: a queue of chunks of items, and the tables of their items and results.
 * `Batch.distributed` feeds it, and `BatchWorker` works on it.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PersistedQueue from "effect/persistence/PersistedQueue"
import type * as Redis from "effect/persistence/Redis"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { JobStatus } from "./internal/distributed/jobStatus.ts"
import * as Status from "./internal/distributed/jobStatus.ts"
import * as Tables from "./internal/distributed/jobTable.ts"
import * as Message from "./internal/distributed/message.ts"
import type { Parts } from "./internal/distributed/parts.ts"
import * as RecordTable from "./internal/sql/recordTable.ts"
import type { JournalError } from "./JournalError.ts"

export type {
  /** @since 0.1.0 */
  DeadLetter,
  /** @since 0.1.0 */
  JobStatus,
  /** @since 0.1.0 */
  WorkerStatus
} from "./internal/distributed/jobStatus.ts"

const TypeId: unique symbol = Symbol.for("~effect-instructor/BatchQueue") as never

/**
 * A queue of distributed batches, and their tables. Its layers make it.
 *
 * @category services
 * @since 0.1.0
 */
export class BatchQueue extends Context.Service<BatchQueue, {
  /** For `Batch.distributed` and `BatchWorker` only. */
  readonly [TypeId]: unknown
}>()("effect-instructor/batch/BatchQueue") {}

/**
 * The parts of a queue.
 *
 * @internal
 */
export const partsOf = (self: BatchQueue["Service"]): Parts => self[TypeId] as Parts

/**
 * How a queue finds chunks, and how soon it gives a dead worker's chunk to another one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * How often a worker without work looks for some.
   *
   * @default "500 millis"
   */
  readonly pollInterval?: Duration.Input | undefined
  /**
   * After how long a worker that does not renew its lease counts as dead. It has to be longer than the event loop of a
   * worker may be blocked.
   *
   * @default "8 seconds"
   */
  readonly leaseDuration?: Duration.Input | undefined
}

/**
 * A queue over any store of `effect/persistence/PersistedQueue`, with the tables in a SQL database. Use `layerSql` or
 * `layerRedis` unless you have a store of your own.
 *
 * **Example** (A queue in memory, for a test)
 *
 * ```ts
 * import { Layer } from "effect"
 * import { BatchQueue } from "effect-instructor"
 * import { NodeSqlite } from "effect-instructor/node"
 * import { PersistedQueue } from "effect/persistence"
 *
 * export const Queue = BatchQueue.layer.pipe(
 *   Layer.provide([PersistedQueue.layerStoreMemory, NodeSqlite.layer({ filename: ":memory:" })])
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<BatchQueue, JournalError, PersistedQueue.PersistedQueueStore | SqlClient.SqlClient> =
  Layer.effect(
    BatchQueue,
    Effect.gen(function*() {
      const client = yield* SqlClient.SqlClient
      const records = yield* RecordTable.make(client)
      const parts: Parts = {
        factory: yield* PersistedQueue.makeFactory,
        tables: yield* Tables.make(client, records.dialect),
        records
      }
      return BatchQueue.of({ [TypeId]: parts })
    })
  )

/**
 * A queue and its tables in one SQL database: PostgreSQL for many machines, or SQLite for the processes of one.
 *
 * **Example** (Everything in PostgreSQL)
 *
 * ```ts
 * import { PgClient } from "@effect/sql-pg"
 * import { Layer, Redacted } from "effect"
 * import { BatchQueue } from "effect-instructor"
 *
 * export const Queue = BatchQueue.layerSql().pipe(
 *   Layer.provide(PgClient.layer({
 *     url: Redacted.make("postgres://localhost/batches"),
 *     startupParameters: { plan_cache_mode: "force_custom_plan" }
 *   }))
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerSql = (
  options?: Options
): Layer.Layer<BatchQueue, JournalError | SqlError, SqlClient.SqlClient> =>
  withStore(PersistedQueue.layerStoreSql(storeOptions(options)))

/**
 * A queue in Redis, with its tables in a SQL database.
 *
 * **Example** (The queue in Redis)
 *
 * ```ts
 * import { NodeRedis } from "@effect/platform-node"
 * import { PgClient } from "@effect/sql-pg"
 * import { Layer, Redacted } from "effect"
 * import { BatchQueue } from "effect-instructor"
 *
 * export const Queue = BatchQueue.layerRedis().pipe(
 *   Layer.provide([
 *     NodeRedis.layer({ url: "redis://localhost" }),
 *     PgClient.layer({ url: Redacted.make("postgres://localhost/batches") })
 *   ])
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerRedis = (
  options?: Options & { readonly prefix?: string | undefined }
): Layer.Layer<BatchQueue, JournalError, Redis.Redis | SqlClient.SqlClient> =>
  withStore(PersistedQueue.layerStoreRedis({ ...storeOptions(options), prefix: options?.prefix }))

/** The ids of messages are never used again, so the queue may forget those that are done. */
const withStore = <E, R>(store: Layer.Layer<PersistedQueue.PersistedQueueStore, E, R>) =>
  Layer.provide(Layer.merge(layer, PersistedQueue.layerCleanup({ timeToLive: "1 day" })), store)

const storeOptions = (options?: Options) => {
  const lease = Duration.fromInputUnsafe(options?.leaseDuration ?? "8 seconds")
  return {
    pollInterval: options?.pollInterval ?? "500 millis",
    lockExpiration: lease,
    lockRefreshInterval: Duration.millis(Duration.toMillis(lease) / 4)
  }
}

/**
 * The batches of a queue, or one of them: what is done, what waits, what failed, how fast it goes, and its workers.
 *
 * **Example** (A status line)
 *
 * ```ts
 * import { Console, Effect } from "effect"
 * import { BatchQueue } from "effect-instructor"
 *
 * export const program = BatchQueue.status({ job: "people" }).pipe(
 *   Effect.flatMap(([status]) => Console.log(`${status?.succeeded} of ${status?.items} items`))
 * )
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const status = (
  options?: { readonly job?: string | undefined }
): Effect.Effect<ReadonlyArray<JobStatus>, JournalError, BatchQueue> =>
  BatchQueue.use((queue) => Status.status(partsOf(queue).tables, options?.job))

/**
 * The chunks of a batch that were given up, because every worker that took one ended without finishing it.
 *
 * **Example** (What was given up)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { BatchQueue } from "effect-instructor"
 *
 * export const program = BatchQueue.deadLetters({ job: "people" }).pipe(
 *   Effect.flatMap(Effect.forEach(({ chunk, reason }) => Effect.log(chunk, reason)))
 * )
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const deadLetters = (
  options: { readonly job: string }
): Effect.Effect<ReadonlyArray<Status.DeadLetter>, JournalError, BatchQueue> =>
  BatchQueue.use((queue) => Status.deadLetters(partsOf(queue).tables, options.job))

/**
 * Puts the chunks of a batch that were given up into the queue again, and returns how many there were.
 *
 * **Example** (Another try)
 *
 * ```ts
 * import { BatchQueue } from "effect-instructor"
 *
 * export const program = BatchQueue.requeue({ job: "people" })
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const requeue = (
  options: { readonly job: string }
): Effect.Effect<number, JournalError | PersistedQueue.PersistedQueueError, BatchQueue> =>
  BatchQueue.use((queue) =>
    Effect.gen(function*() {
      const { factory, tables } = partsOf(queue)
      const references = yield* Status.revive(tables, options.job)
      for (const reference of references) {
        const queue = yield* factory.make({
          name: Message.queueOf(reference.fingerprint),
          schema: Message.ChunkReference
        })
        yield* Effect.catchTag(
          queue.offer(reference, { id: Message.idOf(reference) }),
          "SchemaError",
          (error) => Effect.die(error)
        )
      }
      return references.length
    })
  )

/**
 * Removes a batch with all its results. What its workers have in flight is not recorded any more.
 *
 * **Example** (Starting over)
 *
 * ```ts
 * import { BatchQueue } from "effect-instructor"
 *
 * export const program = BatchQueue.remove({ job: "people" })
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const remove = (options: { readonly job: string }): Effect.Effect<void, JournalError, BatchQueue> =>
  BatchQueue.use((queue) => {
    const { records, tables } = partsOf(queue)
    return Effect.flatMap(
      Tables.jobs(tables, options.job),
      Effect.forEach(({ id }) => Effect.andThen(Status.removeJob(tables, id), records.remove(id)), { discard: true })
    )
  })
