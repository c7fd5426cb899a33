/** The built-in dialects by name. */
import * as Predicate from "effect/Predicate"
import type { Dialect } from "../Dialect.ts"
import { anthropic } from "./anthropic.ts"
import { google } from "./google.ts"
import { openAi } from "./openai.ts"
import { plain } from "./plain.ts"

/**
 * A dialect, or the name of a built-in one: `openai` is the subset that OpenAI's strict structured output accepts, with
 * its limits, `anthropic` and `google` are the subsets of those providers, and `plain` is ordinary JSON Schema.
 *
 * @category models
 * @since 0.1.0
 */
export type DialectInput = Dialect | "openai" | "anthropic" | "google" | "plain"

export const toDialect = (input: DialectInput): Dialect => Predicate.isString(input) ? builtIn[input] : input

const builtIn = { openai: openAi, anthropic, google, plain } as const
