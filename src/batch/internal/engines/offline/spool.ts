/** The lines of a batch before it is submitted: in a temporary file if there is a `FileSystem`, or else in memory. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as FileProblem from "../../../../internal/fileProblem.ts"
import type { BatchError } from "../../../BatchError.ts"
import { FileFailure, JournalError } from "../../../JournalError.ts"
import { journalFailure } from "../../errors.ts"

export interface Spool {
  readonly append: (line: string) => Effect.Effect<void, BatchError>
  /** All lines. It may run more than once, until the spool is closed. */
  readonly lines: Effect.Effect<Stream.Stream<Uint8Array, BatchError>, BatchError>
  /** Removes the temporary file. */
  readonly close: Effect.Effect<void>
}

const bufferSize = 256 * 1024

const encoder = new TextEncoder()

/** Opens spools. What is not closed is closed with the scope. */
export const make: Effect.Effect<Effect.Effect<Spool, BatchError>, never, Scope.Scope> = Effect.gen(function*() {
  const fs = yield* Effect.serviceOption(FileSystem.FileSystem)
  const scope = yield* Effect.scope
  return Option.isNone(fs) ? Effect.sync(inMemory) : onDisk(fs.value, scope)
})

const inMemory = (): Spool => {
  const buffer = makeBuffer()
  let chunks: Array<Uint8Array> = []
  return {
    append: (line) =>
      Effect.sync(() => {
        const full = buffer.add(line)
        if (full !== undefined) chunks.push(full)
      }),
    lines: Effect.sync(() => {
      const rest = buffer.take()
      if (rest.length > 0) chunks.push(rest)
      return Stream.fromIterable(chunks, { chunkSize: 1 })
    }),
    close: Effect.sync(() => {
      chunks = []
    })
  }
}

const onDisk = (fs: FileSystem.FileSystem, parent: Scope.Scope): Effect.Effect<Spool, BatchError> =>
  Effect.gen(function*() {
    const scope = yield* Scope.fork(parent)
    const opened = Effect.gen(function*() {
      const path = yield* fs.makeTempFileScoped({ prefix: "effect-instructor-", suffix: ".jsonl" })
      return { path, file: yield* fs.open(path, { flag: "w" }) }
    })
    const { file, path } = yield* Effect.mapError(Scope.provide(opened, scope), failure("a temporary file", "created"))
    const buffer = makeBuffer()
    const write = (bytes: Uint8Array) => Effect.mapError(file.writeAll(bytes), failure(path, "written"))
    return {
      append: (line) => {
        const full = buffer.add(line)
        return full === undefined ? Effect.void : write(full)
      },
      lines: Effect.suspend(() => {
        const rest = buffer.take()
        return rest.length === 0 ? Effect.void : write(rest)
      }).pipe(Effect.as(Stream.mapError(fs.stream(path, { chunkSize: bufferSize }), failure(path, "read")))),
      close: Scope.close(scope, Exit.void)
    }
  })

const failure = (path: string, operation: string) => (error: PlatformError): BatchError =>
  journalFailure(
    new JournalError({ reason: new FileFailure({ path, operation, description: FileProblem.describe(error) }) })
  )

interface Buffer {
  /** Adds a line, and returns the bytes of the buffer once it is full. */
  readonly add: (line: string) => Uint8Array | undefined
  readonly take: () => Uint8Array
}

const makeBuffer = (): Buffer => {
  let lines: Array<string> = []
  let length = 0
  const take = (): Uint8Array => {
    const bytes = encoder.encode(lines.join(""))
    lines = []
    length = 0
    return bytes
  }
  return {
    add: (line) => {
      lines.push(line)
      length += line.length
      return length >= bufferSize ? take() : undefined
    },
    take
  }
}
