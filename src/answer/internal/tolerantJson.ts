/**
 * Reads JSON that a model broke in ways that leave one reading: trailing commas, single quotes, bare keys, comments,
 * Python's literals, raw line breaks. What could be read in two ways, or has lost a part, is not read at all.
 *
 * `jsonrepair` reads more, but it drops or invents text to do so (a lone backslash, a second quote), and is quadratic on
 * some inputs. Each rule here is chosen so that changing, inserting or deleting one character of valid JSON never gives
 * another value.
 */
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import { isExact } from "../../internal/exactNumber.ts"

/** A value with the position after it. */
export interface Read {
  readonly value: Schema.Json
  readonly end: number
}

/** Why a text cannot be read: it ended inside the value, or something in it is not JSON by any reading. */
export type Unreadable = "unclosed" | "malformed"

/** Deeper values are not read: it would exhaust the stack. */
const maxDepth = 512

const TAB = 9
const LF = 10
const CR = 13
const SPACE = 32
const DOUBLE = 34
const SINGLE = 39
const STAR = 42
const COMMA = 44
const SLASH = 47
const COLON = 58
const LBRACKET = 91
const BACKSLASH = 92
const RBRACKET = 93
const LBRACE = 123
const RBRACE = 125

interface Reader {
  readonly text: string
  at: number
  unreadable: Unreadable | undefined
}

/** Reads the object or list that begins at `start`. Takes time linear in its length. */
export const read = (text: string, start: number): Read | Unreadable => {
  const reader: Reader = { text, at: start, unreadable: undefined }
  const value = readValue(reader, 0)
  return reader.unreadable ?? { value: value as Schema.Json, end: reader.at }
}

const fail = (reader: Reader, at = reader.at): undefined => {
  reader.unreadable ??= at >= reader.text.length ? "unclosed" : "malformed"
  return undefined
}

const isSpace = (c: number): boolean => c === SPACE || c === LF || c === CR || c === TAB || c === 0xA0 || c === 0xFEFF

/** Moves past white space and comments. */
const skip = (reader: Reader): void => {
  const { text } = reader
  while (reader.at < text.length) {
    const c = text.charCodeAt(reader.at)
    if (isSpace(c)) reader.at++
    else if (c === SLASH) {
      if (!skipComment(reader)) return
    } else return
  }
}

/** A comment with a quote in it may be a string that has lost its own. */
const skipComment = (reader: Reader): boolean => {
  const { at, text } = reader
  const next = text.charCodeAt(at + 1)
  if (next !== SLASH && next !== STAR) return false
  const close = next === SLASH ? text.indexOf("\n", at) : text.indexOf("*/", at + 2)
  if (close === -1) return false
  const end = next === SLASH ? close : close + 2
  for (let i = at; i < end; i++) {
    const c = text.charCodeAt(i)
    if (c === DOUBLE || c === SINGLE) return false
  }
  reader.at = end
  return true
}

const readValue = (reader: Reader, depth: number): Schema.Json | undefined => {
  skip(reader)
  const { at, text } = reader
  switch (text.charCodeAt(at)) {
    case LBRACE:
      return depth >= maxDepth ? fail(reader) : readObject(reader, depth + 1)
    case LBRACKET:
      return depth >= maxDepth ? fail(reader) : readList(reader, depth + 1)
    case DOUBLE:
      return text.startsWith("\"\"\"", at) ? readTripleQuoted(reader) : readString(reader)
    case SINGLE:
      return readSingleQuoted(reader)
    default:
      return readScalar(reader)
  }
}

const readObject = (reader: Reader, depth: number): Schema.JsonObject | undefined => {
  const { text } = reader
  const object: Record<string, Schema.Json> = {}
  reader.at++
  while (true) {
    skip(reader)
    if (text.charCodeAt(reader.at) === RBRACE) {
      reader.at++
      return object
    }
    const key = readKey(reader)
    if (key === undefined) return fail(reader)
    skip(reader)
    if (text.charCodeAt(reader.at) !== COLON) return fail(reader)
    reader.at++
    const value = readValue(reader, depth)
    if (value === undefined) return fail(reader)
    // A key that occurs twice says two things.
    if (Object.hasOwn(object, key)) return fail(reader)
    define(object, key, value)
    const isDelimited = isCloser(text.charCodeAt(reader.at - 1))
    skip(reader)
    const c = text.charCodeAt(reader.at)
    if (c === COMMA) reader.at++
    // A number without a comma behind it may have taken the comma's place.
    else if (c !== RBRACE && !isDelimited) return fail(reader)
  }
}

const isCloser = (c: number): boolean => c === RBRACE || c === RBRACKET || c === DOUBLE || c === SINGLE

const define = (object: Record<string, Schema.Json>, key: string, value: Schema.Json): void => {
  if (key === "__proto__") {
    Object.defineProperty(object, key, { value, configurable: true, enumerable: true, writable: true })
  } else object[key] = value
}

const bareKey = /[\p{L}_$][\p{L}\p{N}_$-]*/uy

const readKey = (reader: Reader): string | undefined => {
  const { at, text } = reader
  const c = text.charCodeAt(at)
  if (c === DOUBLE) return readString(reader)
  if (c === SINGLE) return readSingleQuoted(reader)
  bareKey.lastIndex = at
  const match = bareKey.exec(text)
  if (match === null) return undefined
  reader.at += match[0].length
  return match[0]
}

