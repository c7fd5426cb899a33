/** The built-in dialects by their names. */
import * as Predicate from "effect/Predicate"
import type { Dialect } from "../Dialect.ts"
import { openAi } from "./openai.ts"
import { plain } from "./plain.ts"

/**
 * A dialect, or the name of a built-in one: `openai` for the strict subset of OpenAI's Structured Outputs, `plain` for
 * servers that take any JSON Schema.
 *
 * @category models
 * @since 0.1.0
 */
export type DialectInput = Dialect | "openai" | "plain"

export const fromInput = (input: DialectInput): Dialect =>
  Predicate.isString(input) ? input === "openai" ? openAi : plain : input
