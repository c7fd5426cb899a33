/**
 * What needs Node.
 *
 * @since 0.1.0
 */

/** The fast transport. */
export * as NodeFetch from "./transport/NodeFetch.ts"
/** A journal in a file. */
export * as NodeJournal from "./journal/NodeJournal.ts"
/** A store for a cache of answers in a SQLite file. */
export * as NodeLlmCache from "./NodeLlmCache.ts"
