/**
 * Modules that need Node: a fast transport, a durable journal, and a store for a cache.
 *
 * @since 0.1.0
 */

/** A `fetch` that takes less CPU time than the built-in one. */
export * as NodeFetch from "./transport/NodeFetch.ts"
/** A journal in a file, for batches that can be resumed. */
export * as NodeJournal from "./journal/NodeJournal.ts"
/** A store for a cache in a SQLite file. */
export * as NodeLlmCache from "./NodeLlmCache.ts"
/** A client of `effect/sql` for SQLite files. */
export * as NodeSqlite from "./NodeSqlite.ts"
