/**
 * Numbers in JSON that a double does not hold: integers with too many digits, such as identifiers, and those that become
 * infinite. `JSON.parse` rounds them in silence.
 */

const longExponent = /[eE]\+?\d{3}/

/** The fewest digits of an integer that is not safe. */
const longRun = 16

const isDigit = (c: number): boolean => c >= 48 && c <= 57

/** Looks at one character of each possible run, which is ten times as fast as a regular expression. */
const hasLongRun = (text: string): boolean => {
  for (let at = longRun - 1; at < text.length; at += longRun) {
    if (!isDigit(text.charCodeAt(at))) continue
    let start = at
    while (isDigit(text.charCodeAt(start - 1))) start--
    let end = at + 1
    while (isDigit(text.charCodeAt(end)) && end - start < longRun) end++
    if (end - start >= longRun) return true
  }
  return false
}

/** Whether a text may have a number that is not exact. Most have none. */
const isSuspicious = (text: string): boolean => hasLongRun(text) || longExponent.test(text)

const strings = /"(?:[^"\\]|\\[\s\S])*"?/g

const numbers = /-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/g

/** Whether a double holds the integer that these digits write. Fractions are rounded everywhere, and nobody minds. */
export const isExact = (literal: string): boolean => {
  const value = Number(literal)
  if (!Number.isFinite(value)) return false
  if (Number.isSafeInteger(Math.trunc(value)) || String(value) === literal) return true
  const [integer] = /^-?\d+/.exec(literal)!
  return /[eE]/.test(literal) || BigInt(integer) === BigInt(Math.trunc(value))
}

/** The first number in a JSON text that a double does not hold. */
export const findInexact = (text: string): string | undefined =>
  isSuspicious(text)
    ? text.replace(strings, "\"").match(numbers)?.find((literal) => !isExact(literal))
    : undefined

interface Context {
  readonly source?: string | undefined
}

/** Typed here because the library of ES2023 does not have it. */
const { rawJSON } = JSON as unknown as { readonly rawJSON?: (text: string) => unknown }

const keepInexact = (_key: string, value: unknown, context?: Context): unknown =>
  typeof value === "number" && context?.source !== undefined && rawJSON !== undefined && !isExact(context.source)
    ? rawJSON(context.source)
    : value

/**
 * `JSON.parse`, for a value that is written as JSON again: numbers that a double does not hold keep their digits. Throws
 * as `JSON.parse` does.
 */
export const parseKeepingDigits = (text: string): unknown => {
  const value: unknown = JSON.parse(text)
  return typeof value === "object" && value !== null && isSuspicious(text) ? JSON.parse(text, keepInexact) : value
}
