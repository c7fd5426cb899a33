/**
 * The lines of a journal file. The first one identifies the file. Each other line is a record as JSON: a checksum of the
 * rest of the line, then key, fingerprint, index and status in fixed places, so that opening a journal parses no JSON.
 */
import * as Result from "effect/Result"
import * as Zlib from "node:zlib"
import type { JournalRecord, Note } from "../../../batch/Journal.ts"
import { errorStatus, type Key, noteStatus, okStatus } from "../../../internal/journalIndex.ts"

export const header = `{"journal":"effect-instructor","version":2}\n`

/** The first line of a journal of any version. */
export const anyHeader = /^\{"journal":"effect-instructor","version":\d+\}\n/

const beforeSum = `{"crc":"`
const beforeKey = `","key":"`
const beforePrint = `","print":"`
const beforeIndex = `","index":`
const beforeStatus = `,"status":"`

const sumLength = 8
const keyLength = 24
const printLength = 16

const sumAt = beforeSum.length
const keyAt = sumAt + sumLength + beforeKey.length
const printAt = keyAt + keyLength + beforePrint.length
const indexAt = printAt + printLength + beforeIndex.length

/** The checksum covers the line from here to its end. */
const summedAt = sumAt + sumLength

const noSum = "0".repeat(sumLength)

/** Deeper values could overflow the stack of whatever reads them. */
const maxDepth = 500

/** As long as the longest answer that a provider may send. */
const maxLength = 64 * 1024 * 1024

/**
 * The line of a record, without its checksum, or the reason why it cannot be written. `key` is the key and the
 * fingerprint in hexadecimal, and `at` the time in milliseconds, which reports show.
 */
export const format = (
  key: string,
  { index, status, ...rest }: JournalRecord,
  at?: number
): Result.Result<string, string> =>
  isWithin(rest.answer, maxDepth) && isWithin(rest.error, maxDepth)
    ? toLine(key, index, status, at === undefined ? rest : { ...rest, at })
    : Result.fail(tooDeep)

/** The line of a note, in the same way. */
export const formatNote = (key: string, note: Note): Result.Result<string, string> =>
  isWithin(note.value, maxDepth) ? toLine(key, 0, "note", note) : Result.fail(tooDeep)

const tooDeep = `it is nested deeper than ${maxDepth} levels`

const toLine = (key: string, index: number, status: string, rest: object): Result.Result<string, string> =>
  Result.try({
    try: () =>
      `${beforeSum}${noSum}${beforeKey}${key.slice(0, keyLength)}${beforePrint}${key.slice(keyLength)}` +
      `${beforeIndex}${index}${beforeStatus}${status}",${JSON.stringify(rest).slice(1)}\n`,
    catch: String
  }).pipe(
    Result.filterOrFail(({ length }) => length <= maxLength, () => `it is longer than ${maxLength} characters`)
  )

/** Adds its checksum to a line. */
export const seal = (bytes: Uint8Array, start: number, end: number): void => {
  let sum = checksum(bytes, start, end)
  for (let at = start + summedAt - 1; at >= start + sumAt; at--) {
    bytes[at] = digitCodes[sum & 15]!
    sum >>>= 4
  }
}

// CRC-32, which finds every burst of errors of up to 32 bits.
const checksum = (bytes: Uint8Array, start: number, end: number): number =>
  Zlib.crc32(bytes.subarray(start + summedAt, end))

// Its own recursion is limited by the depth that it checks for.
const isWithin = (value: unknown, depth: number): boolean => {
  if (typeof value !== "object" || value === null) return true
  if (depth === 0) return false
  const children = Array.isArray(value) ? value : Object.values(value)
  return children.every((child) => isWithin(child, depth - 1))
}

export interface Prefix {
  readonly key: Key
  readonly print: number
  readonly index: number
  readonly status: number
}

/** The fields in front of a record, or nothing if the line is not a record or is damaged. */
export const parsePrefix = (bytes: Uint8Array, start: number, end: number): Prefix | undefined => {
  // Room for a digit, the status, and the end of the record.
  if (end - start < indexAt + 1 + beforeStatus.length + 3) return undefined
  // With the right checksum, the other fields are in their places.
  if (!matches(bytes, start, beforeSum) || word(bytes, start + sumAt) !== checksum(bytes, start, end)) return undefined
  let at = start + indexAt
  let index = 0
  for (let digit = bytes[at]! - zero; digit >= 0 && digit <= 9; digit = bytes[++at]! - zero) index = index * 10 + digit
  const status = matches(bytes, at, beforeStatus) ? statusOf(bytes[at + beforeStatus.length]!) : undefined
  const key = keyOf(bytes, start + keyAt)
  const print = word(bytes, start + printAt)
  return status === undefined || Number.isNaN(key.high + key.middle + key.low + print)
    ? undefined
    : { key, print, index, status }
}

const statusOf = (letter: number): number | undefined =>
  letter === letterO ? okStatus : letter === letterE ? errorStatus : letter === letterN ? noteStatus : undefined

const letterO = "o".charCodeAt(0)
const letterE = "e".charCodeAt(0)
const letterN = "n".charCodeAt(0)
const zero = "0".charCodeAt(0)

const matches = (bytes: Uint8Array, at: number, text: string): boolean => {
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text.charCodeAt(i)) return false
  return true
}

const digitCodes = Buffer.from("0123456789abcdef")

const digits = new Float64Array(256).fill(NaN)
for (const [value, code] of digitCodes.entries()) digits[code] = value

/** The value of eight hexadecimal digits, NaN if one of them is something else. */
const word = (bytes: Uint8Array, at: number): number => {
  let value = 0
  for (let i = 0; i < 8; i++) value = value * 16 + digits[bytes[at + i]!]!
  return value
}

const keyOf = (bytes: Uint8Array, at: number): Key => ({
  high: word(bytes, at),
  middle: word(bytes, at + 8),
  low: word(bytes, at + 16)
})

/** The same from a key as text. */
export const parseKey = (key: string): { readonly key: Key; readonly print: number } => ({
  key: { high: textWord(key, 0), middle: textWord(key, 8), low: textWord(key, 16) },
  print: textWord(key, keyLength)
})

const textWord = (key: string, at: number): number => Number.parseInt(key.slice(at, at + 8), 16)
