/** A journal over a file system. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Crypto from "node:crypto"
import * as NodePath from "node:path"
import { type Claim, Journal, type JournalItem, type Note, type StoredRecord } from "../../../batch/Journal.ts"
import { JournalError, Locked } from "../../../batch/JournalError.ts"
import * as Exclusive from "../../../internal/exclusive.ts"
import * as JournalIndex from "../../../internal/journalIndex.ts"
import { fileFailure } from "./fileFailure.ts"
import { inspect, notAJournal } from "./inspect.ts"
import * as JournalLine from "./journalLine.ts"
import * as JournalWriter from "./journalWriter.ts"
import * as LockFile from "./lockFile.ts"
import * as Scan from "./scan.ts"

/** Notes have no content that a claim could be compared with. */
const noPrint = "0".repeat(16)

/** Answers may be confidential. */
const privateFile = 0o600

export const make = Effect.fnUntraced(function*(
  path: string
): Effect.fn.Return<Journal["Service"], JournalError, FileSystem.FileSystem | Scope.Scope> {
  const failure = fileFailure(path)
  const run = Exclusive.make(() =>
    new JournalError({ reason: new Locked({ path, holder: "another run of this process" }) })
  )
  // Before there is a lock file beside something that is not a journal.
  yield* inspect(path)
  yield* LockFile.acquire(path)
  const { file, size } = yield* open(path)
  const { damaged, index, length } = yield* Effect.mapError(Scan.scan(file, size), failure("read"))
  if (damaged > 0) {
    yield* Effect.logWarning(`${damaged} lines of ${path} are damaged. The items of these records run again`)
  }
  const writer = yield* JournalWriter.make({ file, index, length, failure })
  const claims = makeClaims(index)

  const offsetOf = ({ key }: Claim): number => index.offsetAt(index.slotOf(JournalLine.parseKey(key).key))

  const toStored = (bytes: Uint8Array, start: number, end: number, offset: number): StoredRecord | undefined => {
    const prefix = JournalLine.parsePrefix(bytes, start, end)
    if (prefix === undefined || prefix.status === JournalIndex.noteStatus) return undefined
    const slot = index.slotOf(prefix.key)
    if (index.offsetAt(slot) !== offset || index.isStale(slot)) return undefined
    const record = Scan.decodeRecord(bytes.subarray(start, end))
    if (Option.isNone(record)) return undefined
    return { record: record.value, claimedAs: index.isClaimed(slot) ? index.indexAt(slot) : undefined }
  }

  const toNote = (bytes: Uint8Array, start: number, end: number, offset: number): Note | undefined => {
    const prefix = JournalLine.parsePrefix(bytes, start, end)
    if (prefix?.status !== JournalIndex.noteStatus || index.offsetAt(index.slotOf(prefix.key)) !== offset) {
      return undefined
    }
    const note = Option.getOrUndefined(Scan.decodeNote(bytes.subarray(start, end)))
    return note?.value === null ? undefined : note
  }

  return Journal.of({
    begin: run.pipe(
      Effect.tap(() => writer.reserve),
      Effect.tap(() => claims.clear)
    ),
    claim: claims.claim,
    commit: ({ key }, record) => Effect.suspend(() => writer.write(key, record)),
    read: (claim) =>
      Effect.suspend(() => Scan.readRecord(file, offsetOf(claim))).pipe(Effect.mapError(failure("read"))),
    records: Stream.mapError(Scan.mapLines(file, toStored), failure("read")),
    note: (name, value) =>
      Effect.suspend(() => writer.writeNote(sha256(`note ${name}`).slice(0, 24) + noPrint, { name, value })),
    notes: Stream.mapError(Scan.mapLines(file, toNote), failure("read"))
  })
})

/** Opens the file, which is created if it does not exist. */
const open = Effect.fnUntraced(function*(
  path: string
): Effect.fn.Return<
  { readonly file: FileSystem.File; readonly size: number },
  JournalError,
  FileSystem.FileSystem | Scope.Scope
> {
  const fs = yield* FileSystem.FileSystem
  const failure = fileFailure(path)
  const { size, status } = yield* inspect(path)
  if (status === "otherVersion") {
    return yield* notAJournal(path, "it was written by another version of effect-instructor")
  }
  if (status === "empty") yield* Effect.mapError(Effect.scoped(create(path)), failure("written"))
  const file = yield* Effect.mapError(fs.open(path, { flag: "r+" }), failure("opened"))
  return { file, size }
})

/** The first line is on the disk before any record is written. */
const create = Effect.fnUntraced(function*(
  path: string
): Effect.fn.Return<void, PlatformError, FileSystem.FileSystem | Scope.Scope> {
  const fs = yield* FileSystem.FileSystem
  const file = yield* fs.open(path, { flag: "w", mode: privateFile })
  yield* file.writeAll(Buffer.from(JournalLine.header))
  yield* file.sync
  // The entry of a new file in its directory has to be synced as well, on systems where that is possible.
  yield* fs.open(NodePath.dirname(path), { flag: "r" }).pipe(
    Effect.flatMap((directory) => directory.sync),
    Effect.ignore
  )
})

interface Claims {
  readonly clear: Effect.Effect<void>
  readonly claim: Journal["Service"]["claim"]
}

const makeClaims = (index: JournalIndex.JournalIndex): Claims => {
  /** The number of claims with equal content, where there are several. */
  const occurrences = new Map<string, number>()

  const claimKey = (text: string, at: number): Claim => {
    const { key, print } = JournalLine.parseKey(text)
    const slot = index.slotOf(key)
    if (index.isClaimed(slot)) return { index: at, key: text, status: "duplicate" }
    const status = index.statusAt(slot)
    const isKnown = status !== JournalIndex.noStatus && index.printAt(slot) === print
    index.claim(slot, at, !isKnown)
    return { index: at, key: text, status: isKnown ? status === JournalIndex.okStatus ? "ok" : "error" : "new" }
  }

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

  return {
    claim: (items) => Effect.sync(() => items.map(claim)),
    clear: Effect.sync(() => {
      index.unclaimAll()
      occurrences.clear()
    })
  }
}

const sha256 = (text: string): string => Crypto.hash("sha256", text, "hex")
