/** The files of a run: its output and the journal beside it. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import * as FileProblem from "../../internal/fileProblem.ts"
import * as NodeJournal from "../../node/journal/NodeJournal.ts"
import { type CommandFailure, usage } from "../commandFailure.ts"

export interface RunFiles {
  readonly input: string
  readonly output: string
  readonly journal: string
}

/** Makes sure that a run overwrites only its own files, and returns whether it resumes another. */
export const prepare = Effect.fnUntraced(function*(
  files: RunFiles,
  options: { readonly restart: boolean }
): Effect.fn.Return<{ readonly isResumed: boolean }, CommandFailure, FileSystem.FileSystem> {
  const { input, journal, output } = files
  if (output !== "-" && (yield* isSame(input, output))) {
    return yield* usage(`The output ${output} is the input itself. Use another file`)
  }
  if (options.restart) yield* remove(files)
  const isResumed = (yield* sizeOf(journal)) > 0
  if (output !== "-" && !isResumed && (yield* sizeOf(output)) > 0) {
    return yield* usage(
      `The output ${output} exists, but there is no journal ${journal} to resume from. ` +
        `Use another output, or start over with --restart, which removes it`
    )
  }
  return { isResumed }
})

/** The size of a regular file; 0 for anything else. */
const sizeOf = (path: string): Effect.Effect<number, never, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => fs.stat(path)).pipe(
    Effect.map(({ size, type }) => type === "File" ? Number(size) : 0),
    Effect.orElseSucceed(() => 0)
  )

const isSame = Effect.fnUntraced(function*(a: string, b: string) {
  const fs = yield* FileSystem.FileSystem
  const [first, second] = yield* Effect.all([Effect.option(fs.realPath(a)), Effect.option(fs.realPath(b))])
  return Option.isSome(first) && Option.isSome(second) && first.value === second.value
})

const remove = Effect.fnUntraced(function*({ journal, output }: RunFiles) {
  const fs = yield* FileSystem.FileSystem
  yield* Effect.mapError(NodeJournal.remove({ path: journal }), (error) => usage(error.message))
  if (output !== "-" && (yield* sizeOf(output)) > 0) {
    yield* Effect.mapError(
      fs.remove(output),
      (error: PlatformError) => usage(`Cannot remove ${output}: ${FileProblem.describe(error)}`)
    )
  }
})
