/**
 * What needs Node.
 *
 * @since 0.1.0
 */

/** A journal in a file. */
export * as NodeJournal from "./NodeJournal.ts"
