/**
 * Writes records to the journal file. Records that arrive during a write are written together by the next one.
 *
 * Behind the last record, the file always has some room that is already allocated. A disk that is full is noticed when
 * this room cannot be extended, while there is still place for the answers of the requests in flight. The room is filled
 * with spaces. They are cut off when the journal is closed, and overwritten when it was not.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as FileSystem from "effect/FileSystem"
import * as Latch from "effect/Latch"
import type { PlatformError } from "effect/PlatformError"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { JournalRecord, Note } from "../../../batch/Journal.ts"
import { InvalidRecord, JournalError } from "../../../batch/JournalError.ts"
import { errorStatus, type JournalIndex, noteStatus, okStatus } from "../../../internal/journalIndex.ts"
import * as JournalLine from "./journalLine.ts"

export interface JournalWriter {
  /** Makes sure that the disk takes records. */
  readonly reserve: Effect.Effect<void, JournalError>
  readonly write: (key: string, record: JournalRecord) => Effect.Effect<void, JournalError>
  readonly writeNote: (key: string, note: Note) => Effect.Effect<void, JournalError>
}

export interface Options {
  /** Open for reading and writing, not for appending. */
  readonly file: FileSystem.File
  readonly index: JournalIndex
  /** The length of the records in bytes. */
  readonly length: number
  readonly failure: (operation: string) => (error: PlatformError) => JournalError
}

interface Pending {
  readonly key: string
  readonly status: number
  readonly index: number
  readonly line: string
  readonly resume: (exit: Exit.Exit<void, JournalError>) => void
}

const syncEveryRecords = 256
const syncEvery = "50 millis"

/** The room behind the last record, at least. It is extended by as much again. */
const reserveSize = 16 * 1024
const space = " ".charCodeAt(0)
const newline = "\n".charCodeAt(0)

/** A full disk may have room again soon. Together about six seconds. */
const retries = Schedule.max([Schedule.exponential("200 millis"), Schedule.recurs(5)])

export const make = Effect.fnUntraced(function*(options: Options): Effect.fn.Return<JournalWriter, never, Scope.Scope> {
  const { failure, file, index } = options
  const clock = yield* Clock.Clock
  const arrived = Latch.makeUnsafe(false)
  let pending: Array<Pending> = []
  let hasFailed = false
  const tail = makeTail(file, options.length)
  // The file has one position, which a write sets before it uses it.
  const oneAtATime = Semaphore.makeUnsafe(1)
  const syncing = yield* makeSyncing(file, failure("synced to the disk"))

  // After retries have failed once, the other items do not wait for theirs.
  const retried = (operation: Effect.Effect<void, PlatformError>): Effect.Effect<void, JournalError> =>
    Effect.mapError(hasFailed ? operation : Effect.retry(operation, retries), failure("written"))

  const writeGroup = Effect.fnUntraced(function*(group: ReadonlyArray<Pending>) {
    yield* syncing.intact
    const offset = tail.length()
    const bytes = Buffer.from(group.map(({ line }) => line).join(""))
    const ends = seal(bytes)
    yield* retried(tail.append(bytes))
    for (const [i, entry] of group.entries()) {
      const parsed = JournalLine.parseKey(entry.key)
      index.record(index.slotOf(parsed.key), {
        status: entry.status,
        print: parsed.print,
        offset: offset + (i === 0 ? 0 : ends[i - 1]!),
        index: entry.index
      })
    }
    yield* syncing.wrote(group.length)
    yield* retried(tail.reserve)
    yield* syncing.intact
  })

  const loop = Effect.gen(function*() {
    while (true) {
      yield* arrived.await
      arrived.closeUnsafe()
      const group = pending
      pending = []
      const exit = yield* Effect.exit(oneAtATime.withPermit(writeGroup(group)))
      hasFailed = Exit.isFailure(exit)
      for (const { resume } of group) resume(exit)
    }
  })

  const append = (
    key: string,
    status: number,
    index: number,
    line: Result.Result<string, string>
  ): Effect.Effect<void, JournalError> =>
    Result.isSuccess(line)
      ? Effect.callback((resume) => {
        pending.push({ key, status, index, line: line.success, resume })
        arrived.openUnsafe()
      })
      : Effect.fail(new JournalError({ reason: new InvalidRecord({ index, description: line.failure }) }))

  yield* Effect.addFinalizer(() => Effect.ignore(Effect.andThen(tail.cut, file.sync)))
  yield* Effect.forkScoped(loop)

  return {
    reserve: oneAtATime.withPermit(
      Effect.mapError(Effect.andThen(tail.reserve, file.sync), failure("written"))
    ),
    write: (key, record) =>
      append(
        key,
        record.status === "ok" ? okStatus : errorStatus,
        record.index,
        JournalLine.format(key, record, clock.currentTimeMillisUnsafe())
      ),
    writeNote: (key, note) => append(key, noteStatus, 0, JournalLine.formatNote(key, note))
  }
})

