/** A file with a JSON object per line. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as FileProblem from "../../internal/fileProblem.ts"
import { type CommandFailure, usage } from "../commandFailure.ts"

export interface JsonLine {
  /** From 1. */
  readonly line: number
  readonly value: Readonly<Record<string, unknown>>
}

/** The objects of a file. A last line without an end, which another process may still be writing, is left out. */
export const read = (path: string): Stream.Stream<JsonLine, CommandFailure, FileSystem.FileSystem> =>
  Stream.unwrap(Effect.map(FileSystem.FileSystem, (fs) => {
    let line = 0
    return fs.stream(path).pipe(
      Stream.mapError((error) => usage(`Cannot read ${path}: ${FileProblem.describe(error)}`)),
      Stream.decodeText,
      Stream.splitLines,
      // The last line is known to be the last one when there is no other.
      Stream.zipWithNext,
      Stream.mapEffect(([text, next]): Effect.Effect<JsonLine | undefined, CommandFailure> => {
        line++
        if (text.trim() === "") return Effect.undefined
        const parsed = Result.try((): unknown => JSON.parse(text))
        if (Result.isFailure(parsed)) {
          return next._tag === "None" && line > 1
            ? Effect.undefined
            : usage(`Line ${line} of ${path} is not JSON: ${String(parsed.failure)}`)
        }
        const value = parsed.success
        return Predicate.isObject(value)
          ? Effect.succeed({ line, value })
          : usage(`Line ${line} of ${path} is not a JSON object`)
      }),
      Stream.filter(Predicate.isNotUndefined)
    )
  }))
