/** The queue of a distributed batch, from a URL. */
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RateLimiter from "effect/persistence/RateLimiter"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as BatchQueue from "../../batch/BatchQueue.ts"
import * as LlmGovernor from "../../middleware/governor/LlmGovernor.ts"
import * as NodeSqlite from "../../node/NodeSqlite.ts"
import { CommandFailure, usage } from "../commandFailure.ts"
import * as Flags from "./flags.ts"

export const queueFlag = Flag.String("queue").pipe(
  Flag.withDescription("The queue of a distributed batch: postgres://…, sqlite:file, or redis://… with --store"),
  Flag.withMetavar("url")
)

export const storeFlag = Flag.String("store").pipe(
  Flag.withDescription("Where items and results are, if the queue is in Redis: postgres://… or sqlite:file"),
  Flag.withMetavar("url"),
  Flags.optional
)

export interface Options {
  readonly queue: string
  readonly store: string | undefined
}

export interface Services {
  readonly queue: Layer.Layer<BatchQueue.BatchQueue, CommandFailure>
  /** For limits and budgets that all workers share. */
  readonly limits: Layer.Layer<RateLimiter.RateLimiterStore, CommandFailure>
}

const isPostgres = (url: string): boolean => /^postgres(ql)?:\/\//.test(url)
const isRedis = (url: string): boolean => /^rediss?:\/\//.test(url)

export const services = ({ queue, store }: Options): Result.Result<Services, CommandFailure> => {
  if (!isRedis(queue)) {
    if (store !== undefined) return Result.fail(usage("--store is only for a queue in Redis"))
    return Result.map(databaseOf("--queue", queue), (database) => ({
      queue: connected(BatchQueue.layerSql().pipe(Layer.provide(database))),
      limits: connected(LlmGovernor.layerStoreSql.pipe(Layer.provide(database)))
    }))
  }
  if (store === undefined) {
    return Result.fail(usage("A queue in Redis needs --store, a database for the items and results: postgres://…"))
  }
  return Result.map(databaseOf("--store", store), (database) => {
    const redis = redisOf(queue)
    return {
      queue: connected(BatchQueue.layerRedis().pipe(Layer.provide([redis, database]))),
      limits: connected(RateLimiter.layerStoreRedis().pipe(Layer.provide(redis)))
    }
  })
}

const isCommandFailure = (error: unknown): error is CommandFailure => error instanceof CommandFailure

const explained = <A, E extends { readonly message: string }>(
  layer: Layer.Layer<A, E>,
  what: string
): Layer.Layer<A, CommandFailure> =>
  layer.pipe(
    Layer.catch((error) =>
      Layer.effectContext(Effect.fail(isCommandFailure(error) ? error : usage(`${what}: ${describe(error)}`)))
    )
  )

/** Connections fail with errors of several kinds, whose messages may contain the password of the URL. */
const connected = <A, E extends { readonly message: string }>(
  layer: Layer.Layer<A, E>
): Layer.Layer<A, CommandFailure> => explained(layer, "Cannot use the queue")

const describe = (error: { readonly message: string; readonly cause?: unknown }): string => {
  const inner = causeOf(error.cause)
  return (inner === "" || error.message.includes(inner) ? error.message : `${error.message}: ${inner}`)
    .replace(/:\/\/[^@\s/]*@/g, "://")
}

const causeOf = (cause: unknown): string => cause instanceof Error ? causeOf(cause.cause) || cause.message : ""

const databaseOf = (
  flag: string,
  url: string
): Result.Result<Layer.Layer<SqlClient.SqlClient, CommandFailure>, CommandFailure> => {
  if (isPostgres(url)) return Result.succeed(postgres(url))
  if (url.startsWith("sqlite:") && url.length > "sqlite:".length) {
    return Result.succeed(
      explained(NodeSqlite.layer({ filename: url.slice("sqlite:".length) }), `Cannot open ${url}`)
    )
  }
  return Result.fail(usage(`${flag} is none of postgres://…, sqlite:file${flag === "--queue" ? " and redis://…" : ""}`))
}

/** Only users of PostgreSQL have the package. */
const postgres = (url: string): Layer.Layer<SqlClient.SqlClient, CommandFailure> =>
  Layer.unwrap(Effect.map(
    Effect.tryPromise({
      try: () => import("@effect/sql-pg/PgClient"),
      catch: () => usage("A queue in PostgreSQL needs the package @effect/sql-pg: npm install @effect/sql-pg")
    }),
    (PgClient) =>
      explained(
        checked(PgClient.layer({
          url: Redacted.make(url),
          maxConnections: 4,
          applicationName: "effect-instructor",
          // A plan made for an empty table would be kept for as long as the connection.
          startupParameters: { plan_cache_mode: "force_custom_plan" }
        })),
        "Cannot connect to PostgreSQL"
      )
  ))

/** A queue dies if its tables cannot be created, so the connection is tried before. */
const checked = <E>(client: Layer.Layer<SqlClient.SqlClient, E>): Layer.Layer<SqlClient.SqlClient, E | SqlError> =>
  Layer.provide(
    Layer.effect(SqlClient.SqlClient, Effect.tap(SqlClient.SqlClient, (sql) => sql`SELECT 1`)),
    client
  )

const redisOf = (url: string) =>
  Layer.unwrap(Effect.map(
    Effect.tryPromise({
      try: () => import("@effect/platform-node/NodeRedis"),
      catch: () => usage("A queue in Redis needs the package redis: npm install redis")
    }),
    (NodeRedis) => explained(NodeRedis.layer({ url }), "Cannot connect to Redis")
  ))
