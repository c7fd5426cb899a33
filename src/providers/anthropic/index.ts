/**
 * Anthropic.
 *
 * @since 0.1.0
 */

/** The provider and its layers. */
export * as Anthropic from "./Anthropic.ts"
