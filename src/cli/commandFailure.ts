/** How the command ends when not all is well: an exit code, and a sentence for whoever typed it. */
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"

/** Documented in the README: scripts go by them. */
export const exitCode = {
  /** Wrong usage, or something unreadable, found before any request. */
  usage: 1,
  /** Every input was read, and some failed. */
  failedItems: 3,
  /** Stopped before the end. */
  stopped: 4,
  /** As the shell counts a process that died of a closed pipe. */
  closedPipe: 141
} as const

export class CommandFailure extends Schema.Error<CommandFailure>("effect-instructor/cli/CommandFailure")({
  _tag: Schema.tag("CommandFailure"),
  /** Empty if all was said already. */
  message: Schema.String,
  exitCode: Schema.Int
}) {
  override readonly [Runtime.errorExitCode] = this.exitCode
  override readonly [Runtime.errorReported] = false
}

/** Nothing was sent. */
export const usage = (message: string): CommandFailure => new CommandFailure({ message, exitCode: exitCode.usage })

export const stopped = (message: string): CommandFailure => new CommandFailure({ message, exitCode: exitCode.stopped })

export const silently = (exitCode: number): CommandFailure => new CommandFailure({ message: "", exitCode })
