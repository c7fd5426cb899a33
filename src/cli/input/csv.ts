/**
 * CSV, a line at a time. `effect/encoding/Csv` stops at the first invalid record; a run has to report the line of such a
 * record and continue with the next.
 */

export interface CsvRecord {
  /** The line on which it begins, from 1. */
  readonly line: number
  /** The cells, or why they cannot be read. */
  readonly cells: ReadonlyArray<string> | string
}

export interface Csv {
  /** Reads a line, without its newline, and returns the records that are complete by then. */
  readonly push: (text: string, line: number) => ReadonlyArray<CsvRecord>
  readonly end: () => ReadonlyArray<CsvRecord>
}

interface Line {
  readonly text: string
  readonly line: number
}

/** A record of more than `maxLength` characters has a quote that was never closed. */
export const make = (maxLength: number): Csv => {
  /** The lines of a record whose last cell is still open. */
  let open: Array<Line> = []
  let openLength = 0
  let row = makeRow()

  /** Rejects the line that opened a quote, and reads the lines after it as if it were absent. */
  const reject = (description: string): ReadonlyArray<CsvRecord> => {
    const [first, ...rest] = open
    open = []
    openLength = 0
    row = makeRow()
    return [
      { line: first!.line, cells: description },
      ...rest.flatMap(({ line, text }) => push(text, line))
    ]
  }

  const push = (text: string, line: number): ReadonlyArray<CsvRecord> => {
    if (open.length === 0 && text.trim() === "") return []
    open.push({ text, line })
    openLength += text.length + 1
    const state = row.push(text)
    if (state === "invalid") return reject("a quote is in the wrong place: double the quotes that belong to the text")
    if (state === "open") return openLength > maxLength ? reject(notClosed) : []
    const record = { line: open[0]!.line, cells: row.cells }
    open = []
    openLength = 0
    row = makeRow()
    return [record]
  }

  return {
    push,
    end: () => {
      const records: Array<CsvRecord> = []
      while (open.length > 0) records.push(...reject(notClosed))
      return records
    }
  }
}

const notClosed = "the quote that opens here is not closed"

/** The cells of one record, which continues on the next line while a quote is open. */
const makeRow = () => {
  const cells: Array<string> = []
  let cell = ""
  let isOpen = false

  const push = (text: string): "complete" | "open" | "invalid" => {
    let at = 0
    if (isOpen) cell += "\n"
    while (true) {
      if (!isOpen) {
        if (text[at] !== `"`) {
          const comma = text.indexOf(",", at)
          const end = comma === -1 ? text.length - (text.endsWith("\r") && text.length > at ? 1 : 0) : comma
          const plain = text.slice(at, end)
          if (plain.includes(`"`)) return "invalid"
          cells.push(plain)
          if (comma === -1) return "complete"
          at = comma + 1
          continue
        }
        isOpen = true
        at++
      }
      const quote = text.indexOf(`"`, at)
      if (quote === -1) {
        cell += text.slice(at)
        return "open"
      }
      cell += text.slice(at, quote)
      if (text[quote + 1] === `"`) {
        cell += `"`
        at = quote + 2
        continue
      }
      isOpen = false
      cells.push(cell)
      cell = ""
      const after = text.slice(quote + 1, quote + 2)
      if (after === "" || after === "\r" && quote + 2 === text.length) return "complete"
      if (after !== ",") return "invalid"
      at = quote + 2
    }
  }

  return { cells, push }
}
