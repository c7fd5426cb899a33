/** The output of a distributed batch: a file, or several of them. Each is complete once it has its name. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import * as Scope from "effect/Scope"
import * as FileProblem from "../../internal/fileProblem.ts"
import { type CommandFailure, stopped, usage } from "../commandFailure.ts"
import type { Line } from "./lines.ts"
import * as StandardOutput from "./standardOutput.ts"
import * as TemporaryFile from "./temporaryFile.ts"

export interface Parts {
  readonly append: (lines: ReadonlyArray<Line>) => Effect.Effect<void, CommandFailure>
  /** Gives the last file its name, and returns the names of all. */
  readonly finish: Effect.Effect<ReadonlyArray<string>, CommandFailure>
}

const placeholder = "{n}"

const pathOf = (output: string, part: number): string => output.replaceAll(placeholder, String(part).padStart(5, "0"))

/**
 * Opens an output. `{n}` in its name stands for the number of a part, of which each has `partSize` lines. Existing files
 * are replaced if `restart` is true.
 */
export const open = Effect.fnUntraced(function*(
  output: string,
  options: { readonly partSize: number; readonly restart: boolean }
): Effect.fn.Return<Parts, CommandFailure, FileSystem.FileSystem | Scope.Scope> {
  if (output === "-") {
    return {
      append: (lines) => StandardOutput.write(lines.map(({ text }) => text).join("")),
      finish: Effect.succeed([])
    }
  }
  const fs = yield* FileSystem.FileSystem
  const scope = yield* Effect.scope
  const isSplit = output.includes(placeholder)
  const failed = (path: string) => (error: PlatformError): CommandFailure =>
    stopped(`Cannot write the output ${path}: ${FileProblem.describe(error)}. Run the same command again`)
  const first = pathOf(output, 0)
  const known = yield* Effect.option(fs.stat(first))
  if (!options.restart && known._tag === "Some" && Number(known.value.size) > 0) {
    return yield* usage(`The output ${first} exists. Use another output, or --restart, which replaces it`)
  }

  const done: Array<string> = []
  const begin = Effect.fnUntraced(function*(part: number) {
    const path = pathOf(output, part)
    const own = yield* Scope.fork(scope)
    yield* TemporaryFile.removeLeftovers(path)
    const temporary = yield* TemporaryFile.create(path).pipe(
      Scope.provide(own),
      Effect.mapError((error) => usage(`Cannot write the output ${path}: ${FileProblem.describe(error)}`))
    )
    return { path, own, temporary, lines: 0 }
  }, Effect.provideService(FileSystem.FileSystem, fs))
  let current = yield* begin(0)

  const end = Effect.suspend(() => {
    const { own, path, temporary } = current
    done.push(path)
    return TemporaryFile.replace(temporary, path).pipe(
      Effect.provideService(FileSystem.FileSystem, fs),
      Effect.mapError(failed(path)),
      Effect.andThen(Scope.close(own, Exit.void))
    )
  })

  return {
    append: Effect.fnUntraced(function*(lines) {
      let rest = lines
      while (rest.length > 0) {
        if (isSplit && current.lines >= options.partSize) {
          yield* end
          current = yield* begin(done.length)
        }
        const some = isSplit ? rest.slice(0, options.partSize - current.lines) : rest
        rest = rest.slice(some.length)
        current.lines += some.length
        const bytes = encoder.encode(some.map(({ text }) => text).join(""))
        yield* Effect.mapError(current.temporary.file.writeAll(bytes), failed(current.path))
      }
    }),
    finish: Effect.as(end, done)
  }
})

const encoder = new TextEncoder()
