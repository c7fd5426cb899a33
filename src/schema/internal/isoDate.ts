/**
 * Dates in answers: ISO 8601, and days that exist. JavaScript's own parser takes 30 February for 1 March, reads
 * `05/06/2024` in the American way, and finds a year in almost any text.
 */
import * as Schema from "effect/Schema"
import type * as SchemaAST from "effect/SchemaAST"

const expectations = new Set([
  "a string that will be decoded as a Date",
  "a string that will be decoded as a DateTime.Utc"
])

/** Whether a string of a codec is decoded as a date. */
export const isExpected = (ast: SchemaAST.AST): boolean => expectations.has(String(ast.annotations?.["expected"]))

const pattern =
  /^(\d{4}|[+-]\d{6})(?:-(\d{2})(?:-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?)?)?$/

const isIsoDate = (text: string): boolean => {
  const match = pattern.exec(text)
  if (match === null) return false
  const [year, month = 1, day = 1, hour = 0, minute = 0, second = 0] = match.slice(1).map((part) =>
    part === undefined ? undefined : Number(part)
  ) as [number, ...Array<number | undefined>]
  return month >= 1 && month <= 12 && day >= 1 && day <= daysIn(year, month) && hour <= 23 && minute <= 59 &&
    second <= 59
}

const daysIn = (year: number, month: number): number =>
  month === 2
    ? year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28
    : [4, 6, 9, 11].includes(month)
    ? 30
    : 31

export const check = Schema.makeFilter(isIsoDate, { expected: "a date in ISO 8601 format that exists" })
