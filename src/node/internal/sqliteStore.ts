/**
 * A store in a SQLite file, over the `node:sqlite` of Node itself.
 *
 * Written by hand: Effect's SQL store needs an `effect/sql` client, and there is none for `node:sqlite`. Calls of
 * `node:sqlite` are synchronous, so SQLite must never wait for a lock by itself: that would block the event loop. Waiting
 * is done in Effect, between attempts.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Persistence from "effect/persistence/Persistence"
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Fs from "node:fs"
import type { DatabaseSync } from "node:sqlite"
import { isLocked, load } from "./sqlite.ts"

/** Expired answers are deleted in parts, so that the event loop goes on in between. */
const sweepSize = 200

export const make = Effect.fnUntraced(function*(
  path: string
): Effect.fn.Return<Persistence.BackingPersistence["Service"], Persistence.PersistenceError, Scope.Scope> {
  const clock = yield* Clock.Clock
  const database = yield* Effect.acquireRelease(
    openFile(path),
    (database) => Effect.ignore(attempt("closed", () => database.close()))
  )
  yield* run("opened", () => prepareFile(database))
  const statements = yield* attempt("opened", () => prepare(database))
  const write = exclusively()
  yield* Effect.forkScoped(Effect.ignore(sweep(statements, write, clock)))

  const makeStore = (storeId: string): Persistence.BackingPersistenceStore => {
    const read = (key: string): object | undefined => {
      const row = statements.get.get(storeId, key, clock.currentTimeMillisUnsafe())
      const value: unknown = row === undefined ? undefined : JSON.parse(String(row["value"]))
      return Predicate.isObject(value) ? value : undefined
    }
    const set = (...[key, value, ttl]: Parameters<Persistence.BackingPersistenceStore["set"]>): void => {
      statements.set.run(storeId, key, JSON.stringify(value), Persistence.unsafeTtlToExpires(clock, ttl))
    }
    return {
      get: (key) => run("read", () => read(key)),
      getMany: (keys) => Effect.forEach(keys, (key) => run("read", () => read(key))),
      set: (key, value, ttl) => write(() => set(key, value, ttl)),
      setMany: (entries) =>
        Effect.forEach(entries, ([key, value, ttl]) => write(() => set(key, value, ttl)), { discard: true }),
      remove: (key) => write(() => void statements.remove.run(storeId, key)),
      clear: write(() => void statements.clear.run(storeId))
    }
  }
  return { make: (storeId) => Effect.sync(() => makeStore(storeId)) }
})

type Write = <A>(run: () => A) => Effect.Effect<A, Persistence.PersistenceError>

/** One write at a time, so that of many writers only one keeps asking for the lock. */
const exclusively = (): Write => {
  const semaphore = Semaphore.makeUnsafe(1)
  return (write) => semaphore.withPermit(run("written", write))
}

const isBusy = ({ cause }: Persistence.PersistenceError): boolean => isLocked(cause)

/** Another process holds its lock for a fraction of a millisecond, unless it does something unusual. */
const untilUnlocked = Schedule.min([Schedule.exponential("1 millis"), Schedule.spaced("50 millis")]).pipe(
  Schedule.jittered,
  Schedule.upTo({ duration: "10 seconds" })
)

const run = <A>(operation: string, run: () => A): Effect.Effect<A, Persistence.PersistenceError> =>
  Effect.retry(attempt(operation, run), { while: isBusy, schedule: untilUnlocked })

const attempt = <A>(operation: string, run: () => A): Effect.Effect<A, Persistence.PersistenceError> =>
  Effect.try({
    try: run,
    catch: (cause) =>
      new Persistence.PersistenceError({
        message: `The SQLite file could not be ${operation}: ${String(cause)}`,
        cause
      })
  })

const openFile = (path: string): Effect.Effect<DatabaseSync, Persistence.PersistenceError> =>
  load.pipe(
    Effect.mapError((cause) =>
      new Persistence.PersistenceError({ message: "This version of Node has no SQLite", cause })
    ),
    Effect.flatMap((sqlite) =>
      attempt("opened", () => {
        // SQLite would create a file that other users can read.
        if (path !== ":memory:" && !Fs.existsSync(path)) Fs.closeSync(Fs.openSync(path, "a", 0o600))
        return new sqlite.DatabaseSync(path)
      })
    )
  )

const prepareFile = (database: DatabaseSync): void => {
  // Readers and a writer do not wait for each other, and a killed process leaves whole answers only.
  database.exec("PRAGMA busy_timeout = 0; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")
  // The table and the index of Effect's own SQL store, so that each can read what the other wrote.
  database.exec(`
    CREATE TABLE IF NOT EXISTS effect_persistence (
      store_id TEXT NOT NULL,
      id TEXT NOT NULL,
      value TEXT NOT NULL,
      expires INTEGER,
      PRIMARY KEY (store_id, id)
    );
    CREATE INDEX IF NOT EXISTS effect_persistence_expires_idx ON effect_persistence (expires) WHERE expires IS NOT NULL
  `)
}

const prepare = (database: DatabaseSync) => ({
  get: database.prepare(
    "SELECT value FROM effect_persistence WHERE store_id = ? AND id = ? AND (expires IS NULL OR expires > ?)"
  ),
  set: database.prepare(
    "INSERT INTO effect_persistence (store_id, id, value, expires) VALUES (?, ?, ?, ?) " +
      "ON CONFLICT (store_id, id) DO UPDATE SET value = excluded.value, expires = excluded.expires"
  ),
  remove: database.prepare("DELETE FROM effect_persistence WHERE store_id = ? AND id = ?"),
  clear: database.prepare("DELETE FROM effect_persistence WHERE store_id = ?"),
  sweep: database.prepare(
    "DELETE FROM effect_persistence WHERE rowid IN " +
      `(SELECT rowid FROM effect_persistence WHERE expires IS NOT NULL AND expires <= ? LIMIT ${sweepSize})`
  )
})

const sweep = Effect.fnUntraced(function*(
  statements: ReturnType<typeof prepare>,
  write: Write,
  clock: Clock.Clock
): Effect.fn.Return<void, Persistence.PersistenceError> {
  const now = clock.currentTimeMillisUnsafe()
  while (true) {
    const { changes } = yield* write(() => statements.sweep.run(now))
    if (Number(changes) < sweepSize) return
    yield* Effect.yieldNow
  }
})
