/** Help that fits the terminal: descriptions go on below their beginning. */
import * as CliOutput from "effect/cli/CliOutput"
import Process from "node:process"

/** Lines of at most so many columns, unless a word is longer. */
export const wrap = (text: string, columns: number): string =>
  text.split("\n").map((line) => CliOutput.displayWidth(line) <= columns ? line : wrapLine(line, columns)).join("\n")

const wrapLine = (line: string, columns: number): string => {
  // A row has a name, at least two spaces, and a description.
  const prefix = /^ +\S.*? {2,}(?=\S)/.exec(line)?.[0] ?? /^ */.exec(line)![0]
  const isWide = CliOutput.displayWidth(prefix) > columns / 2
  const indent = " ".repeat(isWide ? 6 : CliOutput.displayWidth(prefix))
  const lines = isWide ? [prefix.trimEnd()] : []
  let current = isWide ? indent : prefix
  let isEmpty = true
  for (const word of line.slice(prefix.length).split(" ")) {
    if (!isEmpty && CliOutput.displayWidth(`${current} ${word}`) > columns) {
      lines.push(current)
      current = indent + word
    } else {
      current += isEmpty ? word : ` ${word}`
    }
    isEmpty = false
  }
  return [...lines, current].join("\n")
}

const base = CliOutput.defaultFormatter()

/** A pipe gets the lines as they are. */
export const formatter: CliOutput.Formatter = {
  ...base,
  formatHelpDoc: (doc) =>
    Process.stdout.isTTY ? wrap(base.formatHelpDoc(doc), Process.stdout.columns) : base.formatHelpDoc(doc)
}
