/**
 * A journal in a file: a line of JSON for each record, only ever appended to.
 *
 * A record survives `kill -9` of the process from the moment its item leaves the batch. It survives the end of the
 * machine's power once it is synced to the disk, which is at most 50 ms or 256 records later. A torn last line, and a
 * line that something else has spoiled, count as never written.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Crypto from "node:crypto"
import * as RunLock from "../../batch/internal/runLock.ts"
import { type Claim, Journal, type JournalItem, JournalRecord } from "../../batch/Journal.ts"
import { FileFailure, JournalError, NotAJournal } from "../../batch/JournalError.ts"
import * as ByteLines from "../../internal/byteLines.ts"
import * as FileProblem from "./internal/fileProblem.ts"
import * as JournalIndex from "./internal/journalIndex.ts"
import * as JournalLine from "./internal/journalLine.ts"
import * as JournalWriter from "./internal/journalWriter.ts"
import * as LockFile from "./internal/lockFile.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The file. It is made if it is not there; its directory must be. */
  readonly path: string
}

const readSize = 1024 * 1024

/**
 * Opens the journal, which no other process can open until the layer is released.
 *
 * **Example** (A batch that survives the end of its process)
 *
 * ```ts
 * import { NodeServices } from "@effect/platform-node"
 * import { Effect, Layer, Schema, Stream } from "effect"
 * import { Batch } from "effect-instructor"
 * import { NodeJournal } from "effect-instructor/node"
 * import { OpenAi } from "effect-instructor/openai"
 *
 * const Person = Schema.Struct({ name: Schema.String })
 *
 * export const program = Batch.resumable(Person, ["I am Ada", "I am Alan"]).pipe(
 *   Stream.runForEach((item) => Effect.log(item)),
 *   Effect.provide([
 *     OpenAi.layerConfig(),
 *     NodeJournal.layer({ path: "people.journal" }).pipe(Layer.provide(NodeServices.layer))
 *   ])
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<Journal, JournalError, FileSystem.FileSystem> =>
  Layer.effect(Journal, make(options))

const make = Effect.fnUntraced(function*(
  { path }: Options
): Effect.fn.Return<Journal["Service"], JournalError, FileSystem.FileSystem | Scope.Scope> {
  const fs = yield* FileSystem.FileSystem
  const runLock = RunLock.make(path)
  const failure = fileFailure(path)

  yield* LockFile.acquire(path)
  const { index, length, unreadable } = yield* open(path, fs)
  if (unreadable > 0) {
    yield* Effect.logWarning(
      `${unreadable} lines of ${path} are no records of a journal. They are passed over, and their items done again`
    )
  }
  const file = yield* Effect.mapError(fs.open(path, { flag: "a+" }), failure("opened"))
  const write = yield* JournalWriter.make({ file, index, length, failure })
  /** How many claims of equal content, where there is more than one. */
  const occurrences = new Map<string, number>()

  const claim = (item: JournalItem): Claim => {
    const content = sha256(item.content)
    const print = content.slice(-16)
    if (item.id !== undefined) return claimKey(sha256(`id ${item.id}`).slice(0, 24) + print, item.index)
    const first = claimKey(content.slice(0, 24) + print, item.index)
    if (first.status !== "duplicate") return first
    const count = (occurrences.get(first.key) ?? 1) + 1
    occurrences.set(first.key, count)
    return claimKey(sha256(`${count} ${content}`).slice(0, 24) + print, item.index)
  }

  const claimKey = (text: string, at: number): Claim => {
    const { key, print } = JournalLine.parseKey(text)
    const slot = index.slotOf(key)
    if (index.isClaimed(slot)) return { index: at, key: text, status: "duplicate" }
    const status = index.statusAt(slot)
    const known = status !== JournalIndex.noStatus && index.printAt(slot) === print
    index.claim(slot, at, !known)
    return { index: at, key: text, status: known ? status === JournalIndex.okStatus ? "ok" : "error" : "new" }
  }

  return Journal.of({
    begin: Effect.tap(runLock, () =>
      Effect.sync(() => {
        index.unclaimAll()
        occurrences.clear()
      })),
    claim: (items) => Effect.sync(() => items.map(claim)),
    commit: ({ key }, record) => write(key, record),
    read: ({ key }) =>
      Effect.suspend(() => readLine(file, index.offsetAt(index.slotOf(JournalLine.parseKey(key).key)))).pipe(
        Effect.map(decodeRecord),
        Effect.mapError(failure("read"))
      ),
    records: Stream.mapError(
      readLines(fs, path, (bytes, start, end, offset) => {
        const prefix = JournalLine.parsePrefix(bytes, start, end)
        if (prefix === undefined) return undefined
        const slot = index.slotOf(prefix.key)
        if (index.offsetAt(slot) !== offset || index.isStale(slot)) return undefined
        const record = decodeRecord(bytes.subarray(start, end))
        if (Option.isNone(record)) return undefined
        return { record: record.value, claimedAs: index.isClaimed(slot) ? index.indexAt(slot) : undefined }
      }),
      failure("read")
    )
  })
})

