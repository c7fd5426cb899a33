/** What the statements here share: retries, errors, and the difference between databases. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { JournalError, SqlFailure } from "../../JournalError.ts"

const realTime = Clock.Clock.defaultValue()

/** About a minute: as long as the restart of a database may take. */
const untilBack = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("3 seconds")]).pipe(
  Schedule.jittered,
  Schedule.upTo({ duration: "60 seconds" })
)

/** Sends a statement again while the database is away. Every statement here has the same effect twice as once. */
export const persistently = <A, R>(effect: Effect.Effect<A, SqlError, R>): Effect.Effect<A, SqlError, R> =>
  Effect.catchIf(
    effect,
    (error) => error.isRetryable,
    () =>
      effect.pipe(
        Effect.retry({ while: (error) => error.isRetryable, schedule: untilBack }),
        Effect.provideService(Clock.Clock, realTime)
      )
  )

export const failure = (operation: string) => (error: SqlError): JournalError =>
  new JournalError({ reason: new SqlFailure({ operation, description: describe(error) }) })

/** The message of the database, which is inside the one of the client. */
const describe = ({ message, reason }: SqlError): string => {
  const cause = reason.cause
  return cause instanceof Error && cause.message !== "" && cause.message !== message
    ? `${message}: ${cause.message}`
    : message
}

export type Dialect = "pg" | "sqlite"

export const dialectOf = (sql: SqlClient.SqlClient): Effect.Effect<Dialect, JournalError> => {
  const unsupported = (name: string) => (): Effect.Effect<Dialect, JournalError> =>
    Effect.fail(
      new JournalError({
        reason: new SqlFailure({
          operation: "used",
          description: `${name} is not supported. Use PostgreSQL or SQLite`
        })
      })
    )
  return sql.onDialect({
    pg: (): Effect.Effect<Dialect, JournalError> => Effect.succeed("pg"),
    sqlite: () => Effect.succeed("sqlite"),
    mysql: unsupported("MySQL"),
    mssql: unsupported("Microsoft SQL Server"),
    clickhouse: unsupported("ClickHouse")
  })
}

/** Creates tables. Several processes may do so at the same time. */
export const createTables = (
  sql: SqlClient.SqlClient,
  dialect: Dialect,
  statements: ReadonlyArray<string>
): Effect.Effect<void, JournalError> =>
  Effect.forEach(
    dialect === "pg" ? ["SELECT pg_advisory_xact_lock(7234019283)", ...statements] : statements,
    (statement) => sql.unsafe(statement),
    { discard: true }
  ).pipe(sql.withTransaction, persistently, Effect.mapError(failure("prepared")))
