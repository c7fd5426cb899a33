/** A few lines at the end of a terminal that are drawn over and over, below the lines that stay. */
import * as ReadLine from "node:readline"
import type * as Tty from "node:tty"

export interface StatusLines {
  /** Replaces the lines. They must be shorter than the terminal is wide. */
  readonly draw: (lines: ReadonlyArray<string>) => void
  /** Prints text that stays, above the lines. */
  readonly print: (text: string) => void
  readonly clear: () => void
}

const hideCursor = "\u001B[?25l"
const showCursor = "\u001B[?25h"

export const make = (terminal: Tty.WriteStream): StatusLines => {
  let drawn: ReadonlyArray<string> = []

  const erase = (): void => {
    ReadLine.moveCursor(terminal, 0, -drawn.length)
    ReadLine.cursorTo(terminal, 0)
    ReadLine.clearScreenDown(terminal)
  }

  return {
    draw: (lines) => {
      if (drawn.length > 0) erase()
      drawn = lines
      terminal.write(`${hideCursor}${lines.join("\n")}\n`)
    },
    print: (text) => {
      if (drawn.length === 0) {
        terminal.write(`${text}\n`)
        return
      }
      erase()
      terminal.write(`${text}\n${drawn.join("\n")}\n`)
    },
    clear: () => {
      if (drawn.length === 0) return
      erase()
      drawn = []
      terminal.write(showCursor)
    }
  }
}
