import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, References, Schema, Stream } from "effect"
import { type Journal, Usage } from "effect-instructor"
import * as JournalFile from "../../../src/node/journal/internal/journalFile.ts"
import * as CrashFileSystem from "../../support/crashFileSystem.ts"

const path = "/batch.journal"

const textOf = (index: number): string => `answer ${index} ${"é".repeat(index)}`

const open = (fileSystem: FileSystem.FileSystem) =>
  JournalFile.make(path).pipe(
    Effect.provideService(FileSystem.FileSystem, fileSystem),
    Effect.provideService(References.MinimumLogLevel, "None")
  )

const record = (index: number): Journal.JournalRecord => ({
  index,
  id: index % 2 === 0 ? `id ${index}` : null,
  status: "ok",
  answer: { text: textOf(index) },
  attempts: 1,
  usage: Usage.zero,
  latencyMillis: 1
})

const itemOf = (index: number): Journal.JournalItem => ({
  index,
  id: record(index).id ?? undefined,
  content: `content ${index}`
})

const count = 6

const written = Effect.gen(function*() {
  const { fileSystem, history } = CrashFileSystem.make(new Map())
  yield* Effect.scoped(Effect.gen(function*() {
    const journal = yield* open(fileSystem)
    yield* journal.begin
    const claims = yield* journal.claim(Array.from({ length: count }, (_, i) => itemOf(i)))
    for (const claim of claims) yield* journal.commit(claim, record(claim.index))
  }))
  return CrashFileSystem.afterCrash(new Map(), history, history.length).get(path)!
})

describe("bits that flip in a journal", () => {
  it.effect.prop(
    "make records that are lost, at most two, and never one that is wrong or an item that seems done",
    [Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 ** 30 }))],
    ([seed]) =>
      Effect.gen(function*() {
        const bytes = (yield* written).slice()
        // Without the first line, the file is one of something else.
        const first = bytes.indexOf(10) + 1
        const bit = first * 8 + seed % ((bytes.length - first) * 8)
        bytes[bit >> 3]! ^= 1 << (bit & 7)
        yield* Effect.scoped(Effect.gen(function*() {
          const journal = yield* open(CrashFileSystem.make(new Map([[path, bytes]])).fileSystem)
          const records = yield* Stream.runCollect(journal.records)
          assert.isAtLeast(records.length, count - 2)
          for (const { record: found } of records) assert.deepStrictEqual(found, record(found.index))
          yield* journal.begin
          const claims = yield* journal.claim(Array.from({ length: count }, (_, i) => itemOf(i)))
          const kept = new Set(records.map(({ record }) => record.index))
          for (const { index, status } of claims) assert.strictEqual(status, kept.has(index) ? "ok" : "new")
        }))
      }),
    { arbitrary: { runs: 150 }, timeout: 60_000 }
  )
})
