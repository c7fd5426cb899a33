/** Canonical JSON: keys are sorted, undefined properties are left out, and there is no whitespace. */
import type * as Schema from "effect/Schema"

export const canonicalJson = (value: unknown): string => {
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null"
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`
  const object = value as Schema.JsonObject
  const keys = Object.keys(object).filter((key) => object[key] !== undefined).toSorted()
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonicalJson(object[key])}`).join(",")}}`
}
