/** The input of a run: rows of a file or of a pipe, in constant memory. */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import * as Pull from "effect/Pull"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as ByteLines from "../../internal/byteLines.ts"
import { type CommandFailure, usage } from "../commandFailure.ts"
import { type Fields, makeReader, ofPath, type Row } from "./inputFormat.ts"

/** How far a run has read its input. */
export interface Position {
  rows: number
  bytes: number
  /** The size of the input; unknown for a pipe. */
  readonly totalBytes: number | undefined
  isAtEnd: boolean
}

export interface InputSource {
  readonly rows: Stream.Stream<Row, CommandFailure>
  readonly position: Position
}

export interface Options {
  /** A file, or `-` for standard input. */
  readonly path: string
  readonly fields: Fields
  readonly limit: number | undefined
}

/** No model takes a longer text. */
const maxLineBytes = 16 * 1024 * 1024

/** Opens an input and reads its beginning, so that an unreadable one is found before anything is sent. */
export const open = Effect.fnUntraced(function*(
  { fields, limit, path }: Options
): Effect.fn.Return<InputSource, CommandFailure, FileSystem.FileSystem | Stdio.Stdio | Scope.Scope> {
  const name = path === "-" ? "Standard input" : path
  const totalBytes = path === "-" ? undefined : yield* sizeOf(path)
  const position: Position = { rows: 0, bytes: 0, totalBytes, isAtEnd: false }
  const fs = yield* FileSystem.FileSystem
  const { stdin } = yield* Stdio.Stdio
  const bytes = path === "-" ? stdin : fs.stream(path)
  const all = readRows(Stream.mapError(bytes, unreadable(name)), { name, path, fields, position })
  const pull = yield* Stream.toPull(limit === undefined ? all : Stream.take(all, limit))
  const first = yield* Pull.catchDone(pull, () => Effect.fail(usage(`${name} is empty`)))
  return {
    position,
    rows: Stream.concat(Stream.fromArray(first), Stream.fromPull(Effect.succeed(pull)))
  }
})

const unreadable = (name: string) => (error: PlatformError): CommandFailure =>
  usage(`Cannot read ${name}: ${error.reason._tag === "NotFound" ? "the file does not exist" : error.message}`)

const sizeOf = (path: string): Effect.Effect<number | undefined, CommandFailure, FileSystem.FileSystem> =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const info = yield* Effect.mapError(fs.stat(path), unreadable(path))
    if (info.type === "Directory") return yield* usage(`Cannot read ${path}: it is a directory`)
    return info.type === "File" ? Number(info.size) : undefined
  })

const readRows = (
  bytes: Stream.Stream<Uint8Array, CommandFailure>,
  { fields, name, path, position }: {
    readonly name: string
    readonly path: string
    readonly fields: Fields
    readonly position: Position
  }
) =>
  Stream.suspend(() => {
    const lines = ByteLines.make({ maxLength: maxLineBytes })
    const format = ofPath(path)
    const reader = makeReader(format, fields, maxLineBytes)
    let number = 0
    let rows: Array<Row> = []
    let failure: string | undefined

    const onLine: ByteLines.OnLine = (buffer, start, end) => {
      number++
      if (failure !== undefined) return
      if (end - start > maxLineBytes) {
        rows.push({ _tag: "Unusable", description: `Line ${number} is longer than ${maxLineBytes / 2 ** 20} MB` })
        return
      }
      const text = decode(buffer.subarray(start, end), number)
      if (Result.isFailure(text)) {
        rows.push({ _tag: "Unusable", description: text.failure })
        return
      }
      // An empty line in a CSV may belong to a cell.
      if (format !== "csv" && text.success.trim() === "") return
      const read = reader.push(text.success, number)
      if (Result.isSuccess(read)) rows.push(...read.success)
      else failure = `${name} ${read.failure}`
    }
    const taken = (): Effect.Effect<ReadonlyArray<Row>, CommandFailure> => {
      if (failure !== undefined) return Effect.fail(usage(failure))
      const some = rows
      rows = []
      position.rows += some.length
      return Effect.succeed(some)
    }

    let isFirst = true
    const push = (chunk: Uint8Array): Effect.Effect<ReadonlyArray<Row>, CommandFailure> => {
      if (isFirst && chunk.includes(0)) {
        return Effect.fail(usage(`Cannot read ${name}: it is binary, or text that is not UTF-8`))
      }
      isFirst = false
      position.bytes += chunk.length
      lines.push(chunk, onLine)
      return taken()
    }

    const end = Effect.suspend(() => {
      const rest = lines.rest()
      if (rest.length > 0) onLine(rest, 0, rest.length, 0)
      rows.push(...reader.end())
      position.isAtEnd = true
      return taken()
    })

    return Stream.mapEffect(bytes, push).pipe(
      Stream.concat(Stream.fromEffect(end)),
      Stream.filter(Arr.isReadonlyArrayNonEmpty),
      Stream.flattenArray
    )
  })

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const decode = (bytes: Uint8Array, line: number): Result.Result<string, string> => {
  const text = Result.try(() => decoder.decode(bytes))
  return Result.isFailure(text)
    ? Result.fail(`Line ${line} is not valid UTF-8`)
    : Result.succeed(line === 1 && text.success.startsWith("\uFEFF") ? text.success.slice(1) : text.success)
}
