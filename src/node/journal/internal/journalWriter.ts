/**
 * Appends records to the journal's file: whatever has gathered while the last write was under way goes out in one. A
 * group that could not be written as a whole is cut off again, so that the file never holds a part of a record in the
 * middle.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as FileSystem from "effect/FileSystem"
import * as Latch from "effect/Latch"
import type { PlatformError } from "effect/PlatformError"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { JournalRecord } from "../../../batch/Journal.ts"
import type { JournalError } from "../../../batch/JournalError.ts"
import { errorStatus, type JournalIndex, okStatus } from "./journalIndex.ts"
import * as JournalLine from "./journalLine.ts"

export type Write = (key: string, record: JournalRecord) => Effect.Effect<void, JournalError>

export interface Options {
  readonly file: FileSystem.File
  readonly index: JournalIndex
  /** Of the file, in bytes. */
  readonly length: number
  readonly failure: (operation: string) => (error: PlatformError) => JournalError
}

interface Pending {
  readonly key: string
  readonly record: JournalRecord
  readonly resume: (exit: Exit.Exit<void, JournalError>) => void
}

const syncEveryRecords = 256
const syncEvery = "50 millis"

/** A disk that is full may have room again soon. Together about six seconds. */
const retries = Schedule.max([Schedule.exponential("200 millis"), Schedule.recurs(5)])

export const make = Effect.fnUntraced(function*(
  { failure, file, index, length }: Options
): Effect.fn.Return<Write, never, Scope.Scope> {
  const arrived = Latch.makeUnsafe(false)
  const unsynced = Latch.makeUnsafe(false)
  let pending: Array<Pending> = []
  let unsyncedCount = 0
  let isTorn = false
  /** What is on a disk that failed to sync is unknown, so nothing more is promised. */
  let lost: JournalError | undefined
  let hasFailed = false

  const append = Effect.fnUntraced(function*(bytes: Uint8Array) {
    if (isTorn) yield* file.truncate(length)
    isTorn = true
    yield* file.writeAll(bytes)
    isTorn = false
  }, Effect.uninterruptible)

  const sync = Effect.suspend(() => {
    unsyncedCount = 0
    unsynced.closeUnsafe()
    return Effect.tapError(file.sync, (error) =>
      Effect.sync(() => {
        lost = failure("synced to the disk")(error)
      }))
  })

  const intact = Effect.suspend(() => lost === undefined ? Effect.void : Effect.fail(lost))

  const writeGroup = Effect.fnUntraced(function*(group: ReadonlyArray<Pending>) {
    yield* intact
    const lines = group.map(({ key, record }) => JournalLine.format(key, record))
    const bytes = Buffer.from(lines.join(""))
    // Once retries were of no use, each item should not wait for its own.
    yield* Effect.mapError(hasFailed ? append(bytes) : Effect.retry(append(bytes), retries), failure("written"))
    for (const [i, { key, record }] of group.entries()) {
      const parsed = JournalLine.parseKey(key)
      const status = record.status === "ok" ? okStatus : errorStatus
      index.record(index.slotOf(parsed.key), { status, print: parsed.print, offset: length, index: record.index })
      length += Buffer.byteLength(lines[i]!)
    }
    unsyncedCount += group.length
    if (unsyncedCount >= syncEveryRecords) yield* Effect.ignore(sync)
    else unsynced.openUnsafe()
    yield* intact
  })

  const loop = Effect.gen(function*() {
    while (true) {
      yield* arrived.await
      arrived.closeUnsafe()
      const group = pending
      pending = []
      const exit = yield* Effect.exit(writeGroup(group))
      hasFailed = Exit.isFailure(exit)
      for (const { resume } of group) resume(exit)
    }
  })

  const syncing = Effect.gen(function*() {
    while (true) {
      yield* unsynced.await
      yield* Effect.sleep(syncEvery)
      yield* Effect.ignore(sync)
    }
  })

  yield* Effect.addFinalizer(() => Effect.ignore(sync))
  yield* Effect.forkScoped(syncing)
  yield* Effect.forkScoped(loop)

  return (key, record) =>
    Effect.callback((resume) => {
      pending.push({ key, record, resume })
      arrived.openUnsafe()
    })
})
