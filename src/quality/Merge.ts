/** One answer from the answers to the chunks of a text. */
import type * as Schema from "effect/Schema"
import { canonicalJson } from "../internal/canonicalJson.ts"
import type { Chunk } from "./Chunks.ts"
import * as Grounding from "./Grounding.ts"
import { distance } from "./internal/fuzzy.ts"
import { isEmpty, plainText, scalarKey } from "./internal/scalarKey.ts"
import { fieldOf, isIn, isList, isRecord, type Path, type Scalar } from "./Leaves.ts"

export interface Options {
  /** The fields of rows, by the fields of their lists, whose equal values mean the same row wherever it is. */
  readonly keys?: { readonly [list: string]: string } | undefined
  /** Lists whose equal elements are one. */
  readonly unique?: ReadonlyArray<string> | undefined
  /** The least similarity, from 0 to 1, of rows in an overlap that are one. 1 by default. */
  readonly similarity?: number | undefined
}

/** A field on which the chunks do not agree. */
export interface Conflict {
  readonly path: Path
  /** The values, the chosen one first. */
  readonly values: ReadonlyArray<{ readonly value: Scalar; readonly chunk: number }>
}

export interface Part {
  readonly chunk: Chunk
  readonly json: Schema.Json
}

export interface Merged {
  readonly value: Schema.Json
  readonly conflicts: ReadonlyArray<Conflict>
}

interface Located {
  readonly part: Part
  readonly json: Schema.Json
  /** The place in the whole text, if the chunk states the value. */
  readonly place: { readonly start: number; readonly end: number } | undefined
}

interface Context {
  readonly options: Options
  readonly conflicts: Array<Conflict>
  readonly placeOf: (part: Part, path: Path) => Located["place"]
}

export const merge = (parts: ReadonlyArray<Part>, options: Options): Merged => {
  const conflicts: Array<Conflict> = []
  const places = new Map(parts.map((part) => [part, placesOf(part)]))
  const context: Context = {
    options,
    conflicts,
    placeOf: (part, path) => within(places.get(part)!, path)
  }
  const value = mergeAt(parts.map((part) => ({ part, json: part.json, path: [] })), [], context)
  return { value, conflicts }
}

interface Place {
  readonly path: Path
  readonly start: number
  readonly end: number
}

const placesOf = ({ chunk, json }: Part): ReadonlyArray<Place> =>
  Grounding.ground(chunk.text, json, { fuzzy: false }).flatMap(({ path, span }) =>
    span === null ? [] : [{ path, start: chunk.start + span.start, end: chunk.start + span.end }]
  )

const within = (places: ReadonlyArray<Place>, path: Path): Located["place"] => {
  let [start, end] = [Infinity, -1]
  for (const place of places) {
    if (!path.every((key, i) => place.path[i] === key)) continue
    start = Math.min(start, place.start)
    end = Math.max(end, place.end)
  }
  return end === -1 ? undefined : { start, end }
}

/** A value of one chunk, with its path there. */
interface At {
  readonly part: Part
  readonly json: Schema.Json
  readonly path: Path
}

const mergeAt = (values: ReadonlyArray<At>, path: Path, context: Context): Schema.Json => {
  const stated = values.filter(({ json }) => json !== null)
  if (stated.some(({ json }) => isList(json))) {
    return mergeLists(stated.filter(({ json }) => isList(json)), path, context)
  }
  const records = stated.filter(({ json }) => isRecord(json))
  return records.length > 0 ? mergeRecords(records, path, context) : mergeScalars(stated, path, context)
}

const mergeRecords = (values: ReadonlyArray<At>, path: Path, context: Context): Schema.Json => {
  const keys = new Set(values.flatMap(({ json }) => Object.keys(json as Schema.JsonObject)))
  return Object.fromEntries(Array.from(keys, (key) => {
    const inner = values.flatMap(({ json, part, path: own }) => {
      const record = json as Schema.JsonObject
      return Object.hasOwn(record, key) ? [{ part, json: record[key]!, path: [...own, key] }] : []
    })
    return [key, mergeAt(inner, [...path, key], context)] as const
  }))
}

/** The value that most chunks have; of several, one that its chunk states, and then the first. */
const mergeScalars = (values: ReadonlyArray<At>, path: Path, { conflicts, placeOf }: Context): Schema.Json => {
  const groups = new Map<string, Array<At>>()
  for (const value of values) {
    if (isEmpty(value.json as Scalar)) continue
    const key = scalarKey(value.json as Scalar)
    groups.set(key, [...(groups.get(key) ?? []), value])
  }
  const isStated = (group: ReadonlyArray<At>): number =>
    Number(group.some(({ part, path }) => placeOf(part, path) !== undefined))
  const ranked = [...groups.values()].toSorted((a, b) => b.length - a.length || isStated(b) - isStated(a))
  if (ranked.length > 1) {
    conflicts.push({
      path,
      values: ranked.map(([first]) => ({ value: first!.json as Scalar, chunk: first!.part.chunk.index }))
    })
  }
  return ranked[0]?.[0]?.json ?? values[0]?.json ?? null
}

