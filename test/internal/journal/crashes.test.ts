import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, FileSystem, References, Schema, Scope, Stream } from "effect"
import { type Journal, Usage } from "effect-instructor"
import { TestClock } from "effect/testing"
import * as JournalFile from "../../../src/node/journal/internal/journalFile.ts"
import * as CrashFileSystem from "../../support/crashFileSystem.ts"

const path = "/batch.journal"

const record = (index: number, revision = 0): Journal.JournalRecord => ({
  index,
  id: null,
  status: "ok",
  answer: { text: `answer ${index} of revision ${revision} ${"x".repeat(index * 7 % 60)}` },
  attempts: 1,
  usage: Usage.zero,
  latencyMillis: 1
})

const itemOf = (index: number): Journal.JournalItem => ({ index, id: `${index}`, content: `content ${index}` })

const quietly = Effect.provideService(References.MinimumLogLevel, "None")

const open = (fileSystem: FileSystem.FileSystem) =>
  JournalFile.make(path).pipe(Effect.provideService(FileSystem.FileSystem, fileSystem), quietly)

/** A commit that ended, and the number of operations by then. */
interface Committed {
  readonly index: number
  readonly revision: number
  readonly at: number
}

interface Recorded {
  readonly initial: CrashFileSystem.Files
  readonly history: ReadonlyArray<CrashFileSystem.Operation>
  readonly committed: ReadonlyArray<Committed>
}

interface Step {
  /** The number of items that are committed at once. */
  readonly size: number
  readonly millis: number
}

/** Runs a journal over some files, and records what it does. */
const runJournal = Effect.fnUntraced(function*(
  initial: CrashFileSystem.Files,
  steps: ReadonlyArray<Step>,
  revision: number,
  /** Fills the disk once the run has begun. */
  room?: (bytes: Uint8Array) => number | undefined
) {
  let hasBegun = false
  const crashing = CrashFileSystem.make(initial, { room: (bytes) => hasBegun ? room?.(bytes) : undefined })
  const committed: Array<Committed> = []
  const scope = yield* Scope.make()
  const journal = yield* open(crashing.fileSystem).pipe(Scope.provide(scope))
  yield* journal.begin.pipe(Scope.provide(scope))
  hasBegun = true
  let next = 0
  for (const { millis, size } of steps) {
    const items = Array.from({ length: size }, () => itemOf(next++))
    const claims = yield* journal.claim(items)
    const commits = yield* Effect.forkChild(
      Effect.forEach(
        claims,
        (claim) =>
          Effect.map(Effect.exit(journal.commit(claim, record(claim.index, revision))), (exit) => {
            if (Exit.isSuccess(exit)) {
              committed.push({ index: claim.index, revision, at: crashing.history.length })
            }
          }),
        { concurrency: "unbounded" }
      )
    )
    for (let i = 0; i < 50; i++) yield* Effect.yieldNow
    // Only the retries of a full disk take time.
    while (commits.pollUnsafe() === undefined) yield* TestClock.adjust("100 millis")
    yield* TestClock.adjust(millis)
  }
  yield* Scope.close(scope, Exit.void)
  return { initial, history: [...crashing.history], committed } satisfies Recorded
})

/** The answers of all records in a file, by item. */
const answersIn = Effect.fnUntraced(function*(files: CrashFileSystem.Files) {
  const unlocked = new Map(files)
  unlocked.delete(`${path}.lock`)
  const journal = yield* open(CrashFileSystem.make(unlocked).fileSystem)
  const records = yield* Stream.runCollect(journal.records)
  return new Map(records.map(({ record }) => [record.index, (record.answer as { readonly text: string }).text]))
}, Effect.scoped)

const textOf = (index: number, revision: number): string =>
  (record(index, revision).answer as { readonly text: string }).text

/** Every record is one that was committed, and the expected ones are there. */
const check = Effect.fnUntraced(function*(
  files: CrashFileSystem.Files,
  expected: ReadonlyArray<Committed>,
  revisions: number,
  state: string
) {
  const answers = yield* answersIn(files)
  for (const [index, text] of answers) {
    const possible = Array.from({ length: revisions }, (_, revision) => textOf(index, revision))
    assert.include(possible, text, state)
  }
  for (const { index, revision } of expected) {
    const newer = Array.from({ length: revisions - revision }, (_, i) => textOf(index, revision + i))
    assert.include(newer, answers.get(index), `${state}: item ${index} is lost`)
  }
})

const journalOnly = (history: ReadonlyArray<CrashFileSystem.Operation>) =>
  history.map((operation, index) => ({ operation, index })).filter(({ operation }) => operation.path === path)

/** The sync before a point in the history. */
const lastSyncBefore = (history: ReadonlyArray<CrashFileSystem.Operation>, count: number): number =>
  history.slice(0, count).findLastIndex(({ _tag, path: at }) => _tag === "Sync" && at === path)

