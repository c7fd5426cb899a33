/** Results as a table whose columns have types, for databases and column files. */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { ReportEntry } from "../../batch/BatchReport.ts"
import * as Tables from "./tables.ts"

export type ColumnType = "integer" | "number" | "boolean" | "text"

export type Cell = string | number | boolean | null

export interface Column {
  readonly name: string
  readonly type: ColumnType
}

export interface TypedTable<out E, out R> {
  readonly columns: ReadonlyArray<Column>
  readonly rows: Stream.Stream<ReadonlyArray<Cell>, E, R>
}

export interface Options {
  readonly failures: boolean
  readonly hasTexts: boolean
}

/** Reads the entries twice: first for the columns and their types. A column of several types is text. */
export const make = Effect.fnUntraced(function*<E, R>(
  entries: Stream.Stream<ReportEntry, E, R>,
  { failures, hasTexts }: Options
): Effect.fn.Return<TypedTable<E, R>, E, R> {
  const types = new Map<string, ColumnType | undefined>()
  let hasIds = false
  yield* Stream.runForEach(entries, ({ error, id, index, value = null }) =>
    Effect.sync(() => {
      if (id !== undefined && id !== String(index)) hasIds = true
      if (error !== undefined) return
      for (const [path, leaf] of Tables.leavesOf(value)) types.set(path, common(types.get(path), typeOf(leaf)))
    }))
  const fields = Array.from(types, ([name, type]): Column => ({ name, type: type ?? "text" }))
  const text = (name: string): Column => ({ name, type: "text" })
  const columns = unique([
    hasIds ? text("id") : { name: "index", type: "integer" },
    ...(hasTexts ? [text("text")] : []),
    ...fields,
    ...(failures ? [text("error")] : [])
  ])
  const rowOf = ({ error, id, index, text, value = null }: ReportEntry): ReadonlyArray<Cell> => {
    const leaves = error === undefined ? Tables.leavesOf(value) : new Map<string, Schema.Json>()
    return [
      hasIds ? id ?? String(index) : index,
      ...(hasTexts ? [text ?? null] : []),
      ...fields.map(({ name, type }) => cellOf(leaves.get(name), type)),
      ...(failures ? [error === undefined ? null : `${error.reason}: ${error.message}`] : [])
    ]
  }
  return {
    columns,
    rows: entries.pipe(Stream.filter(({ error }) => failures || error === undefined), Stream.map(rowOf))
  }
})

const typeOf = (leaf: Schema.Json): ColumnType | undefined =>
  leaf === null
    ? undefined
    : Predicate.isNumber(leaf)
    ? Number.isSafeInteger(leaf) ? "integer" : "number"
    : Predicate.isBoolean(leaf)
    ? "boolean"
    : "text"

const common = (a: ColumnType | undefined, b: ColumnType | undefined): ColumnType | undefined =>
  a === undefined || a === b
    ? b
    : b === undefined
    ? a
    : (a === "integer" || a === "number") && (b === "integer" || b === "number")
    ? "number"
    : "text"

const cellOf = (leaf: Schema.Json | undefined, type: ColumnType): Cell =>
  leaf === null || leaf === undefined
    ? null
    : type === "text" || Predicate.isObject(leaf) || Array.isArray(leaf)
    ? Tables.cellOf(leaf)
    : leaf as Cell

/** Databases tell names apart neither by case nor by position. */
const unique = (columns: ReadonlyArray<Column>): ReadonlyArray<Column> => {
  const known = new Set<string>()
  return columns.map((column) => {
    let { name } = column
    for (let n = 2; known.has(name.toLowerCase()); n++) name = `${column.name}_${n}`
    known.add(name.toLowerCase())
    return { ...column, name }
  })
}