/** Adds the checksums of all lines, and returns where each line ends. */
const seal = (bytes: Uint8Array): ReadonlyArray<number> => {
  const ends: Array<number> = []
  let start = 0
  for (let end = bytes.indexOf(newline); end !== -1; end = bytes.indexOf(newline, start)) {
    JournalLine.seal(bytes, start, end)
    start = end + 1
    ends.push(start)
  }
  return ends
}

interface Tail {
  /** The length of the records in bytes. */
  readonly length: () => number
  /** Writes lines behind the records. Until it succeeds, the next call writes to the same place. */
  readonly append: (lines: Uint8Array) => Effect.Effect<void, PlatformError>
  readonly reserve: Effect.Effect<void, PlatformError>
  readonly cut: Effect.Effect<void, PlatformError>
}

const makeTail = (file: FileSystem.File, start: number): Tail => {
  let length = start
  /** The end of the reserved room. */
  let allocated = start

  const writeAt = (offset: number, bytes: Uint8Array): Effect.Effect<void, PlatformError> =>
    Effect.andThen(file.seek(BigInt(offset), "start"), file.writeAll(bytes))

  const append = (lines: Uint8Array): Effect.Effect<void, PlatformError> =>
    Effect.suspend(() => writeAt(length, lines)).pipe(
      Effect.tap(() => {
        length += lines.length
        allocated = Math.max(allocated, length)
        return Effect.void
      }),
      Effect.uninterruptible
    )

  const reserve = Effect.suspend(() => {
    const missing = length + reserveSize - allocated
    if (missing <= 0) return Effect.void
    const room = new Uint8Array(missing + reserveSize).fill(space)
    return Effect.tap(writeAt(allocated, room), () => {
      allocated += room.length
      return Effect.void
    })
  })

  return {
    length: () => length,
    append,
    reserve: Effect.uninterruptible(reserve),
    cut: Effect.suspend(() => file.truncate(length))
  }
}

interface Syncing {
  readonly wrote: (records: number) => Effect.Effect<void>
  /** Fails after a failed sync: which records reached the disk is unknown, so nothing more is promised. */
  readonly intact: Effect.Effect<void, JournalError>
}

/** Syncs the file after every 256 records, and 50 ms after the first one that is not synced. */
const makeSyncing = Effect.fnUntraced(function*(
  file: FileSystem.File,
  failure: (error: PlatformError) => JournalError
): Effect.fn.Return<Syncing, never, Scope.Scope> {
  const unsynced = Latch.makeUnsafe(false)
  let count = 0
  let lost: JournalError | undefined

  const sync = Effect.suspend(() => {
    count = 0
    unsynced.closeUnsafe()
    return Effect.match(file.sync, {
      onSuccess: () => {},
      onFailure: (error) => {
        lost = failure(error)
      }
    })
  })

  yield* Effect.forkScoped(
    Effect.forever(Effect.andThen(Effect.andThen(unsynced.await, Effect.sleep(syncEvery)), sync))
  )

  return {
    wrote: (records) =>
      Effect.suspend(() => {
        count += records
        if (count >= syncEveryRecords) return sync
        unsynced.openUnsafe()
        return Effect.void
      }),
    intact: Effect.suspend(() => lost === undefined ? Effect.void : Effect.fail(lost))
  }
})
