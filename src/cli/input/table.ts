/** Rows in a table: CSV, TSV, and what else has a delimiter. */
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Csv from "./csv.ts"
import type { RowReader } from "./inputFormat.ts"
import { defaultTextField, type Fields, listed, type Row, unusable, usable } from "./row.ts"

export interface Options extends Csv.Options {
  readonly fields: Fields
}

export const make = ({ fields, ...options }: Options): RowReader => {
  const csv = Csv.make(options)
  let columns: Columns | undefined

  const toRows = (records: ReadonlyArray<Csv.CsvRecord>): Result.Result<ReadonlyArray<Row>, string> => {
    const rows: Array<Row> = []
    for (const { cells, line } of records) {
      if (columns !== undefined) {
        rows.push(readRecord(cells, line, columns, fields))
        continue
      }
      const header = readHeader(cells, fields, options.delimiter)
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

/** Characters that are rarely part of the name of a column. */
const otherDelimiters: ReadonlyArray<readonly [character: string, name: string]> = [
  [";", `";"`],
  ["\t", "tab"],
  ["|", `"|"`],
  [",", `","`]
]

const readHeader = (
  cells: ReadonlyArray<string> | string,
  fields: Fields,
  delimiter: string
): Result.Result<Columns, string> => {
  if (Predicate.isString(cells)) return Result.fail(`has an unreadable header: ${cells}`)
  const names = cells.map((cell) => cell.trim())
  const other = otherDelimiters.find(([character]) => character !== delimiter && names[0]!.includes(character))
  if (names.length === 1 && other !== undefined && names[0] !== fields.text) {
    return Result.fail(`has one column, ${JSON.stringify(names[0])}. If it has more, use --delimiter ${other[1]}`)
  }
  const textField = fields.text ?? (names.length === 1 ? names[0]! : defaultTextField)
  const text = names.indexOf(textField)
  if (text === -1) return Result.fail(noColumn(textField, names, "--text-field"))
  const id = fields.id === undefined ? -1 : names.indexOf(fields.id)
  const twice = [textField, fields.id].find((name) =>
    name !== undefined && names.indexOf(name) !== names.lastIndexOf(name)
  )
  if (twice !== undefined) return Result.fail(`has more than one column ${JSON.stringify(twice)}. Rename the others`)
  return fields.id !== undefined && id === -1
    ? Result.fail(noColumn(fields.id, names, "--id-field"))
    : Result.succeed({ count: names.length, text, id })
}

const noColumn = (name: string, names: ReadonlyArray<string>, flag: string): string =>
  `has no column ${JSON.stringify(name)}. Its columns are ${listed(names)}. Select one with ${flag}`

const readRecord = (
  cells: ReadonlyArray<string> | string,
  line: number,
  columns: Columns,
  fields: Fields
): Row => {
  if (Predicate.isString(cells)) return unusable(`Line ${line} is not CSV: ${cells}`)
  // A text with a delimiter outside quotes would be cut silently.
  if (cells.length !== columns.count) {
    return unusable(`Line ${line} has ${cells.length} cells, but the header has ${columns.count}`)
  }
  if (columns.id === -1) return usable(cells[columns.text]!, undefined, `line ${line}`)
  const id = cells[columns.id]!
  return id === ""
    ? unusable(`Line ${line} has an empty cell in its column ${JSON.stringify(fields.id)}`)
    : usable(cells[columns.text]!, id, `line ${line}`)
}
