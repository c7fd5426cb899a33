/** A file that is written at once: it appears when it is whole. A pipe or a device is written to as it is. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import * as Stream from "effect/Stream"
import * as FileProblem from "../../internal/fileProblem.ts"
import { type CommandFailure, usage } from "../commandFailure.ts"
import * as StandardOutput from "./standardOutput.ts"
import * as TemporaryFile from "./temporaryFile.ts"

/** `-` is standard output. */
export const write = Effect.fnUntraced(function*<R>(
  parts: Stream.Stream<string, CommandFailure, R>,
  output: string
): Effect.fn.Return<void, CommandFailure, R | FileSystem.FileSystem> {
  if (output === "-") return yield* Stream.runForEach(parts, StandardOutput.write)
  const fs = yield* FileSystem.FileSystem
  const failed = (error: PlatformError): CommandFailure =>
    usage(`Cannot write the output ${output}: ${FileProblem.describe(error)}`)
  const encoder = new TextEncoder()
  const writeTo = (file: FileSystem.File) =>
    Stream.runForEach(parts, (part) => Effect.mapError(file.writeAll(encoder.encode(part)), failed))
  yield* Effect.scoped(Effect.gen(function*() {
    const info = yield* Effect.option(fs.stat(output))
    if (info._tag === "Some" && info.value.type !== "File") {
      return yield* Effect.flatMap(Effect.mapError(fs.open(output, { flag: "w" }), failed), writeTo)
    }
    // A symbolic link stays; the file behind it is replaced.
    const target = yield* Effect.orElseSucceed(fs.realPath(output), () => output)
    const { file, path } = yield* Effect.mapError(TemporaryFile.create(target), failed)
    yield* writeTo(file)
    yield* Effect.mapError(fs.rename(path, target), failed)
  }))
})

/** Fails if the output is one of the files that are read. */
export const ensureOther = Effect.fnUntraced(function*(
  output: string,
  sources: ReadonlyArray<readonly [name: string, path: string | undefined]>
): Effect.fn.Return<void, CommandFailure, FileSystem.FileSystem> {
  const fs = yield* FileSystem.FileSystem
  if (output === "-") return
  const target = yield* Effect.option(fs.realPath(output))
  if (target._tag === "None") return
  for (const [name, path] of sources) {
    if (path === undefined) continue
    const source = yield* Effect.option(fs.realPath(path))
    if (source._tag === "Some" && source.value === target.value) {
      return yield* usage(`The output ${output} is the ${name} itself. Use another file`)
    }
  }
})
