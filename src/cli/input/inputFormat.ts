/** The formats of input files, and how a line of each is read. */
import * as Result from "effect/Result"
import { readJson } from "./jsonRow.ts"
import { type Fields, type Row, usable } from "./row.ts"
import * as Table from "./table.ts"

export interface RowReader {
  /** The rows that end with a line; a failure says why the whole input cannot be read. */
  readonly push: (line: string, number: number) => Result.Result<ReadonlyArray<Row>, string>
  readonly end: () => ReadonlyArray<Row>
}

/** `json` is one array, which is not read by lines. */
export const formats = ["jsonl", "json", "csv", "tsv", "txt"] as const

export type Format = typeof formats[number]

/** The extensions of files in each format. */
const extensions: Readonly<Record<string, Format>> = {
  jsonl: "jsonl",
  ndjson: "jsonl",
  json: "json",
  csv: "csv",
  tsv: "tsv",
  txt: "txt"
}

/** The format of a file by its name. */
export const ofPath = (path: string): Result.Result<Format, string> => {
  const extension = /\.(\w+)$/.exec(path)?.[1]?.toLowerCase()
  return extension !== undefined && Object.hasOwn(extensions, extension)
    ? Result.succeed(extensions[extension]!)
    : Result.fail(
      `Cannot tell the format of ${path}, because its name ends with none of ${
        Object.keys(extensions).map((known) => `.${known}`).join(", ")
      }. Say what it is with --format`
    )
}

export interface ReaderOptions {
  readonly format: Exclude<Format, "json"> | undefined
  readonly fields: Fields
  readonly delimiter: string | undefined
  readonly maxLength: number
}

/** A reader of lines. Without a format, the first line decides. */
export const makeReader = (options: ReaderOptions): RowReader => {
  const { delimiter, fields, format, maxLength } = options
  switch (format) {
    case "jsonl":
      return lineReader((line, number) => readJson(line, `Line ${number}`, fields))
    case "txt":
      return lineReader((line, number) => usable(line, undefined, `line ${number}`))
    case "csv":
      return Table.make({ fields, maxLength, delimiter: delimiter ?? ",", loose: false })
    case "tsv":
      return Table.make({ fields, maxLength, delimiter: delimiter ?? "\t", loose: true })
    case undefined:
      return sniffingReader(options)
  }
}

const lineReader = (read: (line: string, number: number) => Row): RowReader => ({
  // An empty line in a table may belong to a cell, but here it is nothing.
  push: (line, number) => Result.succeed(line.trim() === "" ? [] : [read(line, number)]),
  end: () => []
})

/** A pipe has no name, so its first line decides. */
const sniffingReader = (options: ReaderOptions): RowReader => {
  let reader: RowReader | undefined
  return {
    push: (line, number) => {
      if (reader === undefined && line.trim() === "") return Result.succeed([])
      reader ??= makeReader({ ...options, format: sniff(line, options) })
      return reader.push(line, number)
    },
    end: () => reader === undefined ? [] : reader.end()
  }
}

/** A field is one of an object or of a table, and lines of text have none. */
const sniff = (line: string, { delimiter, fields }: ReaderOptions): Exclude<Format, "json"> => {
  if (/^\s*[{"]/.test(line) && delimiter === undefined) {
    const isTable = /^\s*"/.test(line) && Result.isFailure(Result.try((): unknown => JSON.parse(line)))
    if (!isTable) return "jsonl"
  }
  if (delimiter !== undefined) return "csv"
  if (fields.text === undefined && fields.id === undefined) return /^\s*"/.test(line) ? "jsonl" : "txt"
  return line.includes("\t") ? "tsv" : "csv"
}

/** Whether the beginning of an input without a name is that of a JSON array. */
export const isArray = (beginning: string): boolean => /^\s*\[\s*(?:$|[\]{"])/.test(beginning)
