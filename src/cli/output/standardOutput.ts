/** Standard output, at the pace of its reader. */
import * as Effect from "effect/Effect"
import Process from "node:process"
import { type CommandFailure, exitCode, silently, stopped } from "../commandFailure.ts"

/** A reader that has read enough, such as `head`, is not an error to report. */
export const write = (text: string): Effect.Effect<void, CommandFailure> =>
  Effect.callback((resume) => {
    const ended = (error: NodeJS.ErrnoException | null | undefined): void => {
      // Node also emits an event for a closed pipe, which it would throw without a listener.
      setImmediate(() => Process.stdout.off("error", ended))
      resume(
        error === null || error === undefined
          ? Effect.void
          : Effect.fail(
            error.code === "EPIPE"
              ? silently(exitCode.closedPipe)
              : stopped(`Cannot write to standard output: ${error.message}`)
          )
      )
    }
    Process.stdout.on("error", ended)
    Process.stdout.write(text, ended)
  })
