/** Completions as they are given again. */
import * as Struct from "effect/Struct"
import type { Completion } from "../../../llm/Completion.ts"
import * as Usage from "../../../llm/Usage.ts"

/** The rate limits of the moment of the answer say nothing about a later one. */
export const storable = (completion: Completion): Completion => Struct.omit(completion, ["rateLimits"])

/** An answer that was paid for before: it uses nothing. */
export const replayed = (completion: Completion): Completion => ({ ...storable(completion), usage: Usage.zero })
