/** The formats of input files, and how a line of each is read. */
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Csv from "./csv.ts"

/** A text to extract from, or why its line cannot be used. */
export type Row =
  | { readonly _tag: "Text"; readonly text: string; readonly id: string | undefined }
  | { readonly _tag: "Unusable"; readonly description: string }

export interface Fields {
  readonly text: string | undefined
  readonly id: string | undefined
}

export interface RowReader {
  /** The rows that end with a line; a failure says why the whole input cannot be read. */
  readonly push: (line: string, number: number) => Result.Result<ReadonlyArray<Row>, string>
  readonly end: () => ReadonlyArray<Row>
}

export type Format = "jsonl" | "csv" | "txt"

const defaultTextField = "text"

/** The format of a file by its name, where the name says. */
export const ofPath = (path: string): Format | undefined => {
  const extension = /\.(\w+)$/.exec(path)?.[1]?.toLowerCase()
  return extension === "jsonl" || extension === "ndjson"
    ? "jsonl"
    : extension === "csv" || extension === "txt"
    ? extension
    : undefined
}

export const makeReader = (format: Format | undefined, fields: Fields, maxLength: number): RowReader => {
  switch (format) {
    case "jsonl":
      return lineReader((line, number) => readJson(line, number, fields))
    case "txt":
      return lineReader((line, number) => usable(line, undefined, number))
    case "csv":
      return csvReader(fields, maxLength)
    case undefined:
      return sniffingReader(fields)
  }
}

const lineReader = (read: (line: string, number: number) => Row): RowReader => ({
  push: (line, number) => Result.succeed([read(line, number)]),
  end: () => []
})

const unusable = (description: string): Row => ({ _tag: "Unusable", description })

const usable = (text: string, id: string | undefined, line: number): Row =>
  text.trim() === "" ? unusable(`The text in line ${line} is empty`) : { _tag: "Text", text, id }

const readJson = (line: string, number: number, fields: Fields): Row => {
  const parsed = Result.try((): unknown => JSON.parse(line))
  if (Result.isFailure(parsed)) return unusable(`Line ${number} is not JSON: ${String(parsed.failure)}`)
  const value = parsed.success
  if (Predicate.isString(value) && fields.id === undefined) return usable(value, undefined, number)
  if (!Predicate.isObject(value)) {
    return unusable(`Line ${number} is neither a JSON object nor a JSON string`)
  }
  const textField = fields.text ?? defaultTextField
  const text = ownField(value, textField)
  if (!Predicate.isString(text)) {
    const what = text === undefined ? "has no field" : "has something other than a string in its field"
    return unusable(`Line ${number} ${what} ${JSON.stringify(textField)}. Its fields are ${listed(Object.keys(value))}`)
  }
  if (fields.id === undefined) return usable(text, undefined, number)
  const id = ownField(value, fields.id)
  return Predicate.isString(id) && id !== "" || Predicate.isNumber(id)
    ? usable(text, String(id), number)
    : unusable(`Line ${number} has no string or number in its field ${JSON.stringify(fields.id)}`)
}

const ownField = (value: object, field: string): unknown =>
  Object.hasOwn(value, field) ? (value as Record<string, unknown>)[field] : undefined

const listed = (names: ReadonlyArray<string>): string => {
  const shown = names.slice(0, 20).join(", ")
  return names.length === 0 ? "none" : names.length > 20 ? `${shown} and ${names.length - 20} more` : shown
}

/** A pipe has no name, so its first line decides. */
const sniffingReader = (fields: Fields): RowReader => {
  let reader: RowReader | undefined
  return {
    push: (line, number) => {
      reader ??= makeReader(/^\s*[{"]/.test(line) ? "jsonl" : "txt", fields, Infinity)
      return reader.push(line, number)
    },
    end: () => []
  }
}

const csvReader = (fields: Fields, maxLength: number): RowReader => {
  const csv = Csv.make(maxLength)
  let columns: Columns | undefined

  const toRows = (records: ReadonlyArray<Csv.CsvRecord>): Result.Result<ReadonlyArray<Row>, string> => {
    const rows: Array<Row> = []
    for (const { cells, line } of records) {
      if (columns !== undefined) {
        rows.push(readRecord(cells, line, columns, fields))
        continue
      }
      const header = readHeader(cells, fields)
      if (Result.isFailure(header)) return Result.fail(header.failure)
      columns = header.success
    }
    return Result.succeed(rows)
  }

  return {
    push: (line, number) => toRows(csv.push(line, number)),
    end: () => Result.getOrElse(toRows(csv.end()), () => [])
  }
}

interface Columns {
  readonly count: number
  readonly text: number
  readonly id: number
}

const readHeader = (
  cells: ReadonlyArray<string> | string,
  fields: Fields
): Result.Result<Columns, string> => {
  if (Predicate.isString(cells)) return Result.fail(`has an unreadable header: ${cells}`)
  const names = cells.map((cell) => cell.trim())
  const textField = fields.text ?? (names.length === 1 ? names[0]! : defaultTextField)
  const text = names.indexOf(textField)
  if (text === -1) {
    return Result.fail(
      `has no column ${JSON.stringify(textField)}. Its columns are ${listed(names)}. Select one with --text-field`
    )
  }
  const id = fields.id === undefined ? -1 : names.indexOf(fields.id)
  return fields.id !== undefined && id === -1
    ? Result.fail(
      `has no column ${JSON.stringify(fields.id)}. Its columns are ${listed(names)}. Select one with --id-field`
    )
    : Result.succeed({ count: names.length, text, id })
}

const readRecord = (
  cells: ReadonlyArray<string> | string,
  line: number,
  columns: Columns,
  fields: Fields
): Row => {
  if (Predicate.isString(cells)) return unusable(`Line ${line} is not CSV: ${cells}`)
  // A text with a comma outside quotes would be cut silently.
  if (cells.length !== columns.count) {
    return unusable(`Line ${line} has ${cells.length} cells, but the header has ${columns.count}`)
  }
  if (columns.id === -1) return usable(cells[columns.text]!, undefined, line)
  const id = cells[columns.id]!
  return id === ""
    ? unusable(`Line ${line} has an empty cell in its column ${JSON.stringify(fields.id)}`)
    : usable(cells[columns.text]!, id, line)
}
