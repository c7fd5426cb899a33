import { assert, describe, it } from "@effect/vitest"
import {
  Duration,
  Effect,
  Exit,
  Fiber,
  FileSystem,
  Layer,
  Logger,
  Option,
  References,
  Result,
  Schema,
  Scope,
  Stream
} from "effect"
import { Batch, Extraction, Journal, Usage } from "effect-instructor"
import { MockLlm, Reply } from "effect-instructor/testing"
import { TestClock } from "effect/testing"
import * as JournalFile from "../../../src/node/journal/internal/journalFile.ts"
import * as CrashFileSystem from "../../support/crashFileSystem.ts"

const path = "/batch.journal"

const Echo = Schema.Struct({ echo: Schema.String })
const echo = Extraction.make({ schema: Echo, maxAttempts: 1 })
const mock = MockLlm.layer((request) => ({ echo: request.messages[1]!.content as string }))

const texts = (count: number) => Array.from({ length: count }, (_, i) => `text ${i}`)

const layer = (fileSystem: FileSystem.FileSystem) =>
  Layer.effect(Journal.Journal, JournalFile.make(path)).pipe(
    Layer.provide(Layer.succeed(FileSystem.FileSystem, fileSystem))
  )

/** The files as the last process has left them. */
const left = (crashing: CrashFileSystem.Crashing, initial: CrashFileSystem.Files = new Map()) =>
  CrashFileSystem.afterCrash(initial, crashing.history, crashing.history.length)

const linesOf = (files: CrashFileSystem.Files) => new TextDecoder().decode(files.get(path)).trimEnd().split("\n")

const record = (index: number, answer: Schema.Json = { n: index }): Journal.JournalRecord => ({
  index,
  id: null,
  status: "ok",
  answer,
  attempts: 1,
  usage: Usage.zero,
  latencyMillis: 1
})

const itemOf = (index: number): Journal.JournalItem => ({ index, id: undefined, content: `content ${index}` })

const commitAll = Effect.fnUntraced(
  function*(journal: Journal.Journal["Service"], records: ReadonlyArray<Journal.JournalRecord>) {
    const claims = yield* journal.claim(records.map(({ index }) => itemOf(index)))
    return yield* Effect.forEach(
      claims,
      (claim, i) => Effect.result(journal.commit(claim, records[i]!)),
      { concurrency: "unbounded" }
    )
  }
)

/** Advances the clock until an effect is done. */
const run = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(effect)
    while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("1 second")
    return yield* Fiber.join(fiber)
  })

const resumed = (fileSystem: FileSystem.FileSystem, count: number, seen?: Array<number>) =>
  Batch.resumable(echo, texts(count), { concurrency: 2 }).pipe(
    Stream.tap(({ index }) => Effect.sync(() => seen?.push(index))),
    Stream.runCollect,
    Effect.provide(layer(fileSystem))
  )

