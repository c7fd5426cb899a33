/** Reads the lines of a journal file. */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { JournalRecord, Note } from "../../../batch/Journal.ts"
import * as ByteLines from "../../../internal/byteLines.ts"
import * as JournalIndex from "../../../internal/journalIndex.ts"
import { parsePrefix } from "./journalLine.ts"

const readSize = 1024 * 1024

export interface Scanned {
  readonly index: JournalIndex.JournalIndex
  /** The length of all whole lines in bytes. */
  readonly length: number
  /** The number of lines that are not records, or whose checksum is wrong. */
  readonly damaged: number
}

/** Finds the last record of each item. */
export const scan = Effect.fnUntraced(function*(
  file: FileSystem.File,
  size: number
): Effect.fn.Return<Scanned, PlatformError> {
  const lines = ByteLines.make()
  let index: JournalIndex.JournalIndex | undefined
  let damaged = 0
  const onLine: ByteLines.OnLine = (bytes, start, end, offset) => {
    if (offset === 0) return
    const prefix = parsePrefix(bytes, start, end)
    if (prefix === undefined) damaged++
    else index!.record(index!.slotOf(prefix.key), { ...prefix, offset })
  }
  yield* Stream.runForEach(chunks(file), (chunk) =>
    Effect.sync(() => {
      // The first lines tell the approximate number of records, so that the index need not grow.
      index ??= JournalIndex.make(size / chunk.length * countLines(chunk))
      lines.push(chunk, onLine)
    }))
  return { index: index ?? JournalIndex.make(0), length: lines.restOffset(), damaged }
})

const countLines = (bytes: Uint8Array): number => {
  let count = 0
  for (let at = bytes.indexOf(10); at !== -1; at = bytes.indexOf(10, at + 1)) count++
  return count
}

// Through the open file: at the end of a run, another open file may be one too many.
const chunks = (file: FileSystem.File): Stream.Stream<Uint8Array, PlatformError> =>
  Stream.unfold(
    0,
    (position) =>
      Effect.map(file.readAlloc(readSize, { position: BigInt(position) }), (chunk) =>
        Option.isNone(chunk) ? undefined : [chunk.value, position + chunk.value.length] as const)
  )

const decodeJson = Schema.decodeUnknownOption(Schema.fromJsonString(JournalRecord))
const decoder = new TextDecoder()

const decodeNoteJson = Schema.decodeUnknownOption(Schema.fromJsonString(Note))

/** The note in a line with the right checksum. */
export const decodeNote = (line: Uint8Array): Option.Option<Note> => decodeNoteJson(decoder.decode(line))

/** The record in a line with the right checksum. */
export const decodeRecord = (line: Uint8Array): Option.Option<JournalRecord> => decodeJson(decoder.decode(line))

/** The record at an offset, whatever its length. Nothing if its line is damaged. */
export const readRecord = Effect.fnUntraced(function*(
  file: FileSystem.File,
  offset: number
): Effect.fn.Return<Option.Option<JournalRecord>, PlatformError> {
  for (let size = 4096;; size *= 8) {
    const buffer = new Uint8Array(size)
    let count = 0
    let read = 0
    do {
      read = yield* file.read(buffer.subarray(count), { position: BigInt(offset + count) })
      count += read
    } while (read > 0 && count < size)
    const end = buffer.subarray(0, count).indexOf(10)
    if (end === -1 && count === size) continue
    return parsePrefix(buffer, 0, Math.max(0, end)) === undefined
      ? Option.none()
      : decodeRecord(buffer.subarray(0, end))
  }
})

/** The results of a function of all lines, without those that are `undefined`. */
export const mapLines = <A>(
  file: FileSystem.File,
  f: (bytes: Uint8Array, start: number, end: number, offset: number) => A | undefined
): Stream.Stream<A, PlatformError> =>
  Stream.suspend(() => {
    const lines = ByteLines.make()
    const mapChunk = (chunk: Uint8Array): Array<A> => {
      const values: Array<A> = []
      lines.push(chunk, (bytes, start, end, offset) => {
        const value = f(bytes, start, end, offset)
        if (value !== undefined) values.push(value)
      })
      return values
    }
    return chunks(file).pipe(
      Stream.map(mapChunk),
      Stream.filter(Arr.isArrayNonEmpty),
      Stream.flattenArray
    )
  })
