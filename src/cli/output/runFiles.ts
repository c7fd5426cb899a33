/** The files of a run: its output and the journal beside it. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import * as FileProblem from "../../node/journal/internal/fileProblem.ts"
import * as LockFile from "../../node/journal/internal/lockFile.ts"
import { type CommandFailure, usage } from "../commandFailure.ts"

export interface RunFiles {
  readonly input: string
  readonly output: string
  readonly journal: string
}

/** Makes sure that a run overwrites nothing that it has not written itself, and tells whether it goes on from another. */
export const prepare = Effect.fnUntraced(function*(
  files: RunFiles,
  options: { readonly restart: boolean }
): Effect.fn.Return<{ readonly isResumed: boolean }, CommandFailure, FileSystem.FileSystem> {
  const { input, journal, output } = files
  if (output !== "-" && (yield* isSame(input, output))) {
    return yield* usage(`The output ${output} is the input itself. Name another file`)
  }
  if (options.restart) yield* remove(files)
  const isResumed = (yield* sizeOf(journal)) > 0
  if (output !== "-" && !isResumed && (yield* sizeOf(output)) > 0) {
    return yield* usage(
      `The output ${output} is there already, and no journal ${journal} to go on from. ` +
        `Name another output, or start over with --restart, which removes it`
    )
  }
  return { isResumed }
})

/** Nothing of a directory is a file that could be overwritten. */
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

/** Not while another process writes them. */
const remove = ({ journal, output }: RunFiles): Effect.Effect<void, CommandFailure, FileSystem.FileSystem> =>
  Effect.scoped(Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    yield* Effect.mapError(LockFile.acquire(journal), (error) => usage(error.message))
    for (const path of output === "-" ? [journal] : [journal, output]) {
      if ((yield* sizeOf(path)) > 0) {
        yield* Effect.mapError(
          fs.remove(path),
          (error: PlatformError) => usage(`${path} cannot be removed: ${FileProblem.describe(error)}`)
        )
      }
    }
  }))
