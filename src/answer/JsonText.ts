/** JSON in the text of an answer: alone, in a fenced block, in prose, or with the mistakes that models make. */
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import { jsonrepair } from "jsonrepair"

/** Longer texts are not searched for JSON or repaired, only parsed. */
const maxSearched = 1_000_000

/** Brackets that never close are skipped. Each costs a search to the end of the text. */
const maxUnclosed = 16

/** Parses a text that contains nothing but JSON. */
export const parse = (text: string): Option.Option<Schema.Json> =>
  Result.getSuccess(Result.try((): Schema.Json => JSON.parse(text)))

/**
 * The JSON values that a text may mean, the likeliest first. A text that is JSON means only itself. The last of several
 * blocks comes first, because models quote before they answer. Repaired JSON comes last.
 */
export function* candidates(text: string): Iterable<Schema.Json> {
  const whole = parse(text)
  if (Option.isSome(whole)) {
    yield whole.value
    return
  }
  if (text.length > maxSearched) return
  const blocks = [...fenced(text)].toReversed()
  for (const block of blocks) yield* Option.toArray(parse(block))
  for (const block of [...bracketed(text)].toReversed()) yield* Option.toArray(parse(block))
  for (const block of blocks) yield* repair(block)
  yield* repair(text)
}

/** The contents of fenced Markdown blocks. The last one may have no end. */
function* fenced(text: string): Iterable<string> {
  for (const match of text.matchAll(/```[\w-]*[^\S\n]*\n?([\s\S]*?)(?:```|$)/g)) {
    const block = match[1]!.trim()
    if (block !== "") yield block
  }
}

/** Objects and arrays in prose. Brackets inside their strings do not count. */
function* bracketed(text: string): Iterable<string> {
  let unclosed = 0
  let at = 0
  while (unclosed < maxUnclosed) {
    const start = nextBracket(text, at)
    if (start === -1) return
    const end = closing(text, start)
    if (end === -1) {
      unclosed++
      at = start + 1
    } else {
      yield text.slice(start, end)
      at = end
    }
  }
}

const nextBracket = (text: string, from: number): number => {
  const brace = text.indexOf("{", from)
  const bracket = text.indexOf("[", from)
  return brace === -1 ? bracket : bracket === -1 ? brace : Math.min(brace, bracket)
}

const closing = (text: string, start: number): number => {
  let depth = 0
  let inString = false
  for (let i = start; i < text.length; i++) {
    const char = text[i]
    if (inString) {
      if (char === "\\") i++
      else if (char === "\"") inString = false
    } else if (char === "\"") inString = true
    else if (char === "{" || char === "[") depth++
    else if ((char === "}" || char === "]") && --depth === 0) return i + 1
  }
  return -1
}

// Starts at a bracket, because jsonrepair turns plain prose into a JSON string. Repairs the inside of a value, never its
// end: a value whose brackets do not close was cut off, and to close it would hide what is missing.
function* repair(text: string): Iterable<Schema.Json> {
  const start = nextBracket(text, 0)
  const end = Math.max(text.lastIndexOf("}"), text.lastIndexOf("]")) + 1
  if (start === -1 || end <= start || /^\s*[,:]/.test(text.slice(end))) return
  const region = text.slice(start, end)
  if (count(region, /[{[]/g) !== count(region, /[}\]]/g)) return
  const repaired = Result.try((): Schema.Json => JSON.parse(jsonrepair(region)))
  if (Result.isSuccess(repaired)) yield repaired.success
}

const count = (text: string, pattern: RegExp): number => text.match(pattern)?.length ?? 0