const readList = (reader: Reader, depth: number): Array<Schema.Json> | undefined => {
  const { text } = reader
  const list: Array<Schema.Json> = []
  // Whether every element so far ends in a bracket or a quote: a single lost character cannot have been one of those.
  let isDelimited = true
  let commaAt = -1
  reader.at++
  while (true) {
    skip(reader)
    if (text.charCodeAt(reader.at) === RBRACKET) {
      if (commaAt !== -1 && !isDelimited && !isTrailing(text, commaAt, reader.at)) return fail(reader)
      reader.at++
      return list
    }
    const value = readValue(reader, depth)
    if (value === undefined) return fail(reader)
    const isDelimitedValue = isCloser(text.charCodeAt(reader.at - 1))
    // Without a comma between them, two elements are two only if both show where they begin and end.
    if (list.length > 0 && commaAt === -1 && !(isDelimited && isDelimitedValue)) return fail(reader)
    list.push(value)
    isDelimited = isDelimited && isDelimitedValue
    skip(reader)
    const c = text.charCodeAt(reader.at)
    if (c === COMMA) commaAt = reader.at++
    else {
      commaAt = -1
      if (c !== RBRACKET && !isDelimitedValue) return fail(reader)
    }
  }
}

/**
 * Whether a comma before the end of a list of numbers is one too many, and not the remains of `[1, 2, 3]` without its 3:
 * that would have left the space before the number.
 */
const isTrailing = (text: string, commaAt: number, end: number): boolean => {
  const gap = text.slice(commaAt + 1, end)
  if (gap.includes("\n")) return gap.indexOf("\n") === gap.lastIndexOf("\n")
  return gap === "" && text.charCodeAt(text.lastIndexOf(",", commaAt - 1) + 1) === SPACE
}

/** A string in double quotes. One with raw line breaks is a text of several lines if it has more than one of them. */
const readString = (reader: Reader): string | undefined => {
  const { at, text } = reader
  let breaks = 0
  let isPlain = true
  for (let i = at + 1; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (c === DOUBLE) {
      const literal = text.slice(at, i + 1)
      const value = isPlain ? literal.slice(1, -1) : parseString(breaks > 1 ? escapeControls(literal) : literal)
      if (value === undefined || !isEndOfString(text, i + 1)) return fail(reader, i)
      reader.at = i + 1
      return value
    }
    if (c < SPACE) isPlain = false
    if (c === LF) breaks++
    else if (c === BACKSLASH) {
      isPlain = false
      i++
    }
  }
  return fail(reader, text.length)
}

/** After a string there is a delimiter; otherwise the quote belongs to the text, and the string goes on. */
const isEndOfString = (text: string, from: number): boolean => {
  for (let i = from; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (isSpace(c)) continue
    return c === COMMA || c === COLON || c === RBRACE || c === RBRACKET || c === DOUBLE && i > from || c === SLASH ||
      c === LBRACE || c === LBRACKET
  }
  return true
}

const parseString = (literal: string): string | undefined => {
  const value = Result.getOrUndefined(Result.try((): unknown => JSON.parse(literal)))
  return typeof value === "string" ? value : undefined
}

const shortEscapes: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }

const escapeControls = (literal: string): string =>
  // oxlint-disable-next-line eslint/no-control-regex
  literal.replace(/[\u0000-\u001F]/g, (c) => shortEscapes[c] ?? `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`)

/** With a double quote inside, it could be a string in double quotes that lost one. */
const readSingleQuoted = (reader: Reader): string | undefined => {
  const { at, text } = reader
  let isPlain = true
  for (let i = at + 1; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (c === DOUBLE) return fail(reader, i)
    if (c === SINGLE) {
      if (!isEndOfString(text, i + 1)) return fail(reader, i)
      const inside = text.slice(at + 1, i)
      const value = isPlain ? inside : parseString(escapeControls(`"${inside.replaceAll("\\'", "'")}"`))
      if (value === undefined) return fail(reader, i)
      reader.at = i + 1
      return value
    }
    if (c < SPACE) isPlain = false
    else if (c === BACKSLASH) {
      isPlain = false
      i++
    }
  }
  return fail(reader, text.length)
}

/** Python's long strings, where their escapes make no difference. */
const readTripleQuoted = (reader: Reader): string | undefined => {
  const { at, text } = reader
  const end = text.indexOf("\"\"\"", at + 3)
  if (end === -1) return fail(reader, text.length)
  const value = text.slice(at + 3, end)
  if (value.includes("\\") || !isEndOfString(text, end + 3)) return fail(reader, end)
  reader.at = end + 3
  return value
}

const scalar = /(?:true|false|null|True|False|None|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?)(?=[\s,}\]/]|$)/y

const pythonLiterals: Readonly<Record<string, Schema.Json>> = { True: true, False: false, None: null }

const readScalar = (reader: Reader): Schema.Json | undefined => {
  const { at, text } = reader
  scalar.lastIndex = at
  const match = scalar.exec(text)
  if (match === null) return fail(reader)
  const end = at + match[0].length
  if (end === text.length) return fail(reader, end)
  reader.at = end
  if (!Object.hasOwn(pythonLiterals, match[0]) && /\d/.test(match[0]) && !isExact(match[0])) return fail(reader, at)
  return Object.hasOwn(pythonLiterals, match[0]) ? pythonLiterals[match[0]]! : JSON.parse(match[0])
}

/** The position after the bracket that closes the one at `start`, brackets in strings not counted; -1 without any. */
export const closing = (text: string, start: number): number => {
  let depth = 0
  let inString = false
  for (let i = start; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (inString) {
      if (c === BACKSLASH) i++
      else if (c === DOUBLE) inString = false
    } else if (c === DOUBLE) inString = true
    else if (c === LBRACE || c === LBRACKET) depth++
    else if ((c === RBRACE || c === RBRACKET) && --depth === 0) return i + 1
  }
  return -1
}
