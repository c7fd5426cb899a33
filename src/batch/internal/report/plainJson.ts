/** Any value as JSON. A report shows every value; none may break it. */
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"

export const from = (value: unknown): Schema.Json => {
  const text = Result.try(() => JSON.stringify(value, withoutBigInts) as string | undefined)
  return Result.isFailure(text)
    // A cycle, for example.
    ? String(value)
    : text.success === undefined
    ? null
    : JSON.parse(text.success)
}

const withoutBigInts = (_: string, value: unknown): unknown => {
  if (Predicate.isBigInt(value)) return String(value)
  if (value instanceof Map || value instanceof Set) return Array.from(value)
  return Predicate.isNumber(value) && !Number.isFinite(value) ? String(value) : value
}
