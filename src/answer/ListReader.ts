/**
 * An incremental reader of the list in an answer. It returns the text of each element as soon as it closes, whatever
 * pieces the answer arrives in. The list is under a key of an object, or is the whole value; in a fenced block or in
 * prose; with other keys before and after it.
 *
 * `effect/encoding/JsonArray` reads documents that contain nothing but JSON, and returns parsed values: it stops at the
 * first prose and at the first broken element, and does not keep the text of an element, which a reask and a repair need.
 */
import * as Result from "effect/Result"

export interface Limits {
  /** The most characters of an answer. */
  readonly maxLength: number
  /** The deepest nesting of a value. */
  readonly maxDepth: number
}

// Outside of any value.
const PROSE = 0
const MAYBE_OBJECT = 1
const MAYBE_LIST = 2
// In an object that may contain the list.
const KEY = 3
const IN_KEY = 4
const COLON = 5
const MEMBER = 6
const IN_MEMBER = 7
const AFTER_MEMBER = 8
// In the list.
const ELEMENT = 9
const IN_ELEMENT = 10
const AFTER_ELEMENT = 11

const TAB = 9
const LF = 10
const CR = 13
const SPACE = 32
const QUOTE = 34
const COMMA = 44
const COLON_SIGN = 58
const LBRACKET = 91
const BACKSLASH = 92
const RBRACKET = 93
const LBRACE = 123
const RBRACE = 125

const isSpace = (c: number): boolean => c === SPACE || c === LF || c === CR || c === TAB

