/** Values as the cells of a table. */
import * as Predicate from "effect/Predicate"
import type * as Schema from "effect/Schema"

/** The leaves of a value by their paths: `address.city`. A list is one leaf. */
export const leavesOf = (value: Schema.Json): ReadonlyMap<string, Schema.Json> => {
  const leaves = new Map<string, Schema.Json>()
  const visit = (path: string, inner: Schema.Json): void => {
    if (Predicate.isObject(inner) && Object.keys(inner).length > 0) {
      for (const [key, next] of Object.entries(inner as Schema.JsonObject)) {
        visit(path === "" ? key : `${path}.${key}`, next)
      }
    } else {
      leaves.set(path === "" ? "value" : path, inner)
    }
  }
  visit("", value)
  return leaves
}

/** The leaves as text. */
export const cellsOf = (value: Schema.Json): ReadonlyMap<string, string> =>
  new Map(Array.from(leavesOf(value), ([path, leaf]) => [path, cellOf(leaf)]))

/** A list is JSON. */
export const cellOf = (value: Schema.Json | undefined): string =>
  value === null || value === undefined ? "" : Predicate.isString(value) ? value : JSON.stringify(value)
