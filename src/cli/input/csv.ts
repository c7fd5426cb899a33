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

export interface Options {
  /** A record of more characters has a quote that was never closed. */
  readonly maxLength: number
  /** One character between the cells of a record. */
  readonly delimiter: string
  /** Whether a quote inside a cell that does not begin with one is an ordinary character. */
  readonly loose: boolean
}

export const make = ({ maxLength, ...cells }: Options): Csv => {
  /** The lines of a record whose last cell is still open. */
  let open: Array<Line> = []
  let openLength = 0
  let row = makeRow(cells)

  const close = (): void => {
    open = []
    openLength = 0
    row = makeRow(cells)
  }

  /** Why the line that opened a quote has to be rejected, if it has to. */
  const read = (line: Line, records: Array<CsvRecord>): string | undefined => {
    if (open.length === 0 && line.text.trim() === "") return undefined
    open.push(line)
    openLength += line.text.length + 1
    const state = row.push(line.text)
    if (state === "invalid") return misplaced
    if (state === "open") return openLength > maxLength ? notClosed : undefined
    records.push({ line: open[0]!.line, cells: row.cells })
    close()
    return undefined
  }

  /** Rejects the line that opened a quote, and reads the lines after it as if it were absent, in the same way. */
  const reject = (description: string, records: Array<CsvRecord>): void => {
    let reason: string | undefined = description
    // Lines to be read again, the last one first.
    const again: Array<Line> = []
    while (reason !== undefined) {
      const [first, ...rest]: ReadonlyArray<Line> = open
      for (const line of rest.toReversed()) again.push(line)
      close()
      records.push({ line: first!.line, cells: reason })
      reason = undefined
      while (reason === undefined && again.length > 0) reason = read(again.pop()!, records)
    }
  }

  return {
    push: (text, line) => {
      const records: Array<CsvRecord> = []
      const reason = read({ text, line }, records)
      if (reason !== undefined) reject(reason, records)
      return records
    },
    end: () => {
      const records: Array<CsvRecord> = []
      while (open.length > 0) reject(notClosed, records)
      return records
    }
  }
}

const misplaced = "a quote is in the wrong place: double the quotes that belong to the text"

const notClosed = "the quote that opens here is not closed"

/** The cells of one record, which continues on the next line while a quote is open. */
const makeRow = ({ delimiter, loose }: Omit<Options, "maxLength">) => {
  const cells: Array<string> = []
  let cell = ""
  let isOpen = false

  const push = (text: string): "complete" | "open" | "invalid" => {
    let at = 0
    if (isOpen) cell += "\n"
    while (true) {
      if (!isOpen) {
        if (text[at] !== `"`) {
          const comma = text.indexOf(delimiter, at)
          const end = comma === -1 ? text.length - (text.endsWith("\r") && text.length > at ? 1 : 0) : comma
          const plain = text.slice(at, end)
          if (!loose && plain.includes(`"`)) return "invalid"
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
      if (after !== delimiter) return "invalid"
      at = quote + 2
    }
  }

  return { cells, push }
}
