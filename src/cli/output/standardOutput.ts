/** The standard output, at the pace of whoever reads it. */
import * as Effect from "effect/Effect"
import Process from "node:process"
import { type CommandFailure, exitCode, silently, stopped } from "../commandFailure.ts"

/** A reader that has seen enough, such as `head`, is no failure to tell of. */
export const write = (text: string): Effect.Effect<void, CommandFailure> =>
  Effect.callback((resume) => {
    const ended = (error: NodeJS.ErrnoException | null | undefined): void => {
      // Node tells of a closed pipe as an event too, which would be thrown if nobody listened.
      setImmediate(() => Process.stdout.off("error", ended))
      resume(
        error === null || error === undefined
          ? Effect.void
          : Effect.fail(
            error.code === "EPIPE"
              ? silently(exitCode.closedPipe)
              : stopped(`The standard output could not be written: ${error.message}`)
          )
      )
    }
    Process.stdout.on("error", ended)
    Process.stdout.write(text, ended)
  })
