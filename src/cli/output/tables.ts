/** Values as the cells of a table. */
import * as Predicate from "effect/Predicate"
import type * as Schema from "effect/Schema"

/** The cells of a value by their paths: `address.city`. A list is one cell, as JSON. */
export const cellsOf = (value: Schema.Json): ReadonlyMap<string, string> => {
  const cells = new Map<string, string>()
  const visit = (path: string, inner: unknown): void => {
    if (Predicate.isObject(inner) && Object.keys(inner).length > 0) {
      for (const [key, next] of Object.entries(inner)) visit(path === "" ? key : `${path}.${key}`, next)
    } else {
      cells.set(path === "" ? "value" : path, cellOf(inner))
    }
  }
  visit("", value)
  return cells
}

const cellOf = (value: unknown): string =>
  value === null || value === undefined ? "" : Predicate.isString(value) ? value : JSON.stringify(value)
