/** The file of the values to be reviewed: those of low confidence in the output of a run. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { type CommandFailure, usage } from "../commandFailure.ts"
import type { OutputKind } from "./runFiles.ts"

export const pathOf = (output: string): string => `${output}.review.jsonl`

/** Makes sure that the file can be written, and that it is not somebody else's. */
export const prepare = Effect.fnUntraced(function*(
  output: string,
  kind: OutputKind,
  { isResumed, restart }: { readonly isResumed: boolean; readonly restart: boolean }
): Effect.fn.Return<void, CommandFailure, FileSystem.FileSystem> {
  if (kind === "stream") {
    return yield* usage("--min-confidence needs a file as --output, to put the review file beside it")
  }
  const fs = yield* FileSystem.FileSystem
  const exists = yield* Effect.orElseSucceed(fs.exists(pathOf(output)), () => false)
  if (exists && !isResumed && !restart) {
    return yield* usage(`The review file ${pathOf(output)} exists. Use another output, or start over with --restart`)
  }
})

/** Writes the lines of the output whose confidence is lower. */
export const write = (
  output: string,
  minimum: number
): Effect.Effect<number, PlatformError, FileSystem.FileSystem> =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const fresh = `${pathOf(output)}.new`
    let count = 0
    yield* fs.stream(output).pipe(
      Stream.decodeText,
      Stream.splitLines,
      Stream.filter((line) => {
        const isDoubtful = confidenceOf(line) < minimum
        if (isDoubtful) count++
        return isDoubtful
      }),
      Stream.map((line) => `${line}\n`),
      Stream.encodeText,
      Stream.run(fs.sink(fresh))
    )
    yield* fs.rename(fresh, pathOf(output))
    return count
  })

const confidenceOf = (line: string): number => {
  const json = Result.getOrUndefined(Result.try((): { readonly confidence?: number } => JSON.parse(line)))
  return json?.confidence ?? Infinity
}
