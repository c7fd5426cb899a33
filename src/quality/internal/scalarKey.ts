/** What a leaf means, as text: the same for values that differ only in how they are written. */
import type { Scalar } from "../Leaves.ts"
import * as Dates from "./dates.ts"
import * as Numbers from "./numbers.ts"

/** A text without differences of case, spaces, kinds of quotes and dashes, and punctuation around it. */
export const plainText = (text: string): string =>
  text.normalize("NFKC").toLowerCase()
    .replace(/[‘’ʼ`´]/g, "'")
    .replace(/[“”„«»]/g, "\"")
    .replace(/[‐-―−]/g, "-")
    .replace(/\s+/g, " ")
    .replace(/^[\s"'(]+|[\s"').,;:*]+$/g, "")

const cache = new Map<string, string>()

const textKey = (text: string): string => {
  const known = cache.get(text)
  if (known !== undefined) return known
  const key = makeTextKey(text)
  if (cache.size >= 50_000) cache.clear()
  cache.set(text, key)
  return key
}

const makeTextKey = (text: string): string => {
  const plain = plainText(text)
  // A leading zero makes it a code and not a number.
  const [number] = /^[^\d]*0\d/.test(plain) ? [] : Numbers.valuesOf(plain)
  if (number !== undefined) return `number ${number}`
  const dates = new Set(Dates.keysOf(plain))
  return dates.size === 1 ? `date ${[...dates][0]}` : `text ${plain}`
}

export const scalarKey = (value: Scalar): string => {
  if (typeof value === "string") return textKey(value)
  return typeof value === "number" ? `number ${Number(value.toPrecision(12))}` : String(value)
}

/** Whether a leaf states nothing: a null or an empty text. */
export const isEmpty = (value: Scalar | undefined): boolean =>
  value === undefined || value === null || typeof value === "string" && value.trim() === ""