const fileFailure = (path: string) => (operation: string) => (error: PlatformError): JournalError =>
  new JournalError({ reason: new FileFailure({ path, operation, description: FileProblem.describe(error) }) })

const sha256 = (text: string): string => Crypto.hash("sha256", text, "hex")

const decodeLine = Schema.decodeUnknownOption(Schema.fromJsonString(JournalRecord))
const decoder = new TextDecoder()

/** Nothing, if something has spoiled it. */
const decodeRecord = (line: Uint8Array): Option.Option<JournalRecord> => decodeLine(decoder.decode(line))

interface Opened {
  readonly index: JournalIndex.JournalIndex
  /** Of the file, in bytes, a torn last line not counted. */
  readonly length: number
  readonly unreadable: number
}

/** Reads where each record is, and cuts a torn last line off. */
const open = Effect.fnUntraced(function*(
  path: string,
  fs: FileSystem.FileSystem
): Effect.fn.Return<Opened, JournalError, Scope.Scope> {
  const failure = fileFailure(path)
  const size = yield* fs.stat(path).pipe(
    Effect.map((info) => Number(info.size)),
    Effect.catchIf((error) => error.reason._tag === "NotFound", () => Effect.succeed(0)),
    Effect.mapError(failure("opened"))
  )
  const { header } = JournalLine
  const head = size === 0 ? "" : yield* Effect.mapError(
    Stream.mkString(Stream.decodeText(fs.stream(path, { bytesToRead: header.length }))),
    failure("read")
  )
  // One that was killed as it wrote the very first line has left a part of it.
  const isNew = head !== header && header.startsWith(head)
  if (isNew) {
    yield* Effect.mapError(fs.writeFileString(path, header), failure("written"))
    return { index: JournalIndex.make(0), length: header.length, unreadable: 0 }
  }
  if (head !== header) {
    const description = `it begins with ${JSON.stringify(head)}`
    return yield* new JournalError({ reason: new NotAJournal({ path, description }) })
  }
  const lines = ByteLines.make()
  let index = JournalIndex.make(0)
  let isFirstChunk = true
  let unreadable = 0
  const onLine: ByteLines.OnLine = (bytes, start, end, offset) => {
    if (offset === 0) return
    const prefix = JournalLine.parsePrefix(bytes, start, end)
    if (prefix === undefined) unreadable++
    else index.record(index.slotOf(prefix.key), { ...prefix, offset })
  }
  yield* Stream.runForEach(
    fs.stream(path, { chunkSize: readSize }),
    (chunk) =>
      Effect.sync(() => {
        // The first of them tell how many records there are, more or less, so that the index need not grow.
        if (isFirstChunk) index = JournalIndex.make(size / chunk.length * countLines(chunk))
        isFirstChunk = false
        lines.push(chunk, onLine)
      })
  ).pipe(Effect.mapError(failure("read")))
  const length = lines.restOffset()
  if (length < size) yield* Effect.mapError(fs.truncate(path, length), failure("written"))
  return { index, length, unreadable }
})

const countLines = (bytes: Uint8Array): number => {
  let count = 0
  for (let at = bytes.indexOf(10); at !== -1; at = bytes.indexOf(10, at + 1)) count++
  return count
}

/** The line at an offset, whatever its length. */
const readLine = (
  file: FileSystem.File,
  offset: number
): Effect.Effect<Uint8Array, PlatformError> =>
  Effect.gen(function*() {
    for (let size = 4096;; size *= 8) {
      const buffer = new Uint8Array(size)
      const count = yield* file.read(buffer, { position: BigInt(offset) })
      const end = buffer.subarray(0, count).indexOf(10)
      if (end !== -1 || count < size) return buffer.subarray(0, Math.max(0, end))
    }
  })

const readLines = <A>(
  fs: FileSystem.FileSystem,
  path: string,
  f: (bytes: Uint8Array, start: number, end: number, offset: number) => A | undefined
): Stream.Stream<A, PlatformError> =>
  Stream.suspend(() => {
    const lines = ByteLines.make()
    return fs.stream(path, { chunkSize: readSize }).pipe(
      Stream.map((chunk) => {
        const values: Array<A> = []
        lines.push(chunk, (bytes, start, end, offset) => {
          const value = f(bytes, start, end, offset)
          if (value !== undefined) values.push(value)
        })
        return values
      }),
      Stream.filter(Arr.isArrayNonEmpty),
      Stream.flattenArray
    )
  })
