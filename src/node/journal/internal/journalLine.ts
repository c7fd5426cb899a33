/**
 * The lines of a journal's file. The first says what the file is; each other one is a record, its key, fingerprint,
 * index and status in front, so that opening a journal need not parse the rest.
 */
import { errorStatus, type Key, okStatus } from "./journalIndex.ts"

export const header = `{"journal":"effect-instructor","version":1}\n`

const beforeKey = `{"key":"`
const beforePrint = `","print":"`
const beforeIndex = `","index":`
const beforeStatus = `,"status":"`

const keyLength = 24
const printLength = 16

const keyAt = beforeKey.length
const printAt = keyAt + keyLength + beforePrint.length
const indexAt = printAt + printLength + beforeIndex.length

/** A key of the journal is the two, as hexadecimal digits. */
export const format = (key: string, record: { readonly index: number; readonly status: string }): string => {
  const { index, status, ...rest } = record
  return `${beforeKey}${key.slice(0, keyLength)}${beforePrint}${key.slice(keyLength)}${beforeIndex}${index}` +
    `${beforeStatus}${status}",${JSON.stringify(rest).slice(1)}\n`
}

export interface Prefix {
  readonly key: Key
  readonly print: number
  readonly index: number
  readonly status: number
}

/** The front of a line, or nothing if it is no record. */
export const parsePrefix = (bytes: Uint8Array, start: number, end: number): Prefix | undefined => {
  // Room for a digit, the status, and what closes the record.
  if (end - start < indexAt + 1 + beforeStatus.length + 3 || bytes[end - 1] !== closingBrace) return undefined
  if (!matches(bytes, start, beforeKey) || !matches(bytes, start + printAt - beforePrint.length, beforePrint)) {
    return undefined
  }
  if (!matches(bytes, start + indexAt - beforeIndex.length, beforeIndex)) return undefined
  let at = start + indexAt
  let index = 0
  for (let digit = bytes[at]! - zero; digit >= 0 && digit <= 9; digit = bytes[++at]! - zero) index = index * 10 + digit
  if (!matches(bytes, at, beforeStatus)) return undefined
  const status = statusOf(bytes[at + beforeStatus.length]!)
  const key = keyOf(bytes, start + keyAt)
  const print = word(bytes, start + printAt)
  return status === undefined || Number.isNaN(key.high + key.middle + key.low + print)
    ? undefined
    : { key, print, index, status }
}

const statusOf = (letter: number): number | undefined =>
  letter === letterO ? okStatus : letter === letterE ? errorStatus : undefined

const closingBrace = "}".charCodeAt(0)
const letterO = "o".charCodeAt(0)
const letterE = "e".charCodeAt(0)
const zero = "0".charCodeAt(0)

const matches = (bytes: Uint8Array, at: number, text: string): boolean => {
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text.charCodeAt(i)) return false
  return true
}

const digits = new Float64Array(256).fill(NaN)
for (let value = 0; value < 16; value++) digits[value.toString(16).charCodeAt(0)] = value

/** Eight hexadecimal digits, NaN if one of them is none. */
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

/** Of a key as text. */
export const parseKey = (key: string): { readonly key: Key; readonly print: number } => ({
  key: { high: textWord(key, 0), middle: textWord(key, 8), low: textWord(key, 16) },
  print: textWord(key, keyLength)
})

const textWord = (key: string, at: number): number => Number.parseInt(key.slice(at, at + 8), 16)
