/**
 * A store of `effect/persistence/PersistedQueue` on NATS JetStream, for `BatchQueue`. It needs the packages
 * `@nats-io/transport-node` and `@nats-io/jetstream`.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Layer from "effect/Layer"
import * as PersistedQueue from "effect/persistence/PersistedQueue"
import type * as SqlClient from "effect/sql/SqlClient"
import * as BatchQueue from "../batch/BatchQueue.ts"
import type { JournalError } from "../batch/JournalError.ts"
import * as Store from "./internal/natsStore.ts"

/**
 * Where the server is, and how soon it gives a dead worker's message to another one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The URL of a server, or those of several: `nats://localhost:4222`. */
  readonly servers: string | ReadonlyArray<string>
  /**
   * After how long a worker that does not renew its lease counts as dead.
   *
   * @default "8 seconds"
   */
  readonly leaseDuration?: Duration.Input | undefined
  /**
   * How many servers of a cluster keep a message.
   *
   * @default 1
   */
  readonly replicas?: number | undefined
}

/**
 * A queue in JetStream, with its tables in a SQL database.
 *
 * **Example** (The queue in NATS)
 *
 * ```ts
 * import { PgClient } from "@effect/sql-pg"
 * import { Layer, Redacted } from "effect"
 * import { NatsQueue } from "effect-instructor/node"
 *
 * export const Queue = NatsQueue.layer({ servers: "nats://localhost:4222" }).pipe(
 *   Layer.provide(PgClient.layer({ url: Redacted.make("postgres://localhost/batches") }))
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options
): Layer.Layer<BatchQueue.BatchQueue, JournalError | PersistedQueue.PersistedQueueError, SqlClient.SqlClient> =>
  Layer.provide(BatchQueue.layer, layerStore(options))

/**
 * The store alone. It remembers the ids of messages for two minutes, and a message that a worker gives back is a new one.
 *
 * **Example** (A queue of your own)
 *
 * ```ts
 * import { Layer } from "effect"
 * import { NatsQueue } from "effect-instructor/node"
 * import { PersistedQueue } from "effect/persistence"
 *
 * export const Queues = PersistedQueue.layer.pipe(
 *   Layer.provide(NatsQueue.layerStore({ servers: "nats://localhost:4222" }))
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerStore = (
  { leaseDuration = "8 seconds", replicas = 1, servers }: Options
): Layer.Layer<PersistedQueue.PersistedQueueStore, PersistedQueue.PersistedQueueError> =>
  Layer.effect(
    PersistedQueue.PersistedQueueStore,
    Store.make({ servers, replicas, leaseMillis: Duration.toMillis(Duration.fromInputUnsafe(leaseDuration)) })
  )
