/**
 * Google.
 *
 * @since 0.1.0
 */

/** The provider and its layers. */
export * as Google from "./Google.ts"