const mergeLists = (values: ReadonlyArray<At>, path: Path, context: Context): Schema.Json => {
  const field = fieldOf(path)
  const isUnique = context.options.unique?.some((list) => isIn(path, list)) ?? false
  const keyField = context.options.keys?.[field]
  const rows: Array<Located> = []
  const byKey = new Map<string, number>()
  for (const { json, part, path: own } of values) {
    // A row of this chunk stands for one row before it at most.
    const before = rows.length
    const taken = new Set<number>()
    for (const [i, element] of (json as ReadonlyArray<Schema.Json>).entries()) {
      const row: Located = { part, json: element, place: context.placeOf(part, [...own, i]) }
      const key = isUnique ? rowKey(element) : keyOf(element, keyField)
      const known = key === undefined
        ? findRepeated(rows, before, taken, row, context.options)
        : byKey.get(key)
      if (known === undefined) {
        if (key !== undefined) byKey.set(key, rows.length)
        rows.push(row)
        continue
      }
      taken.add(known)
      const other = rows[known]!
      if (key !== undefined && !isUnique && rowKey(other.json) !== rowKey(element)) {
        rows[known] = { ...other, json: mergeAt([at(other), at(row)], [...path, known], context) }
      } else if (count(element) > count(other.json)) rows[known] = row
    }
  }
  return rows.map(({ json }) => json)
}

const at = ({ json, part }: Located): At => ({ json, part, path: [] })

const keyOf = (row: Schema.Json, field: string | undefined): string | undefined => {
  const value = field !== undefined && isRecord(row) ? row[field] : undefined
  return value === undefined || typeof value === "object" ? undefined : scalarKey(value)
}

const rowKey = (row: Schema.Json): string => canonicalJson(meaning(row))

const meaning = (json: Schema.Json): Schema.Json => {
  if (isList(json)) return json.map(meaning)
  if (isRecord(json)) {
    return Object.fromEntries(
      Object.entries(json).filter(([, value]) => value !== null).map(([key, value]) => [key, meaning(value)])
    )
  }
  return scalarKey(json)
}

const count = (json: Schema.Json): number =>
  isList(json) || isRecord(json)
    ? Object.values(json).reduce<number>((sum, inner) => sum + count(inner), 0)
    : Number(!isEmpty(json))

/** Whether every value of a row that was cut off is in the other, too. */
const isPartOf = (a: Schema.Json, b: Schema.Json): boolean => {
  if (a === null) return true
  if (isList(a)) return isList(b) && a.every((inner, i) => i < b.length && isPartOf(inner, b[i]!))
  if (isRecord(a)) {
    return isRecord(b) && Object.keys(a).every((key) => isPartOf(a[key]!, Object.hasOwn(b, key) ? b[key]! : null))
  }
  return !isList(b) && !isRecord(b) && scalarKey(a) === scalarKey(b)
}

const isAlike = (a: Schema.Json, b: Schema.Json, minimum: number): boolean => {
  if (isPartOf(a, b) || isPartOf(b, a)) return true
  if (minimum >= 1) return false
  const [x, y] = [plainText(rowKey(a)), plainText(rowKey(b))]
  return distance(x, y, Math.floor((1 - minimum) * Math.max(x.length, y.length))) < Infinity
}

/**
 * The row of an earlier chunk that a row repeats. Only what is in the overlap of two chunks can be repeated: two equal rows
 * at different places are two rows.
 */
const findRepeated = (
  rows: ReadonlyArray<Located>,
  before: number,
  taken: ReadonlySet<number>,
  row: Located,
  { similarity = 1 }: Options
): number | undefined => {
  const { chunk } = row.part
  if (chunk.ownStart === chunk.start) return undefined
  if (row.place !== undefined && row.place.start >= chunk.ownStart) return undefined
  for (let i = before - 1; i >= 0; i--) {
    const other = rows[i]!
    if (other.part.chunk.end <= chunk.start) break
    if (taken.has(i) || !isAlike(row.json, other.json, similarity)) continue
    if (row.place === undefined || other.place === undefined) return i
    if (row.place.start < other.place.end && other.place.start < row.place.end) return i
  }
  return undefined
}
