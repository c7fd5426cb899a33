/** The leaves of a JSON value: its texts, numbers, booleans and nulls, with their paths. */
import type * as Schema from "effect/Schema"

/**
 * The place of a leaf in a value: keys of objects and positions in lists.
 *
 * @category models
 * @since 0.1.0
 */
export type Path = ReadonlyArray<string | number>

export type Scalar = string | number | boolean | null

export interface Leaf {
  readonly path: Path
  readonly value: Scalar
}

export const isList = (json: Schema.Json | undefined): json is ReadonlyArray<Schema.Json> => Array.isArray(json)

export const isRecord = (json: Schema.Json | undefined): json is Schema.JsonObject =>
  typeof json === "object" && json !== null && !Array.isArray(json)

/** The leaves in document order. Empty lists and objects have none. */
export const leavesOf = (json: Schema.Json): ReadonlyArray<Leaf> => {
  const leaves: Array<Leaf> = []
  const walk = (at: Schema.Json, path: Path): void => {
    if (isList(at)) at.forEach((element, i) => walk(element, [...path, i]))
    else if (isRecord(at)) { for (const key of Object.keys(at)) walk(at[key]!, [...path, key]) }
    else leaves.push({ path, value: at })
  }
  walk(json, [])
  return leaves
}

/** A path as text, with `[]` for the positions in lists: the field that a leaf belongs to. */
export const fieldOf = (path: Path): string =>
  path.reduce<string>(
    (field, key) => typeof key === "number" ? `${field}[]` : field === "" ? key : `${field}.${key}`,
    ""
  )

/** A path as text: `lines[0].sku`. */
export const format = (path: Path): string =>
  path.reduce<string>(
    (text, key) => typeof key === "number" ? `${text}[${key}]` : text === "" ? key : `${text}.${key}`,
    ""
  )

/** Whether a leaf belongs to a field or to something in it. Both `lines[].sku` and `lines.sku` name a field of rows. */
export const isIn = (path: Path, field: string): boolean => {
  const own = fieldOf(path)
  const within = (name: string, of: string): boolean =>
    name === of || name.startsWith(of) && /^[.[]/.test(name.slice(of.length))
  return within(own, field) || within(own.replaceAll("[]", ""), field) || within(format(path), field)
}
