/** Inputs in Parquet files, through a package that only some users have. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { type CommandFailure, usage } from "../commandFailure.ts"
import { readJson } from "./jsonRow.ts"
import type { Fields, Row } from "./row.ts"

export const isParquet = (path: string): boolean => /\.parquet$/i.test(path)

export interface Parquet {
  readonly rows: Stream.Stream<Row, CommandFailure>
  readonly count: number
  readonly bytes: number
}

/** Rows that are decoded at once. A column chunk has to be read as a whole. */
const rowsAtOnce = 1000

export const open = Effect.fnUntraced(function*(
  path: string,
  fields: Fields
): Effect.fn.Return<Parquet, CommandFailure> {
  const { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } = yield* Effect.tryPromise({
    try: () => import("hyparquet"),
    catch: () => usage("To read Parquet files, install hyparquet: npm install hyparquet hyparquet-compressors")
  })
  // Without it, files that are compressed with Snappy or not at all can be read.
  const compression = yield* Effect.tryPromise(() => import("hyparquet-compressors")).pipe(
    Effect.map(({ compressors }) => ({ compressors })),
    Effect.orElseSucceed(() => ({}))
  )
  const failure = (error: unknown): CommandFailure =>
    usage(`Cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`)
  const { file, metadata } = yield* Effect.tryPromise({
    try: () =>
      asyncBufferFromFile(path).then((file) => parquetMetadataAsync(file).then((metadata) => ({ file, metadata }))),
    catch: failure
  })
  const count = Number(metadata.num_rows)
  const readAt = (rowStart: number) =>
    Effect.map(
      Effect.tryPromise({
        try: () =>
          parquetReadObjects({
            file,
            metadata,
            ...compression,
            rowStart,
            rowEnd: Math.min(count, rowStart + rowsAtOnce)
          }),
        catch: failure
      }),
      (some) => some.map((row, i) => readJson(toJson(row), `Row ${rowStart + i + 1}`, fields))
    )
  const starts = Array.from({ length: Math.ceil(count / rowsAtOnce) }, (_, i) => i * rowsAtOnce)
  return {
    rows: Stream.flattenIterable(Stream.mapEffect(Stream.fromIterable(starts), readAt)),
    count,
    bytes: file.byteLength
  }
})

/** Integers of 64 bits are numbers where a number holds them. */
const toJson = (row: Readonly<Record<string, unknown>>): string =>
  JSON.stringify(
    row,
    (_, value: unknown) =>
      typeof value !== "bigint" ? value : Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
  )
