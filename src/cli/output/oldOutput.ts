/**
 * The lines of an existing output that its journal does not account for. The journal may have lost a record that the
 * output still has, to a damaged disk or to a power failure, so they are kept.
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as ByteLines from "../../internal/byteLines.ts"
import type { Accounted } from "./accounted.ts"
import type { Line } from "./lines.ts"

/** What every line of an output has. */
const OutputLine = Schema.fromJsonString(
  Schema.Struct({
    index: Schema.Natural,
    id: Schema.String,
    status: Schema.Literals(["ok", "error"])
  })
)

const decodeLine = Schema.decodeUnknownOption(OutputLine)
const decoder = new TextDecoder()

/** A longer line is not one of an output. */
const maxLineBytes = 128 * 1024 * 1024

/** The fields of a line, each of which a damaged line may have lost. */
const marks = [`"index":`, `"id":`, `"status":`, `"attempts":`, `"usage":`]

const fatal = new TextDecoder("utf-8", { fatal: true })

const isText = (bytes: Uint8Array): boolean => Result.isSuccess(Result.try(() => fatal.decode(bytes)))

/** Where a file lost content to a power failure, it may have zeros. No line of a text has any. */
const isDamaged = (text: string): boolean =>
  text.includes("\0") ||
  `{"index":`.startsWith(text.slice(0, 9)) || marks.filter((mark) => text.includes(mark)).length > 1

/** A line as it was, or nothing if the journal accounts for it, or if it was torn or damaged. */
const toKept = (bytes: Uint8Array, accounted: Accounted): Line | undefined => {
  const text = decoder.decode(bytes)
  const line = decodeLine(text)
  if (Option.isSome(line) && (!text.includes("\uFFFD") || isText(bytes))) {
    const { id, index, status } = line.value
    return accounted.has(id, index, text) ? undefined : { index, isError: status === "error", text: `${text}\n` }
  }
  // What someone has added by hand goes to the end.
  return text.trim() === "" || isDamaged(text)
    ? undefined
    : { index: Infinity, isError: false, text: `${text}\n` }
}

/** Reads the lines of the file, which may be absent. */
export const unaccounted = (
  path: string,
  accounted: Accounted
): Stream.Stream<Arr.NonEmptyArray<Line>, PlatformError, FileSystem.FileSystem> =>
  Stream.unwrap(Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const found = yield* Effect.option(fs.stat(path))
    if (Option.isNone(found) || found.value.type !== "File") return Stream.empty
    const lines = ByteLines.make({ maxLength: maxLineBytes })
    return fs.stream(path, { chunkSize: 1024 * 1024 }).pipe(
      Stream.map((chunk) => {
        const kept: Array<Line> = []
        lines.push(chunk, (bytes, start, end) => {
          const line = toKept(bytes.subarray(start, end), accounted)
          if (line !== undefined) kept.push(line)
        })
        return kept
      }),
      // The last line of a process that was killed while it wrote has no newline.
      Stream.concat(Stream.sync(() => {
        const line = toKept(lines.rest(), accounted)
        return line === undefined ? [] : [line]
      })),
      Stream.filter(Arr.isArrayNonEmpty)
    )
  }))
