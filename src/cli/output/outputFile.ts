/** The output of a run, appended to as items finish. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import type * as Scope from "effect/Scope"
import * as FileProblem from "../../internal/fileProblem.ts"
import { type CommandFailure, exitCode, silently, stopped, usage } from "../commandFailure.ts"
import type { Line } from "./lines.ts"
import * as TemporaryFile from "./temporaryFile.ts"

export interface OutputFile {
  readonly append: (lines: ReadonlyArray<Line>) => Effect.Effect<void, CommandFailure>
  /** Makes a regular file survive a power failure. */
  readonly sync: Effect.Effect<void, PlatformError, FileSystem.FileSystem>
}

/** Opens the file for appending, so that an unwritable one is found before anything is sent. */
export const open = Effect.fnUntraced(function*(
  path: string
): Effect.fn.Return<OutputFile, CommandFailure, FileSystem.FileSystem | Scope.Scope> {
  const fs = yield* FileSystem.FileSystem
  const file = yield* Effect.mapError(
    fs.open(path, { flag: "a", mode: TemporaryFile.privateFile }),
    (error) => usage(`Cannot write the output ${path}: ${FileProblem.describe(error)}`)
  )
  return {
    sync: Effect.andThen(file.sync, TemporaryFile.syncFolder(path)),
    append: (lines) =>
      Effect.mapError(
        file.writeAll(encode(lines)),
        (error) =>
          isClosedPipe(error)
            ? silently(exitCode.closedPipe)
            : stopped(
              `Cannot write the output ${path}: ${FileProblem.describe(error)}. Run the same command again to resume`
            )
      )
  }
})

/** As for standard output, a reader that has read enough is not an error to report. */
const isClosedPipe = ({ reason }: PlatformError): boolean =>
  reason._tag !== "BadArgument" && (reason.cause as NodeJS.ErrnoException | undefined)?.code === "EPIPE"

const encoder = new TextEncoder()

const encode = (lines: ReadonlyArray<Line>): Uint8Array => encoder.encode(lines.map(({ text }) => text).join(""))
