/**
 * What needs Node.
 *
 * @since 0.1.0
 */

/** The fast transport. */
export * as NodeFetch from "./NodeFetch.ts"
