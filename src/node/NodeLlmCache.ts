/**
 * A store for `LlmCache` in a SQLite file, which processes of one machine may share.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Persistence from "effect/persistence/Persistence"
import * as Predicate from "effect/Predicate"
import type { DatabaseSync } from "node:sqlite"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The file. It is made if it is not there; its directory must be. */
  readonly path: string
}

/**
 * A SQLite file, by the `node:sqlite` of Node itself.
 *
 * **Example** (Answers that outlive the process)
 *
 * ```ts
 * import { Layer } from "effect"
 * import { LlmCache } from "effect-instructor"
 * import { NodeLlmCache } from "effect-instructor/node"
 * import { OpenAi } from "effect-instructor/openai"
 *
 * export const Llm = LlmCache.layer({ store: NodeLlmCache.layerSqlite({ path: "answers.sqlite" }) }).pipe(
 *   Layer.provide(OpenAi.layerConfig())
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerSqlite = (
  options: Options
): Layer.Layer<Persistence.BackingPersistence, Persistence.PersistenceError> =>
  Layer.effect(Persistence.BackingPersistence)(Effect.gen(function*() {
    const clock = yield* Clock.Clock
    const database = yield* Effect.acquireRelease(
      openFile(options.path),
      (database) => Effect.sync(() => database.close())
    )
    const statements = yield* attempt("open", () => prepare(database))
    yield* Effect.ignore(attempt("clean", () => statements.sweep.run(clock.currentTimeMillisUnsafe())))

    return Persistence.BackingPersistence.of({
      make: (storeId) =>
        Effect.sync(() => {
          const read = (key: string): object | undefined => {
            const row = statements.get.get(storeId, key, clock.currentTimeMillisUnsafe())
            const value: unknown = row === undefined ? undefined : JSON.parse(String(row["value"]))
            return Predicate.isObject(value) ? value : undefined
          }
          return {
            get: (key) => attempt("read", () => read(key)),
            getMany: (keys) => Effect.forEach(keys, (key) => attempt("read", () => read(key))),
            set: (key, value, ttl) =>
              attempt("write", () => {
                statements.set.run(storeId, key, JSON.stringify(value), Persistence.unsafeTtlToExpires(clock, ttl))
              }),
            setMany: (entries) =>
              attempt("write", () => {
                for (const [key, value, ttl] of entries) {
                  statements.set.run(storeId, key, JSON.stringify(value), Persistence.unsafeTtlToExpires(clock, ttl))
                }
              }),
            remove: (key) => attempt("write", () => void statements.remove.run(storeId, key)),
            clear: attempt("write", () => void statements.clear.run(storeId))
          }
        })
    })
  }))

const attempt = <A>(operation: string, run: () => A): Effect.Effect<A, Persistence.PersistenceError> =>
  Effect.try({
    try: run,
    catch: (cause) =>
      new Persistence.PersistenceError({ message: `SQLite could not ${operation}: ${String(cause)}`, cause })
  })

// Loaded when it is needed: some versions of Node print a warning when they load it.
const openFile = (path: string): Effect.Effect<DatabaseSync, Persistence.PersistenceError> =>
  Effect.tryPromise({
    try: () => import("node:sqlite"),
    catch: (cause) => new Persistence.PersistenceError({ message: "this Node has no SQLite", cause })
  }).pipe(
    Effect.flatMap((sqlite) => attempt("open", () => prepareFile(new sqlite.DatabaseSync(path))))
  )

const prepareFile = (database: DatabaseSync): DatabaseSync => {
  // Readers and a writer do not wait for each other, and a process that is killed leaves whole answers only.
  database.exec("PRAGMA busy_timeout = 1000; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")
  // The table that Effect's own SQL store has, so that either can read what the other wrote.
  database.exec(`
    CREATE TABLE IF NOT EXISTS effect_persistence (
      store_id TEXT NOT NULL,
      id TEXT NOT NULL,
      value TEXT NOT NULL,
      expires INTEGER,
      PRIMARY KEY (store_id, id)
    )
  `)
  return database
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
  sweep: database.prepare("DELETE FROM effect_persistence WHERE expires IS NOT NULL AND expires <= ?")
})
