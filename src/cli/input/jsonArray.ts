/**
 * Splits the bytes of one JSON array into its elements, in constant memory. Each element is parsed by itself, so that an
 * invalid one can be reported with its number while the others are used.
 *
 * Written by hand: `JSON.parse` needs the whole array in memory, and streaming parsers build its values a token at a
 * time.
 */

export interface JsonArray {
  /** Returns why the input is not an array, if it is not. */
  readonly push: (chunk: Uint8Array) => string | undefined
  readonly end: () => string | undefined
}

/** The bytes of an element, or nothing if it is too long, and its number from 1. */
export type OnElement = (bytes: Uint8Array | undefined, number: number) => void

const [quote, backslash, comma] = [34, 92, 44]
const [openBracket, closeBracket, openBrace, closeBrace] = [91, 93, 123, 125]

/** Spaces, and the three bytes of a byte order mark, which no JSON text begins with otherwise. */
const isBlank = (byte: number): boolean =>
  byte === 32 || byte === 10 || byte === 13 || byte === 9 || byte === 0xef || byte === 0xbb || byte === 0xbf

const cutOff = "ends before its array does: it is incomplete"

export const make = (maxLength: number, onElement: OnElement): JsonArray => {
  let state: "before" | "inside" | "after" = "before"
  let depth = 0
  let isString = false
  let isEscaped = false
  let number = 0
  let parts: Array<Uint8Array> = []
  let length = 0
  let isEmpty = true

  const keep = (part: Uint8Array): void => {
    length += part.length
    if (length <= maxLength) parts.push(part)
    else parts = []
  }

  const finish = (isLast: boolean): void => {
    // A comma behind the last element does no harm.
    if (!(isEmpty && isLast)) onElement(length > maxLength ? undefined : Buffer.concat(parts), ++number)
    parts = []
    length = 0
    isEmpty = true
  }

  /** Follows strings and brackets, and returns whether the byte ends an element. */
  const ends = (byte: number): boolean => {
    if (isString) {
      if (isEscaped) isEscaped = false
      else if (byte === backslash) isEscaped = true
      else if (byte === quote) isString = false
      return false
    }
    if (depth === 0 && (byte === comma || byte === closeBracket)) return true
    if (byte === quote) isString = true
    else if (byte === openBracket || byte === openBrace) depth++
    else if (byte === closeBracket || byte === closeBrace) depth = Math.max(0, depth - 1)
    if (!isBlank(byte)) isEmpty = false
    return false
  }

  const push = (chunk: Uint8Array): string | undefined => {
    let start = 0
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at]!
      if (state === "inside") {
        if (!ends(byte)) continue
        keep(chunk.subarray(start, at))
        start = at + 1
        if (byte === closeBracket) state = "after"
        finish(byte === closeBracket)
      } else if (!isBlank(byte)) {
        if (state === "after") return "has something behind its array"
        if (byte !== openBracket) return "is not a JSON array. If it has a JSON value on each line, use --format jsonl"
        state = "inside"
        start = at + 1
      }
    }
    if (state === "inside") keep(chunk.subarray(start))
    return undefined
  }

  return { push, end: () => state === "after" ? undefined : cutOff }
}
