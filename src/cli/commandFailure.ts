/** Failures of the command: an exit code, and a message for the user. */
import type * as Config from "effect/Config"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"

/** Documented in the README, because scripts depend on them. */
export const exitCode = {
  /** Wrong usage, or an unreadable file, found before any request. */
  usage: 1,
  /** The run finished, and some items failed. */
  failedItems: 3,
  /** The run stopped before its end. */
  stopped: 4,
  /** A bug of the command: `EX_SOFTWARE` of sysexits.h. */
  defect: 70,
  /** What a shell reports for a process that a closed pipe has ended. */
  closedPipe: 141
} as const

export class CommandFailure extends Schema.Error<CommandFailure>("effect-instructor/cli/CommandFailure")({
  _tag: Schema.tag("CommandFailure"),
  /** Empty if everything was printed already. */
  message: Schema.String,
  exitCode: Schema.Int
}) {
  override readonly [Runtime.errorExitCode] = this.exitCode
  override readonly [Runtime.errorReported] = false
}

/** Nothing was sent. */
export const usage = (message: string): CommandFailure => new CommandFailure({ message, exitCode: exitCode.usage })

/** The environment lacks something, or has something that cannot be used. */
export const misconfigured = ({ cause, message }: Config.ConfigError): CommandFailure =>
  usage(cause._tag === "SourceError" ? cause.message : message)

export const stopped = (message: string): CommandFailure => new CommandFailure({ message, exitCode: exitCode.stopped })

export const silently = (exitCode: number): CommandFailure => new CommandFailure({ message: "", exitCode })
