/**
 * JSON in the text of an answer: alone, in a fenced block, amid prose, or broken in the ways in which models break it.
 *
 * An answer is taken whole or not at all. Only blocks at the top level of the text are candidates: what is inside a
 * block that cannot be read is a piece of a broken answer, and no answer.
 */
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as ExactNumber from "../internal/exactNumber.ts"
import * as TolerantJson from "./internal/tolerantJson.ts"

/** Longer texts are only parsed as they are. */
const maxSearched = 4_000_000

/** Parses a text that is nothing but JSON, and whose numbers can be held. */
export const parse = (text: string): Option.Option<Schema.Json> =>
  ExactNumber.findInexact(text) === undefined
    // Hot: 0.3 µs more than JSON.parse alone, where a Schema decoder takes 3 µs.
    ? Result.getSuccess(Result.try((): Schema.Json => JSON.parse(text)))
    : Option.none()

/**
 * The JSON values that a text may mean, the likeliest first. A text that is JSON means itself and nothing else. Of
 * several blocks the last comes first, because models quote and draft before they answer. A text whose last block cannot
 * be read means nothing.
 */
export const candidates = (text: string): ReadonlyArray<Schema.Json> => {
  const whole = parse(text)
  if (Option.isSome(whole)) return [whole.value]
  if (text.length > maxSearched) return []
  if (!/[{[]/.test(text)) return fencedScalars(text)
  const found = blocks(text)
  return found.length > 0 ? found : blocks(afterReasoning(text))
}

const maxFenced = 8

/** Texts, numbers and the like have no brackets by which to find them. */
const fencedScalars = (text: string): ReadonlyArray<Schema.Json> =>
  Array.from(text.matchAll(/```[\w-]*[^\S\n]*\n([^`]*)```/g)).slice(-maxFenced)
    .flatMap(([, block]) => Option.toArray(parse(block!)))
    .toReversed()

const reasoningTag = /<(\/?)(think|thinking|thought|reasoning|scratchpad|analysis)>/iy

/** The text after reasoning whose opening tag the server has left out. Reasoning with both tags is skipped in place. */
const afterReasoning = (text: string): string => {
  if (/^\s*[[{`]/.test(text)) return ""
  const close = text.lastIndexOf("</think")
  return close === -1 ? "" : text.slice(text.indexOf(">", close) + 1)
}

/** After so much prose, a block that is followed by more is a draft in the model's reasoning, and not its answer. */
const longPreamble = 300

/** The first character in each fenced block that says it is JSON. */
const fencedJson = /```json[^\S\n]*\n\s*(\S)/gi

/** Whether the last fenced block that says it is JSON is none: a correction that cannot be read. */
const endsInOther = (text: string): boolean =>
  !"{[/`".includes(Array.from(text.matchAll(fencedJson), ([, first]) => first!).at(-1) ?? "`")

const aroundBlock = /^[[{]\s*[[{]/

/** Values of the blocks at the top level, the last first; none if a piece of JSON remains outside of them. */
const blocks = (text: string): ReadonlyArray<Schema.Json> => {
  const values: Array<Schema.Json> = []
  let at = 0
  let proseBrackets = 0
  let isAroundBlock = false
  let preamble = -1
  let lastEnd = 0
  let isLastReadable = true
  while (at < text.length) {
    const c = text[at]
    if (c === "<") {
      const end = reasoningEnd(text, at)
      if (end === -1) return []
      at = end
    } else if (c === "}" || c === "]") {
      // What it closed is missing.
      if (proseBrackets-- === 0) return []
      at++
    } else if (c !== "{" && c !== "[") at++
    else if (!beginsJson(text, at)) {
      proseBrackets++
      isAroundBlock ||= aroundBlock.test(text.slice(at, at + 20))
      at++
    } else {
      if (belongsToObject(text, at)) return []
      const block = TolerantJson.read(text, at)
      if (block === "unclosed") return []
      const close = block === "malformed" ? TolerantJson.closing(text, at) : block.end
      const end = preamble === -1 ? close + extraBrace(text, at, close) : close
      if (end > close && proseBrackets > 0) proseBrackets--
      if (close === -1 || continues(text, end) && !(block !== "malformed" && introduces(text, end))) return []
      isLastReadable = block !== "malformed"
      if (block !== "malformed") values.push(block.value)
      if (preamble === -1) preamble = at
      lastEnd = end
      at = end
    }
  }
  const isDraft = preamble > longPreamble && /[^\s`.]/.test(text.slice(lastEnd)) || endsInOther(text)
  // An object around the block, as in `{{ … }}`, that is not closed: the brace that is missing may be one of the block's.
  const isCut = isAroundBlock && proseBrackets > 0
  return isLastReadable && !isDraft && !isCut ? values.toReversed() : []
}

/** The position after the reasoning that a tag opens, or after the character if it opens none; -1 if it does not end. */
const reasoningEnd = (text: string, at: number): number => {
  reasoningTag.lastIndex = at
  const tag = reasoningTag.exec(text)
  if (tag === null || tag[1] === "/") return at + 1
  const close = `</${tag[2]}>`
  const end = text.indexOf(close, at)
  return end === -1 ? -1 : end + close.length
}

const firstOfObject = /\{\s*(?:$|["'}]|\/[/*]|[\p{L}_$][\p{L}\p{N}_$-]*\s*:)/uy
const firstOfList = /\[\s*(?:$|["'{[\]]|\/[/*]|-?\d|(?:true|false|null|True|False|None)\b)/y

/** Whether a bracket begins JSON, as it does not in a sentence {like this one} or [this]. */
const beginsJson = (text: string, at: number): boolean => {
  const pattern = text[at] === "{" ? firstOfObject : firstOfList
  pattern.lastIndex = at
  return pattern.test(text)
}

/** Whether a block is the value of a key, whose object has lost its beginning. */
const belongsToObject = (text: string, at: number): boolean => /["']\s*:\s*$/.test(text.slice(Math.max(0, at - 20), at))

/**
 * The length of one closing brace too many at the end of an answer. With an object in the object before it, the one too
 * many could be the brace that closed the inner one.
 */
const extraBrace = (text: string, start: number, end: number): number => {
  if (text.length - end > 100 || text[end - 1] !== "}") return 0
  const length = /^\s*\}(?=[\s`]*$)/.exec(text.slice(end))?.[0].length ?? 0
  const block = text.slice(start, end)
  return length > 0 && !/[{}]/.test(block.slice(1, -1)) && Option.isSome(parse(block)) ? length : 0
}

const nextCharacter = /\s*([\s\S])/y

/** Whether JSON goes on after a block, which then was not the whole. */
const continues = (text: string, end: number): boolean => {
  nextCharacter.lastIndex = end
  const next = nextCharacter.exec(text)
  return next !== null && "{}[]\"',:".includes(next[1]!)
}

/** Whether a sentence goes on after a block, with a colon before the next one. */
const introduces = (text: string, end: number): boolean => /^:\s+[{[]/.test(text.slice(end, end + 200))
