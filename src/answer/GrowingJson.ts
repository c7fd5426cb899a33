/**
 * The JSON value in an answer while it is being written. It grows in place: a piece of text costs what it adds, and no
 * text is parsed twice. Parsers of partial JSON, such as the `partial-json` package, parse the whole text again for each
 * piece, so that their cost grows with the square of the length, and they do not skip prose.
 */
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as JsonText from "./JsonText.ts"
import type { Limits } from "./ListReader.ts"

type Container = Array<Schema.Json> | { [key: string]: Schema.Json }

const NONE = 0
const VALUE = 1
const KEY = 2
const COLON = 3
const NEXT = 4
const STRING = 5
const SCALAR = 6
const GIVEN_UP = 7

export class GrowingJson {
  readonly #limits: Limits
  #root: Container | undefined
  /** Replaces the root once it has a value, so that "{}" in prose does not replace the value before it. */
  #candidate: Container | undefined
  #stack: Array<Container> = []
  #state = NONE
  #key = ""
  #isKey = false
  #text = ""
  #escape = ""
  #length = 0
  #exceeded: keyof Limits | undefined

  constructor(limits: Limits) {
    this.#limits = limits
  }

  /** The value so far: always the same object or list. Strings in it may be unfinished. */
  get value(): Schema.Json | undefined {
    return this.#root
  }

  /** The limit that was exceeded, if one was. Nothing is read after that. */
  get exceeded(): keyof Limits | undefined {
    return this.#exceeded
  }

  /** Reads a piece of the answer. */
  feed(text: string): void {
    if (this.#exceeded !== undefined) return
    this.#length += text.length
    if (this.#length > this.#limits.maxLength) {
      this.#exceeded = "maxLength"
      return
    }
    let i = 0
    while (i < text.length && this.#exceeded === undefined) {
      switch (this.#state) {
        case NONE:
          i = this.#start(text, i)
          break
        case GIVEN_UP:
          return
        case STRING:
          i = this.#string(text, i)
          break
        case SCALAR:
          i = this.#scalar(text, i)
          break
        default:
          this.#step(text[i]!)
          i++
      }
    }
    if (this.#state === STRING && !this.#isKey) this.#show()
  }

  #start(text: string, from: number): number {
    for (let i = from; i < text.length; i++) {
      if (text[i] === "{" || text[i] === "[" && this.#root === undefined) {
        this.#open(text[i] === "{" ? {} : [])
        return i + 1
      }
    }
    return text.length
  }

  #step(char: string): void {
    if (char === " " || char === "\n" || char === "\r" || char === "\t") return
    const container = this.#stack[this.#stack.length - 1]!
    const isList = Array.isArray(container)
    if (char === (isList ? "]" : "}") && this.#state !== COLON) {
      this.#close()
      return
    }
    switch (this.#state) {
      case KEY:
        if (char === "\"") this.#openString(true)
        else this.#giveUp()
        return
      case COLON:
        if (char === ":") this.#state = VALUE
        else this.#giveUp()
        return
      case NEXT:
        if (char === ",") this.#state = isList ? VALUE : KEY
        else this.#giveUp()
        return
      default:
        if (char === "\"") this.#openString(false)
        else if (char === "{") this.#open({})
        else if (char === "[") this.#open([])
        else if (/[-\w]/.test(char)) {
          this.#state = SCALAR
          this.#text = char
        } else this.#giveUp()
    }
  }

  #open(container: Container): void {
    if (this.#stack.length >= this.#limits.maxDepth) {
      this.#exceeded = "maxDepth"
      return
    }
    if (this.#stack.length > 0) this.#put(container)
    else {
      this.#candidate = container
      this.#root ??= container
    }
    this.#stack.push(container)
    this.#state = Array.isArray(container) ? VALUE : KEY
  }

  #close(): void {
    this.#stack.pop()
    this.#state = this.#stack.length === 0 ? NONE : NEXT
  }

  /** Keeps what was read of broken JSON. When the answer is complete, it is parsed and repaired as a whole. */
  #giveUp(): void {
    this.#stack = []
    this.#state = this.#root !== undefined && Object.keys(this.#root).length > 0 ? GIVEN_UP : NONE
  }

  #openString(isKey: boolean): void {
    this.#state = STRING
    this.#isKey = isKey
    this.#text = ""
    this.#escape = ""
    if (!isKey) this.#put("")
  }

  #string(text: string, from: number): number {
    let i = from
    if (this.#escape !== "") {
      const length = this.#escape.length === 1 && text[i] !== "u" ? 2 : 6
      const more = text.slice(i, i + length - this.#escape.length)
      this.#escape += more
      if (this.#escape.length === length) {
        this.#text += Result.getOrElse(Result.try((): string => JSON.parse(`"${this.#escape}"`)), () => "")
        this.#escape = ""
      }
      return i + more.length
    }
    for (; i < text.length; i++) {
      const c = text.charCodeAt(i)
      if (c === 34) {
        this.#text += text.slice(from, i)
        this.#endString()
        return i + 1
      }
      if (c === 92) {
        this.#text += text.slice(from, i)
        this.#escape = "\\"
        return i + 1
      }
    }
    this.#text += text.slice(from)
    return text.length
  }

  #endString(): void {
    if (this.#isKey) {
      this.#key = this.#text
      this.#state = COLON
    } else {
      this.#replace(this.#text)
      this.#state = NEXT
    }
  }

  /** Leaves out the first half of a surrogate pair, which is not yet a character. */
  #show(): void {
    const last = this.#text.charCodeAt(this.#text.length - 1)
    this.#replace(last >= 0xD800 && last <= 0xDBFF ? this.#text.slice(0, -1) : this.#text)
  }

  /** A number may still grow and a word may be invalid, so they appear when they have ended. */
  #scalar(text: string, from: number): number {
    let i = from
    while (i < text.length && /[-+.\w]/.test(text[i]!)) i++
    this.#text += text.slice(from, i)
    if (i === text.length) return i
    const value = JsonText.parse(this.#text)
    if (Option.isNone(value)) {
      this.#giveUp()
      return i
    }
    this.#put(value.value)
    this.#state = NEXT
    return i
  }

  #put(value: Schema.Json): void {
    this.#root = this.#candidate
    const container = this.#stack[this.#stack.length - 1]!
    if (Array.isArray(container)) container.push(value)
    else set(container, this.#key, value)
  }

  #replace(value: Schema.Json): void {
    const container = this.#stack[this.#stack.length - 1]!
    if (Array.isArray(container)) container[container.length - 1] = value
    else set(container, this.#key, value)
  }
}

const set = (container: { [key: string]: Schema.Json }, key: string, value: Schema.Json): void => {
  if (key === "__proto__") {
    Object.defineProperty(container, key, { value, configurable: true, enumerable: true, writable: true })
  } else container[key] = value
}