const steps: ReadonlyArray<Step> = [
  { size: 1, millis: 0 },
  { size: 2, millis: 60 },
  { size: 1, millis: 10 },
  { size: 2, millis: 0 },
  { size: 1, millis: 0 }
]

describe("crashes of a journal", () => {
  it.effect("keep every committed record when the process ends between any two operations", () =>
    Effect.gen(function*() {
      const { committed, history, initial } = yield* runJournal(new Map(), steps, 0)
      assert.strictEqual(committed.length, 7)
      for (let count = 0; count <= history.length; count++) {
        const files = CrashFileSystem.afterCrash(initial, history, count)
        yield* check(files, committed.filter(({ at }) => at <= count), 1, `crash after ${count} operations`)
      }
    }))

  it.effect("keep every committed record when the process ends inside any write", () =>
    Effect.gen(function*() {
      const { committed, history, initial } = yield* runJournal(new Map(), steps, 0)
      for (const [count, operation] of history.entries()) {
        if (operation._tag !== "Write" || operation.path !== path) continue
        // The room that is reserved for later records consists of spaces.
        const length = operation.bytes[0] === 32 ? 20 : operation.bytes.length
        for (let written = 0; written < length; written++) {
          const files = new Map(CrashFileSystem.afterCrash(initial, history, count))
          CrashFileSystem.apply(files, { ...operation, bytes: operation.bytes.subarray(0, written) })
          yield* check(
            files,
            committed.filter(({ at }) => at <= count),
            1,
            `crash in operation ${count} after ${written} bytes`
          )
        }
      }
    }), 60_000)

  it.effect(
    "keep every synced record when any subset of the later operations survives a power failure",
    () =>
      Effect.gen(function*() {
        const unsynced = [1, 2, 1, 3, 1, 1].map((size) => ({ size, millis: 0 }))
        const { committed, history } = yield* runJournal(new Map(), unsynced, 0)
        const own = journalOnly(history)
        let states = 0
        for (let count = 1; count <= own.length; count++) {
          const until = own[count - 1]!.index + 1
          const sync = lastSyncBefore(history, until)
          const expected = committed.filter(({ at }) => at <= sync)
          const seen = own.slice(0, count).map(({ operation }) => operation)
          const later = seen.length - 1 - seen.findLastIndex(({ _tag }) => _tag === "Sync")
          for (let subset = 0; subset < 2 ** later; subset++) {
            const content = CrashFileSystem.afterPowerFailure(undefined, seen, {
              keep: (index) => (subset >> index - (seen.length - later) & 1) === 1,
              blocks: () => undefined,
              blockSize: 1
            })
            states++
            const files = new Map(content === undefined ? [] : [[path, content] as const])
            yield* check(files, expected, 1, `power failure after ${count} operations, subset ${subset}`)
          }
        }
        assert.isAbove(states, 200)
      }),
    60_000
  )

  const Failure = Schema.Struct({
    seed: Schema.Int,
    steps: Schema.NonEmptyArray(Schema.Struct({
      size: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 6 })),
      millis: Schema.Literals([0, 10, 60])
    })).check(Schema.isMaxLength(5)),
    /** The first line is shorter than a sector of a disk, so it is not divided. */
    blockSize: Schema.Literals([64, 100, 512]),
    isFull: Schema.Boolean
  })

  it.effect.prop(
    "keep every synced record through power failures that leave any blocks of the later writes, one after another",
    [Failure],
    ([{ blockSize, isFull, seed, steps }]) => {
      let random = Math.abs(seed) % 2 ** 31
      const next = () => (random = (random * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31
      return Effect.gen(function*() {
        let files: CrashFileSystem.Files = new Map()
        const expected: Array<Committed> = []
        for (let revision = 0; revision < 4; revision++) {
          const room = (bytes: Uint8Array) => isFull && next() < 0.3 ? Math.floor(next() * bytes.length) : undefined
          const { committed, history } = yield* runJournal(files, steps, revision, room)
          const own = journalOnly(history)
          const count = 1 + Math.floor(next() * own.length)
          const until = own[count - 1]!.index + 1
          const sync = lastSyncBefore(history, until)
          const initial = files.get(path)
          const content = CrashFileSystem.afterPowerFailure(
            initial,
            own.slice(0, count).map(({ operation }) => operation),
            { keep: () => next() < 0.7, blocks: () => () => next() < 0.7, blockSize }
          )
          expected.push(...committed.filter(({ at }) => at <= sync))
          files = new Map(content === undefined ? [] : [[path, content] as const])
          yield* check(files, expected, revision + 1, `revision ${revision}`)
        }
      })
    },
    { arbitrary: { runs: 60 }, timeout: 120_000 }
  )
})
