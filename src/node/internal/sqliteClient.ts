/**
 * `node:sqlite` as a client of `effect/sql`.
 *
 * Written by hand: there is none for Node's own SQLite that fits Effect 4.1. Calls of `node:sqlite` are synchronous, so
 * SQLite must never wait for a lock by itself: that would block the event loop. Waiting is done in Effect.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Reactivity from "effect/reactivity/Reactivity"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as SqlClient from "effect/sql/SqlClient"
import type { Connection } from "effect/sql/SqlConnection"
import { classifySqliteError, SqlError } from "effect/sql/SqlError"
import * as Statement from "effect/sql/Statement"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs"
import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite"
import { isLocked, load } from "./sqlite.ts"

export const make = Effect.fnUntraced(function*(
  filename: string
): Effect.fn.Return<SqlClient.SqlClient, SqlError, Scope.Scope | Reactivity.Reactivity> {
  const sqlite = yield* Effect.mapError(load, (cause) => toError("open")(cause))
  const database = yield* Effect.acquireRelease(
    attempt("open", () => {
      // SQLite would create a file that other users can read.
      if (filename !== ":memory:" && !Fs.existsSync(filename)) Fs.closeSync(Fs.openSync(filename, "a", 0o600))
      return new sqlite.DatabaseSync(filename)
    }),
    (database) => Effect.ignore(attempt("close", () => database.close()))
  )
  yield* whenUnlocked(attempt("open", () => {
    database.exec("PRAGMA busy_timeout = 0; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")
  }))
  const connection = makeConnection(database)
  const acquirers = SqlClient.makeSqliteAcquirers({
    connection: Effect.succeed(connection),
    semaphore: Semaphore.makeUnsafe(1),
    isTransaction: () => database.isTransaction
  })
  return yield* SqlClient.make({
    ...acquirers,
    driver: "node-sqlite",
    compiler: Statement.makeCompilerSqlite(),
    beginTransaction: "BEGIN IMMEDIATE",
    spanAttributes: [["db.system.name", "sqlite"]]
  })
})

/** The statements that are kept prepared. */
const maxPrepared = 100

const makeConnection = (database: DatabaseSync): Connection => {
  const prepared = new Map<string, StatementSync>()
  const prepare = (sql: string): StatementSync => {
    const known = prepared.get(sql)
    if (known !== undefined) return known
    const statement = database.prepare(sql)
    if (prepared.size >= maxPrepared) prepared.clear()
    prepared.set(sql, statement)
    return statement
  }
  const rows = (sql: string, params: ReadonlyArray<unknown>) =>
    whenUnlocked(attempt("execute", () => prepare(sql).all(...params.map(toInput))))
  const values = (sql: string, params: ReadonlyArray<unknown>) =>
    Effect.map(rows(sql, params), (found) => found.map((row) => Object.values(row)))
  const execute: Connection["execute"] = (sql, params, transformRows) =>
    transformRows === undefined ? rows(sql, params) : Effect.map(rows(sql, params), (found) => transformRows(found))
  return {
    execute,
    executeRaw: (sql, params) => whenUnlocked(attempt("execute", () => prepare(sql).run(...params.map(toInput)))),
    executeValues: values,
    executeValuesUnprepared: values,
    executeUnprepared: execute,
    // In parts, each of which reads on where the last one ended.
    executeStream: (sql, params, transformRows) =>
      Stream.suspend(() => Stream.fromIterable(toIterable(database, sql, params), { chunkSize: 64 })).pipe(
        Stream.map((row) => transformRows === undefined ? row : transformRows([row])[0]!)
      )
  }
}

/** A statement of its own, because a prepared one can be run again while it is being read. */
const toIterable = (
  database: DatabaseSync,
  sql: string,
  params: ReadonlyArray<unknown>
): Iterable<Record<string, unknown>> => ({
  [Symbol.iterator]: () => database.prepare(sql).iterate(...params.map(toInput))
})

const toInput = (value: unknown): SQLInputValue =>
  value instanceof Date
    ? value.toISOString()
    : typeof value === "boolean"
    ? Number(value)
    : value === undefined
    ? null
    : value as SQLInputValue

const toError = (operation: string) => (cause: unknown): SqlError =>
  new SqlError({ reason: classifySqliteError(cause, { message: `SQLite failed to ${operation}`, operation }) })

const attempt = <A>(operation: string, run: () => A): Effect.Effect<A, SqlError> =>
  Effect.try({ try: run, catch: toError(operation) })

/** Another process holds its lock for a fraction of a millisecond, unless it does something unusual. */
const untilUnlocked = Schedule.min([Schedule.exponential("1 millis"), Schedule.spaced("50 millis")]).pipe(
  Schedule.jittered,
  Schedule.upTo({ duration: "10 seconds" })
)

const realTime = Clock.Clock.defaultValue()

const whenUnlocked = <A>(effect: Effect.Effect<A, SqlError>): Effect.Effect<A, SqlError> =>
  Effect.catchIf(effect, isBusy, () =>
    Effect.retry(effect, { while: isBusy, schedule: untilUnlocked }).pipe(
      Effect.provideService(Clock.Clock, realTime)
    ))

const isBusy = ({ reason }: SqlError): boolean => isLocked(reason.cause)
