/** Tables as SQLite databases and Parquet files. */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as FileProblem from "../../internal/fileProblem.ts"
import { type CommandFailure, usage } from "../commandFailure.ts"
import * as TemporaryFile from "./temporaryFile.ts"
import type { Cell, Column, ColumnType, TypedTable } from "./typedTable.ts"

export const formats = ["sqlite", "parquet"] as const

export type Format = (typeof formats)[number]

export const isFormat = (format: string): format is Format => formats.some((name) => name === format)

/** Takes rows, and completes a file. */
interface TableWriter {
  readonly write: (rows: ReadonlyArray<ReadonlyArray<Cell>>) => Effect.Effect<void, CommandFailure>
  readonly finish: Effect.Effect<void, CommandFailure>
}

/** The rows of a row group, which are in memory at once. */
const rowsAtOnce = 10_000

/** Writes the table to a file that appears when it is whole. */
export const write = Effect.fnUntraced(function*<R>(
  table: TypedTable<CommandFailure, R>,
  format: Format,
  output: string
): Effect.fn.Return<void, CommandFailure, R | FileSystem.FileSystem> {
  if (output === "-") return yield* usage(`--format ${format} needs a file as --output`)
  const fs = yield* FileSystem.FileSystem
  const failed = (error: unknown): CommandFailure => usage(`Cannot write the output ${output}: ${String(error)}`)
  yield* Effect.scoped(Effect.gen(function*() {
    const target = yield* Effect.orElseSucceed(fs.realPath(output), () => output)
    const { path } = yield* Effect.mapError(
      TemporaryFile.create(target),
      (error) => usage(`Cannot write the output ${output}: ${FileProblem.describe(error)}`)
    )
    const { finish, write } = yield* (format === "sqlite" ? openSqlite : openParquet)(path, table.columns, failed)
    yield* Stream.runForEach(Stream.grouped(table.rows, rowsAtOnce), write)
    yield* finish
    yield* Effect.mapError(fs.rename(path, target), failed)
  }))
})

type Open = (
  path: string,
  columns: ReadonlyArray<Column>,
  failed: (error: unknown) => CommandFailure
) => Effect.Effect<TableWriter, CommandFailure, Scope.Scope>

const sqliteTypes: Readonly<Record<ColumnType, string>> = {
  integer: "INTEGER",
  number: "REAL",
  boolean: "INTEGER",
  text: "TEXT"
}

const quoted = (name: string): string => `"${name.replaceAll("\u0000", "").replaceAll("\"", "\"\"")}"`

const openSqlite: Open = Effect.fnUntraced(function*(path, columns, failed) {
  const attempt = <A>(run: () => A): Effect.Effect<A, CommandFailure> => Effect.try({ try: run, catch: failed })
  const { DatabaseSync } = yield* Effect.tryPromise({ try: () => import("node:sqlite"), catch: failed })
  const database = yield* Effect.acquireRelease(
    attempt(() => new DatabaseSync(path)),
    (database) => Effect.sync(() => database.close())
  )
  const insert = yield* attempt(() => {
    // The file appears when it is whole, so it needs no journal of its own.
    database.exec("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")
    database.exec(
      `CREATE TABLE results (${columns.map(({ name, type }) => `${quoted(name)} ${sqliteTypes[type]}`).join(", ")})`
    )
    database.exec("BEGIN")
    return database.prepare(`INSERT INTO results VALUES (${columns.map(() => "?").join(", ")})`)
  })
  return {
    write: (rows) =>
      attempt(() => {
        for (const row of rows) insert.run(...row.map((cell) => typeof cell === "boolean" ? Number(cell) : cell))
      }),
    finish: attempt(() => database.exec("COMMIT"))
  }
})

const parquetTypes = {
  integer: { type: "INT64" },
  number: { type: "DOUBLE" },
  boolean: { type: "BOOLEAN" },
  text: { type: "BYTE_ARRAY", converted_type: "UTF8" }
} as const

const openParquet: Open = Effect.fnUntraced(function*(path, columns, failed) {
  const { ParquetWriter, fileWriter } = yield* Effect.tryPromise({
    try: () => import("hyparquet-writer"),
    catch: () => usage("To write Parquet files, install hyparquet-writer: npm install hyparquet-writer")
  })
  const attempt = <A>(run: () => A | Promise<A>): Effect.Effect<A, CommandFailure> =>
    Effect.tryPromise({ try: () => Promise.resolve().then(run), catch: failed })
  const writer = yield* attempt(() =>
    new ParquetWriter({
      writer: fileWriter(path),
      schema: [
        { name: "root", num_children: columns.length },
        ...columns.map(({ name, type }) => ({ name, repetition_type: "OPTIONAL" as const, ...parquetTypes[type] }))
      ]
    })
  )
  const toParquet = (cell: Cell | undefined, type: ColumnType): unknown =>
    type === "integer" && typeof cell === "number" ? BigInt(cell) : cell ?? null
  return {
    write: (rows) =>
      attempt(() =>
        writer.write({
          rowGroupSize: rowsAtOnce,
          columnData: columns.map(({ name, type }, i) => ({
            name,
            data: Arr.map(rows, (row) => toParquet(row[i], type))
          }))
        })
      ),
    finish: attempt(() => writer.finish())
  }
})
