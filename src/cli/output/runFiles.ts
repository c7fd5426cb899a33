/** The files of a run, and which of them it may write. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import * as NodePath from "node:path"
import * as FileProblem from "../../internal/fileProblem.ts"
import * as NodeJournal from "../../node/journal/NodeJournal.ts"
import { type CommandFailure, usage } from "../commandFailure.ts"

export interface Files {
  readonly input: string
  readonly output: string
  readonly schema: string
  readonly journal: string | undefined
  readonly cache?: string | undefined
  readonly instructionsFile?: string | undefined
}

/**
 * What an output is. A `file` can be resumed and rewritten. A pipe, a terminal or a device is a `stream`: lines are
 * written to it, it has no journal of its own, and it is never replaced or removed.
 */
export type OutputKind = "file" | "stream"

export const outputKind = Effect.fnUntraced(function*(
  output: string
): Effect.fn.Return<OutputKind, never, FileSystem.FileSystem> {
  if (output === "-") return "stream"
  const fs = yield* FileSystem.FileSystem
  const found = yield* Effect.option(fs.stat(output))
  return Option.isNone(found) || found.value.type === "File" || found.value.type === "Directory" ? "file" : "stream"
})

/** The journal of a run, if it has one. */
export const journalOf = (
  { journal, output }: Pick<Files, "journal" | "output">,
  kind: OutputKind
): string | undefined => journal ?? (kind === "stream" ? undefined : `${output}.journal`)

/** Fails if a run would overwrite one of its other files. Needed before any of them is opened. */
export const check = Effect.fnUntraced(function*(
  files: Files
): Effect.fn.Return<void, CommandFailure, FileSystem.FileSystem> {
  const { cache, input, instructionsFile, output, schema } = files
  const journal = journalOf(files, yield* outputKind(output))
  const read: ReadonlyArray<Named> = [
    ["input", input === "-" ? "/dev/stdin" : input],
    ["schema", schema.replace(/#[^#]*$/, "")],
    ["instructions file", instructionsFile]
  ]
  const written: ReadonlyArray<Named> = [
    ["output", output === "-" ? "/dev/stdout" : output],
    ["journal", journal],
    ["lock file of the journal", journal && `${journal}.lock`],
    ["cache", cache],
    ...["-wal", "-shm", "-journal"].map((suffix): Named => ["cache's own file", cache && `${cache}${suffix}`])
  ]
  const known = new Map<string, Named>()
  for (const file of [...read, ...written]) {
    const [name, path] = file
    const identity = path === undefined ? undefined : yield* identify(path)
    if (identity === undefined) continue
    const other = known.get(identity)
    if (other !== undefined && !read.includes(file)) {
      return yield* usage(`The ${name} ${path} is the ${other[0]} itself. Use another file`)
    }
    known.set(identity, file)
  }
})

type Named = readonly [name: string, path: string | undefined]

/** The same for two paths of one file, whether it exists or will be created. Nothing for what is no regular file. */
const identify = Effect.fnUntraced(function*(
  path: string
): Effect.fn.Return<string | undefined, never, FileSystem.FileSystem> {
  const fs = yield* FileSystem.FileSystem
  let at = path
  for (let links = 0; links < 32; links++) {
    const found = yield* Effect.option(fs.stat(at))
    if (Option.isSome(found)) {
      const { dev, ino, type } = found.value
      if (type !== "File") return undefined
      return Option.match(ino, { onNone: () => NodePath.resolve(at), onSome: (ino) => `${dev} ${ino}` })
    }
    // The file that a symbolic link to nothing creates.
    const target = yield* Effect.option(fs.readLink(at))
    if (Option.isNone(target)) break
    at = NodePath.resolve(NodePath.dirname(at), target.value)
  }
  const folder = NodePath.dirname(NodePath.resolve(at))
  return NodePath.join(yield* Effect.orElseSucceed(fs.realPath(folder), () => folder), NodePath.basename(at))
})

/** Makes sure that a run overwrites only its own files, and returns whether it resumes another. */
export const prepare = Effect.fnUntraced(function*(
  { journal, kind, output }: { readonly output: string; readonly journal: string; readonly kind: OutputKind },
  options: { readonly restart: boolean }
): Effect.fn.Return<{ readonly isResumed: boolean }, CommandFailure, FileSystem.FileSystem> {
  if (options.restart) {
    yield* Effect.mapError(NodeJournal.remove({ path: journal }), (error) => usage(error.message))
    if (kind === "file") yield* removeOutput(output)
  }
  const isResumed = (yield* sizeOf(journal)) > 0
  if (kind === "file" && !isResumed && (yield* sizeOf(output)) > 0) {
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

const removeOutput = Effect.fnUntraced(function*(output: string) {
  const fs = yield* FileSystem.FileSystem
  if ((yield* sizeOf(output)) === 0) return
  yield* Effect.mapError(
    fs.remove(output),
    (error: PlatformError) => usage(`Cannot remove ${output}: ${FileProblem.describe(error)}`)
  )
})