/** What may precede a bare list of numbers on its line, so that "[1]" in a sentence is not read as one. */
const lineStart = /^\s*(?:```[\w-]*\s*)?$/

const maxLineStart = 40

export class ListReader {
  readonly #key: string
  readonly #limits: Limits
  #state = PROSE
  /** Whether the list is in an object that has not ended. */
  #inObject = false
  /** The beginning of the line in prose. */
  #line = ""
  /** The last two characters in prose that are not spaces. */
  #lastTwo = ""
  /** Brackets in prose that are still open. */
  #brackets = 0
  #lists = 0
  /** Whether the object has another value under the key. */
  #keyTaken = false
  #elements = 0
  #length = 0
  /** Whether nothing has followed the end of a bare list yet. */
  #afterList = false
  /** Whether an object broke off. A list in its rest may be any of its members. */
  #broken = false
  #found: "nothing" | "text" | "no list" = "nothing"
  #problem: string | undefined
  #exceeded: keyof Limits | undefined
  // The value or key that is being read. It may have begun in an earlier piece.
  #buffer = ""
  #depth = 0
  #inString = false
  #escaped = false
  #scalar = false

  constructor(key: string, limits: Limits) {
    this.#key = key
    this.#limits = limits
  }

  /** The limit that was exceeded, if one was. Nothing is read after that. */
  get exceeded(): keyof Limits | undefined {
    return this.#exceeded
  }

  /** Whether the answer has a problem that the rest of its list would not solve. */
  get isContradictory(): boolean {
    return this.#problem === moreThanOne || this.#problem === twice || this.#problem === brokenAfter
  }

  /** Reads a piece of the answer, and appends the text of each element that closes to `out`. */
  feed(text: string, out: Array<string>): void {
    if (this.#exceeded !== undefined) return
    this.#length += text.length
    if (this.#length > this.#limits.maxLength) {
      this.#exceeded = "maxLength"
      return
    }
    let i = 0
    while (i < text.length && this.#problem === undefined && this.#exceeded === undefined) {
      switch (this.#state) {
        case PROSE:
          i = this.#prose(text, i)
          break
        case IN_KEY:
        case IN_MEMBER:
        case IN_ELEMENT:
          i = this.#value(text, i, out)
          break
        default:
          i = this.#between(text, i)
      }
    }
  }

  /** The problem of the list, if it has one, when the answer has ended. */
  end(): string | undefined {
    if (this.#problem !== undefined) return this.#problem
    switch (this.#state) {
      case PROSE:
      case MAYBE_OBJECT:
      case MAYBE_LIST:
        if (this.#lists > 0) return undefined
        return this.#found === "nothing"
          ? "The answer is empty"
          : this.#found === "text"
          ? "The answer contains no list"
          : `Expected a list under ${JSON.stringify(this.#key)}`
      case ELEMENT:
      case IN_ELEMENT:
      case AFTER_ELEMENT:
        return `The list breaks off after ${this.#elements} elements`
      default:
        return this.#lists > 0
          ? `The answer breaks off after its list of ${this.#elements} elements`
          : "The answer breaks off before its list"
    }
  }

  #prose(text: string, from: number): number {
    for (let i = from; i < text.length; i++) {
      const c = text.charCodeAt(i)
      if (c === LBRACE || c === LBRACKET) {
        this.#state = c === LBRACE ? MAYBE_OBJECT : MAYBE_LIST
        this.#keyTaken = false
        if (this.#found === "nothing") this.#found = "text"
        return i + 1
      }
      if (c === LF) this.#line = ""
      else if (this.#line.length < maxLineStart) this.#line += text[i]!
      if (this.#afterList && !isSpace(c)) {
        this.#afterList = false
        // The list was a member of an object whose start is missing.
        if (c === COMMA || c === COLON_SIGN) this.#problem = brokenAfter
      }
      if (c === RBRACE) {
        this.#broken = true
        if (this.#lists > 0) this.#problem = brokenAfter
      } else if (c === RBRACKET) {
        // What it closes is missing, and a list after it is a piece of that.
        if (this.#brackets === 0) this.#broken = true
        else this.#brackets--
      }
      if (!isSpace(c)) this.#lastTwo = (this.#lastTwo + text[i]!).slice(-2)
      if (!isSpace(c) && this.#found === "nothing") this.#found = "text"
    }
    return text.length
  }

  /** Reads one character between values. */
  #between(text: string, i: number): number {
    const c = text.charCodeAt(i)
    if (isSpace(c)) return i + 1
    switch (this.#state) {
      case MAYBE_OBJECT:
      case KEY:
        return c === QUOTE ? this.#begin(IN_KEY, text, i) : this.#leave(c, i)
      case MAYBE_LIST: {
        const likely = c === LBRACE || c === LBRACKET || c === QUOTE ||
          lineStart.test(this.#line) && (c === RBRACKET || startsValue(c))
        // A member of an object whose start is missing. Where its strings and its end are is a guess.
        if (this.#lastTwo === "\":") this.#broken = true
        // A list within another one is not the list of the answer either.
        if (!likely || this.#broken || this.#brackets > 0) {
          this.#brackets++
          return this.#toProse(i)
        }
        this.#inObject = false
        this.#enterList()
        return i
      }
      case COLON:
        if (c !== COLON_SIGN) return this.#leave(c, i)
        this.#state = MEMBER
        return i + 1
      case MEMBER:
        if (this.#buffer === this.#key) {
          if (c === LBRACKET) {
            if (this.#keyTaken) this.#problem = twice
            this.#inObject = true
            this.#enterList()
            return i + 1
          }
          this.#found = "no list"
          this.#keyTaken = true
          // The last of two equal keys counts, and the first had the list.
          if (this.#lists > 0) this.#problem = moreThanOne
        }
        return this.#begin(IN_MEMBER, text, i)
      case AFTER_MEMBER:
        if (c === COMMA) {
          this.#state = KEY
          return i + 1
        }
        return c === QUOTE ? this.#begin(IN_KEY, text, i) : this.#leave(c, i)
      default:
        if (c === COMMA && this.#state === AFTER_ELEMENT) {
          this.#state = ELEMENT
          return i + 1
        }
        if (c === RBRACKET) {
          if (this.#inObject) this.#state = AFTER_MEMBER
          else {
            this.#toProse(i)
            this.#afterList = true
          }
          return i + 1
        }
        if (c === COMMA || c === COLON_SIGN || c === RBRACE) {
          this.#problem = `Expected element ${this.#elements} of the list, got ${JSON.stringify(text[i])}`
          return i
        }
        // A missing comma between strings, objects or lists does not affect them. Next to a number it may have been a digit.
        if (this.#state === AFTER_ELEMENT && (this.#scalar || c !== QUOTE && c !== LBRACE && c !== LBRACKET)) {
          this.#problem = `Expected a comma after element ${this.#elements - 1} of the list`
          return i
        }
        return this.#begin(IN_ELEMENT, text, i)
    }
  }

  /** Leaves an object at its end, or where it is not an object after all. */
  #leave(c: number, i: number): number {
    if (c === RBRACE) {
      this.#inObject = false
      return this.#toProse(i + 1)
    }
    this.#broken = true
    if (this.#inObject) this.#problem = brokenAfter
    return this.#toProse(i)
  }

  #toProse(i: number): number {
    this.#state = PROSE
    this.#line = "-"
    return i
  }

  #enterList(): void {
    // Elements that were returned cannot be replaced by those of another list.
    if (this.#elements > 0) this.#problem = moreThanOne
    this.#lists++
    this.#state = ELEMENT
  }

  #begin(state: number, text: string, i: number): number {
    const c = text.charCodeAt(i)
    this.#state = state
    this.#buffer = ""
    this.#inString = c === QUOTE
    this.#escaped = false
    this.#depth = c === LBRACE || c === LBRACKET ? 1 : 0
    this.#scalar = !this.#inString && this.#depth === 0
    if (this.#depth > this.#limits.maxDepth) this.#exceeded = "maxDepth"
    if (state !== IN_MEMBER) this.#buffer = text[i]!
    return i + 1
  }

  /** Reads a value to its end, or to the end of the piece. */
  #value(text: string, from: number, out: Array<string>): number {
    const end = this.#scalar ? scalarEnd(text, from) : this.#nestedEnd(text, from)
    const stop = end === -1 ? text.length : end
    const state = this.#state
    if (state !== IN_MEMBER) this.#buffer += text.slice(from, stop)
    if (end === -1) return stop
    switch (state) {
      case IN_KEY:
        this.#buffer = keyOf(this.#buffer)
        this.#state = COLON
        return stop
      case IN_MEMBER:
        this.#state = AFTER_MEMBER
        return stop
      default:
        this.#elements++
        out.push(this.#buffer)
        this.#buffer = ""
        this.#state = AFTER_ELEMENT
        return stop
    }
  }

  #nestedEnd(text: string, from: number): number {
    const { maxDepth } = this.#limits
    let depth = this.#depth
    let inString = this.#inString
    let escaped = this.#escaped
    for (let i = from; i < text.length; i++) {
      const c = text.charCodeAt(i)
      if (inString) {
        if (escaped) escaped = false
        else if (c === BACKSLASH) escaped = true
        else if (c === QUOTE) {
          inString = false
          if (depth === 0) return i + 1
        }
      } else if (c === QUOTE) inString = true
      else if (c === LBRACE || c === LBRACKET) {
        if (++depth > maxDepth) {
          this.#exceeded = "maxDepth"
          return -1
        }
      } else if ((c === RBRACE || c === RBRACKET) && --depth === 0) return i + 1
    }
    this.#depth = depth
    this.#inString = inString
    this.#escaped = escaped
    return -1
  }
}

const moreThanOne = "The answer contains more than one list; the elements are those of the first"

const twice = "The answer has another value under the key of its list"

const brokenAfter = "The answer is broken after its list"

const startsValue = (c: number): boolean =>
  c === 45 || (c >= 48 && c <= 57) || c === 102 || c === 110 || c === 116 || c === QUOTE || c === LBRACE ||
  c === LBRACKET

const scalarEnd = (text: string, from: number): number => {
  for (let i = from; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (isSpace(c) || c === COMMA || c === RBRACKET || c === RBRACE) return i
  }
  return -1
}

const keyOf = (text: string): string => Result.getOrElse(Result.try((): string => JSON.parse(text)), () => text)
