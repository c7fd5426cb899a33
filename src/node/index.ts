/**
 * Modules that need Node: a durable journal, a store for a cache, and the options of the transport.
 *
 * @since 0.1.0
 */

/** A journal in a file, for batches that can be resumed. */
export * as NodeJournal from "./journal/NodeJournal.ts"
/** A store for a cache in a SQLite file. */
export * as NodeLlmCache from "./NodeLlmCache.ts"
/** A client of `effect/sql` for SQLite files. */
export * as NodeSqlite from "./NodeSqlite.ts"
/** The transport of Node, with options. */
export * as NodeTransport from "./NodeTransport.ts"
/** A queue of distributed batches in NATS JetStream. */
export * as NatsQueue from "./NatsQueue.ts"
