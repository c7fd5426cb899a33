/** The built-in dialects by name. */
import * as Predicate from "effect/Predicate"
import type { Dialect } from "../Dialect.ts"
import { openAi } from "./openai.ts"
import { plain } from "./plain.ts"

/**
 * A dialect, or the name of a built-in one: `openai` is the subset that OpenAI's strict structured output accepts, with
 * its limits, and `plain` is ordinary JSON Schema.
 *
 * @category models
 * @since 0.1.0
 */
export type DialectInput = Dialect | "openai" | "plain"

export const toDialect = (input: DialectInput): Dialect =>
  Predicate.isString(input) ? input === "openai" ? openAi : plain : input