describe("a journal in a file", () => {
  describe("on a full disk", () => {
    it.effect("sends nothing when the disk is full at the start, and resumes once there is room", () =>
      Effect.gen(function*() {
        const crashing = CrashFileSystem.make(new Map(), { room: (bytes) => bytes.length > 1000 ? 100 : undefined })
        for (const _ of [1, 2]) {
          const error = yield* Effect.flip(resumed(crashing.fileSystem, 20))
          assert.isTrue(error._tag === "BatchError" && error.reason._tag === "JournalFailure")
          assert.include(error.message, "could not be written: ENOSPC")
        }
        assert.strictEqual((yield* MockLlm.requests).length, 0)
        const items = yield* resumed(CrashFileSystem.make(left(crashing)).fileSystem, 20)
        assert.strictEqual(items.length, 20)
      }).pipe(Effect.provide(mock)))

    it.effect("waits for room, and leaves no part of a record", () =>
      Effect.gen(function*() {
        let write = 0
        const crashing = CrashFileSystem.make(new Map(), {
          room: (bytes) => write++ > 2 && write % 3 === 2 ? Math.floor(bytes.length / 2) : undefined
        })
        const items = yield* run(resumed(crashing.fileSystem, 6))
        assert.strictEqual(items.length, 6)
        assert.strictEqual((yield* MockLlm.requests).length, 6)
        const lines = linesOf(left(crashing))
        assert.strictEqual(lines.length, 7)
        for (const line of lines) JSON.parse(line)
        yield* resumed(CrashFileSystem.make(left(crashing)).fileSystem, 6)
        assert.strictEqual((yield* MockLlm.requests).length, 6)
      }).pipe(Effect.provide(mock)))

    it.effect("stops when no more room can be reserved, and has recorded every answer that was paid for", () =>
      Effect.gen(function*() {
        let reservations = 0
        const isReservation = (bytes: Uint8Array) => bytes[0] === 32
        const crashing = CrashFileSystem.make(new Map(), {
          room: (bytes) => isReservation(bytes) && reservations++ > 0 ? 5000 : undefined
        })
        const seen: Array<number> = []
        const error = yield* run(Effect.flip(resumed(crashing.fileSystem, 200, seen)))
        assert.isTrue(error._tag === "BatchError" && error.reason._tag === "JournalFailure")
        assert.include(error.message, "no space left")
        const sent = (yield* MockLlm.requests).length
        assert.isAbove(sent, 5)
        assert.isBelow(sent, 200)
        assert.strictEqual(seen.length, sent)
        const items = yield* resumed(CrashFileSystem.make(left(crashing)).fileSystem, 200)
        assert.strictEqual(items.filter(({ restored }) => restored).length, sent)
        assert.strictEqual((yield* MockLlm.requests).length, 200)
      }).pipe(Effect.provide(mock)))

    it.effect("reports the failure of records that do not fit, delivers their items, and resumes", () =>
      Effect.gen(function*() {
        let isFull = false
        const crashing = CrashFileSystem.make(new Map(), {
          room: (bytes) => isFull ? Math.min(7, bytes.length) : undefined
        })
        const seen: Array<number> = []
        const error = yield* run(Effect.flip(
          Batch.resumable(echo, texts(20), { concurrency: 2 }).pipe(
            Stream.runForEach(({ index }) =>
              Effect.sync(() => {
                isFull ||= seen.push(index) === 5
              })
            ),
            Effect.provide(layer(crashing.fileSystem))
          )
        ))
        assert.isTrue(error._tag === "BatchError" && error.reason._tag === "JournalFailure")
        const sent = (yield* MockLlm.requests).length
        assert.isBelow(sent, 20)
        const items = yield* run(resumed(CrashFileSystem.make(left(crashing)).fileSystem, 20))
        assert.isAtLeast(items.filter(({ restored }) => restored).length, 5)
        assert.strictEqual(items.length, 20)
      }).pipe(
        Effect.provide(
          MockLlm.layer((request) => Reply.delayed({ echo: request.messages[1]!.content as string }, "1 second"))
        )
      ))
  })

  it.effect("waits for room once, and not for each later record", () =>
    Effect.gen(function*() {
      let isFull = false
      const crashing = CrashFileSystem.make(new Map(), { room: () => isFull ? 0 : undefined })
      yield* Effect.gen(function*() {
        const journal = yield* Journal.Journal
        yield* journal.begin
        isFull = true
        const [first] = yield* run(Effect.timed(commitAll(journal, [record(0)])))
        assert.isAbove(Duration.toSeconds(first), 5)
        const [second, results] = yield* run(Effect.timed(commitAll(journal, [record(1)])))
        assert.isFalse(results.some(Result.isSuccess))
        assert.isAtMost(Duration.toSeconds(second), 1)
        isFull = false
        assert.isTrue((yield* commitAll(journal, [record(2)])).every(Result.isSuccess))
      }).pipe(Effect.provide(layer(crashing.fileSystem)))
    }))

  it.effect("does not return the record of an item that was claimed with other content", () =>
    Effect.gen(function*() {
      const crashing = CrashFileSystem.make(new Map())
      yield* Effect.gen(function*() {
        const journal = yield* Journal.Journal
        const claimed = (content: string) => journal.claim([{ index: 0, id: "a", content }])
        const [first] = yield* claimed("old")
        yield* journal.commit(first!, record(0))
        yield* Effect.scoped(journal.begin)
        const [second] = yield* claimed("new")
        assert.strictEqual(second!.status, "new")
        assert.deepStrictEqual(yield* Stream.runCollect(journal.records), [])
        yield* journal.commit(second!, record(0, "newer"))
        const records = yield* Stream.runCollect(journal.records)
        assert.deepStrictEqual(records.map(({ record }) => record.answer), ["newer"])
      }).pipe(Effect.provide(layer(crashing.fileSystem)))
    }))

  describe("syncs", () => {
    const syncs = (crashing: CrashFileSystem.Crashing) => crashing.history.filter(({ _tag }) => _tag === "Sync").length

    it.effect("50 ms after a record at the latest", () =>
      Effect.gen(function*() {
        const crashing = CrashFileSystem.make(new Map())
        yield* Effect.gen(function*() {
          const journal = yield* Journal.Journal
          yield* journal.begin
          const before = syncs(crashing)
          yield* commitAll(journal, [record(0)])
          assert.strictEqual(syncs(crashing), before)
          yield* TestClock.adjust("30 millis")
          yield* commitAll(journal, [record(1)])
          yield* TestClock.adjust("19 millis")
          assert.strictEqual(syncs(crashing), before)
          yield* TestClock.adjust("1 millis")
          assert.strictEqual(syncs(crashing), before + 1)
          yield* TestClock.adjust("1 minute")
          assert.strictEqual(syncs(crashing), before + 1)
        }).pipe(Effect.provide(layer(crashing.fileSystem)))
      }))

    it.effect("after 256 records at the latest", () =>
      Effect.gen(function*() {
        const crashing = CrashFileSystem.make(new Map())
        yield* Effect.gen(function*() {
          const journal = yield* Journal.Journal
          yield* journal.begin
          const before = syncs(crashing)
          for (let i = 0; i < 5; i++) {
            yield* commitAll(
              journal,
              Array.from({ length: 64 }, (_, k) => record(i * 64 + k))
            )
          }
          assert.strictEqual(syncs(crashing), before + 1)
        }).pipe(Effect.provide(layer(crashing.fileSystem)))
      }))

    it.effect("its first line before there are records, and the last ones when it is closed", () =>
      Effect.gen(function*() {
        const crashing = CrashFileSystem.make(new Map())
        yield* Effect.gen(function*() {
          const journal = yield* Journal.Journal
          yield* commitAll(journal, [record(0)])
        }).pipe(Effect.provide(layer(crashing.fileSystem)))
        const own = crashing.history.filter((operation) => operation.path === path).map(({ _tag }) => _tag)
        assert.deepStrictEqual(own.slice(0, 3), ["Truncate", "Write", "Sync"])
        assert.strictEqual(own.at(-1), "Sync")
      }))
  })

  it.effect("cuts off the reserved room when it is closed", () =>
    Effect.gen(function*() {
      const crashing = CrashFileSystem.make(new Map())
      yield* Effect.scoped(Effect.gen(function*() {
        const journal = yield* Journal.Journal
        yield* journal.begin
        yield* commitAll(journal, [record(0)])
        assert.isAbove(left(crashing).get(path)!.length, 16 * 1024)
      })).pipe(Effect.provide(layer(crashing.fileSystem)))
      const text = new TextDecoder().decode(left(crashing).get(path))
      assert.isTrue(text.endsWith("}\n"))
      assert.strictEqual(text.split("\n").length, 3)
    }))

  it.effect("refuses a single record that cannot be written, and records the others", () =>
    Effect.gen(function*() {
      const crashing = CrashFileSystem.make(new Map())
      let deep: Schema.Json = 1
      for (let depth = 0; depth < 10_000; depth++) deep = { deep }
      yield* Effect.gen(function*() {
        const journal = yield* Journal.Journal
        yield* journal.begin
        const results = yield* commitAll(journal, [record(0), record(1, deep), record(2)])
        assert.deepStrictEqual(results.map(Result.isSuccess), [true, false, true])
        const refused = Result.getOrThrow(Result.flip(results[1]!))
        assert.strictEqual(refused.reason._tag, "InvalidRecord")
        assert.isFalse(refused.isUnrecoverable)
        assert.include(refused.message, "item 1 cannot be recorded: it is nested deeper than 500 levels")
        const records = yield* Stream.runCollect(journal.records)
        assert.deepStrictEqual(records.map(({ record }) => record.index), [0, 2])
      }).pipe(Effect.provide(layer(crashing.fileSystem)))
    }))

  it.effect(
    "finds every flipped bit: the item runs again, the others are restored as they were",
    () =>
      Effect.gen(function*() {
        const crashing = CrashFileSystem.make(new Map())
        const originals = [record(0), record(1, { text: "two" })]
        yield* Effect.gen(function*() {
          yield* commitAll(yield* Journal.Journal, originals)
        }).pipe(Effect.provide(layer(crashing.fileSystem)))
        const files = left(crashing)
        const whole = files.get(path)!
        const warned: Array<unknown> = []
        yield* Effect.scoped(Layer.build(layer(CrashFileSystem.make(files).fileSystem))).pipe(
          Effect.provide(Logger.layer([Logger.make(({ message }) => warned.push(message))]))
        )
        assert.deepStrictEqual(warned, [])
        const start = whole.indexOf(10) + 1
        for (let bit = start * 8; bit < whole.length * 8; bit++) {
          const damaged = whole.slice()
          damaged[bit >> 3]! ^= 1 << (bit & 7)
          const warnings: Array<unknown> = []
          yield* Effect.gen(function*() {
            const journal = yield* Journal.Journal
            const claims = yield* journal.claim(originals.map(({ index }) => itemOf(index)))
            const known = claims.filter(({ status }) => status !== "new")
            assert.isBelow(known.length, 2)
            for (const claim of known) {
              assert.deepStrictEqual(yield* journal.read(claim), Option.some(originals[claim.index]!))
            }
            const records = yield* Stream.runCollect(journal.records)
            assert.deepStrictEqual(records.map(({ record }) => record), known.map(({ index }) => originals[index]!))
          }).pipe(
            Effect.provide(layer(CrashFileSystem.make(new Map(files).set(path, damaged)).fileSystem)),
            Effect.provide(Logger.layer([Logger.make(({ message }) => warnings.push(message))]))
          )
          // A damaged newline at the end is a torn line.
          if (bit >> 3 !== whole.length - 1) assert.match(String(warnings[0]), /^[123] lines of .* are damaged/)
        }
      }),
    30_000
  )

  it.effect("does not restore a record that was damaged after the journal was opened", () =>
    Effect.gen(function*() {
      const crashing = CrashFileSystem.make(new Map())
      yield* Effect.gen(function*() {
        const journal = yield* Journal.Journal
        yield* commitAll(journal, [record(0)])
        const scope = yield* Scope.make()
        yield* journal.begin.pipe(Scope.provide(scope))
        const [claim] = yield* journal.claim([itemOf(0)])
        assert.strictEqual(claim!.status, "ok")
        const file = yield* crashing.fileSystem.open(path, { flag: "r+" })
        yield* file.seek(BigInt(200), "start")
        yield* file.writeAll(new Uint8Array([1]))
        assert.isTrue(Option.isNone(yield* journal.read(claim!)))
        assert.deepStrictEqual(yield* Stream.runCollect(journal.records), [])
        yield* Scope.close(scope, Exit.void)
      }).pipe(Effect.provide(layer(crashing.fileSystem)), Effect.scoped)
    }).pipe(Effect.provideService(References.MinimumLogLevel, "None")))
})
