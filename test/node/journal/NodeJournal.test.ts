import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, FileSystem, Layer, PlatformError, Result, Schema, Stream } from "effect"
import { Batch, Extraction, type ExtractionError, Journal } from "effect-instructor"
import { NodeJournal } from "effect-instructor/node"
import { MockLlm, Reply } from "effect-instructor/testing"
import { TestClock } from "effect/testing"
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"

const Echo = Schema.Struct({ echo: Schema.String })
const echo = Extraction.make({ schema: Echo, maxAttempts: 1 })

const mock = MockLlm.layer((request) => {
  const text = request.messages[1]!.content as string
  return text.startsWith("bad") ? "no" : { echo: text }
})

const texts = (count: number) => Array.from({ length: count }, (_, i) => `text ${i}`)

const temporary = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "journal-"))),
  (directory) => Effect.sync(() => fs.rmSync(directory, { recursive: true }))
)

const file = Effect.map(temporary, (directory) => path.join(directory, "batch.journal"))

const withJournal = (path: string, fileSystem = NodeFileSystem.layer) =>
  Effect.provide(NodeJournal.layer({ path }).pipe(Layer.provide(fileSystem)))

/** One run in a process of its own, as far as the journal can tell. */
const run = (
  path: string,
  inputs: ReadonlyArray<string | ExtractionError.ExtractionError>,
  options?: Batch.ResumableOptions<string | ExtractionError.ExtractionError>,
  fileSystem?: Layer.Layer<FileSystem.FileSystem>
) =>
  Effect.gen(function*() {
    const before = (yield* MockLlm.requests).length
    const items = yield* Stream.runCollect(Batch.resumable(echo, inputs, options)).pipe(withJournal(path, fileSystem))
    return { items, sent: (yield* MockLlm.requests).length - before }
  })

const records = (path: string) =>
  Effect.flatMap(Journal.Journal, (journal) => Stream.runCollect(journal.records)).pipe(withJournal(path))

const fileFailures = (failing: (bytes: Uint8Array, write: number) => number | undefined) =>
  Layer.effect(
    FileSystem.FileSystem,
    Effect.map(FileSystem.FileSystem, (system) => {
      let write = 0
      return {
        ...system,
        open: (path, options) =>
          Effect.map(system.open(path, options), (file): FileSystem.File => ({
            ...file,
            stat: file.stat,
            seek: (...args) => file.seek(...args),
            sync: file.sync,
            read: (...args) => file.read(...args),
            readAlloc: (...args) => file.readAlloc(...args),
            truncate: (length) => file.truncate(length),
            write: (bytes) => file.write(bytes),
            writeAll: (bytes) => {
              const room = failing(bytes, write++)
              if (room === undefined) return file.writeAll(bytes)
              return Effect.andThen(
                file.writeAll(bytes.subarray(0, room)),
                Effect.fail(PlatformError.systemError({
                  _tag: "WriteZero",
                  module: "FileSystem",
                  method: "writeAll",
                  description: "ENOSPC: no space left on device"
                }))
              )
            }
          }))
      } satisfies FileSystem.FileSystem
    })
  ).pipe(Layer.provide(NodeFileSystem.layer))

describe("NodeJournal", () => {
  it.effect("outlives its process: nothing is sent twice, and what it knows comes back as it was", () =>
    Effect.gen(function*() {
      const path = yield* file
      const inputs = ["text é 🙂", "x".repeat(20_000), "bad 1", ...texts(50)]
      const first = yield* run(path, inputs, { ordered: true, concurrency: 8 })
      const second = yield* run(path, inputs, { ordered: true, concurrency: 8 })
      assert.strictEqual(first.sent, 53)
      assert.strictEqual(second.sent, 1)
      const ended = first.items.filter(({ result }) => Result.isSuccess(result))
      assert.deepStrictEqual(
        second.items.filter(({ restored }) => restored),
        ended.map((item) => ({ ...item, restored: true }))
      )
      const third = yield* run(path, inputs, { ordered: true, retryFailures: false })
      assert.strictEqual(third.sent, 0)
      const failed = third.items[2]!
      assert.isTrue(Result.isFailure(failed.result) && failed.result.failure.reason._tag === "InvalidOutput")
      const stored = yield* records(path)
      assert.strictEqual(stored.length, 53)
      assert.deepStrictEqual(stored.map(({ claimedAs }) => claimedAs), stored.map(() => undefined))
    }).pipe(Effect.provide(mock)))

  it.effect("keeps some thousand items apart, in any order", () =>
    Effect.gen(function*() {
      const path = yield* file
      const inputs = texts(5000)
      assert.strictEqual((yield* run(path, inputs, { concurrency: 100 })).sent, 5000)
      const { items, sent } = yield* run(path, inputs.toReversed(), { concurrency: 100 })
      assert.strictEqual(sent, 0)
      for (const { input, result } of items) assert.deepStrictEqual(result, Result.succeed({ echo: String(input) }))
      assert.strictEqual((yield* run(path, inputs, { id: (text) => text })).sent, 5000)
    }).pipe(Effect.provide(mock)), 30_000)

  it.effect("gives back the last record of each item, and its index in this run", () =>
    Effect.gen(function*() {
      const path = yield* file
      const options = { id: (text: string | ExtractionError.ExtractionError) => String(text).slice(-1) }
      yield* run(path, ["text 1", "text 2", "bad 3"], options)
      const stored = yield* Effect.gen(function*() {
        yield* Stream.runDrain(Batch.resumable(echo, ["text 3", "other 1", "text 4"], options))
        const journal = yield* Journal.Journal
        return yield* Stream.runCollect(journal.records)
      }).pipe(withJournal(path))
      assert.deepStrictEqual(
        stored.map(({ claimedAs, record }) => [record.id, claimedAs, record.status, record.answer]),
        [
          ["2", undefined, "ok", { echo: "text 2" }],
          ["3", 0, "ok", { echo: "text 3" }],
          ["1", 1, "ok", { echo: "other 1" }],
          ["4", 2, "ok", { echo: "text 4" }]
        ]
      )
    }).pipe(Effect.provide(mock)))

  it.effect("a file cut at any byte loses no whole record, and the run goes on", () =>
    Effect.gen(function*() {
      const path = yield* file
      const inputs = texts(3)
      yield* run(path, inputs, { concurrency: 1 })
      const whole = fs.readFileSync(path)
      const newlines = [...whole.entries()].flatMap(([at, byte]) => byte === 10 ? [at] : [])
      for (let length = 0; length <= whole.length; length++) {
        // The lines between are like the last one.
        if (length === newlines[0]! + 3) length = newlines[2]! - 3
        fs.writeFileSync(path, whole.subarray(0, length))
        const complete = Math.max(0, newlines.filter((at) => at < length).length - 1)
        assert.strictEqual((yield* run(path, inputs)).sent, 3 - complete)
        assert.strictEqual((yield* records(path)).length, 3)
      }
    }).pipe(Effect.provide(mock)), 60_000)

  const share = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))
  const Step = Schema.Struct({
    take: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 20 })),
    cut: share,
    spoil: Schema.NullOr(share)
  })

  it.effect.prop(
    "whatever becomes of the file between runs, each item ends once and right",
    [Schema.Array(Step).check(Schema.isMaxLength(4))],
    ([steps]) =>
      Effect.gen(function*() {
        const path = yield* file
        const inputs = texts(20)
        for (const { cut, spoil, take } of steps) {
          yield* Batch.resumable(echo, inputs, { concurrency: 3 }).pipe(
            Stream.take(take),
            Stream.runDrain,
            withJournal(path)
          )
          const bytes = fs.readFileSync(path)
          const header = bytes.indexOf(10) + 1
          if (spoil !== null && bytes.length > header) {
            bytes[header + Math.floor(spoil * (bytes.length - header - 1))] = 0
          }
          fs.writeFileSync(path, bytes.subarray(0, header + Math.ceil(cut * (bytes.length - header))))
        }
        const { items } = yield* run(path, inputs)
        assert.deepStrictEqual(
          items.toSorted((a, b) => a.index - b.index).map(({ result }) => result),
          inputs.map((echo) => Result.succeed({ echo }))
        )
        const answers = (yield* records(path)).map(({ record }) => (record.answer as { readonly echo: string }).echo)
        assert.deepStrictEqual(answers.toSorted(), inputs.toSorted())
      }).pipe(Effect.provide(mock), Effect.scoped),
    { arbitrary: { runs: 40 }, timeout: 60_000 }
  )

  it.effect("another file is left alone", () =>
    Effect.gen(function*() {
      const path = yield* file
      for (const content of ["{\"text\":\"one\"}\n", "\0\0\0\0", `{"journal":"effect-instructor","version":9}\n`]) {
        fs.writeFileSync(path, content)
        const error = yield* Effect.flip(run(path, ["text 1"]))
        assert.isTrue(error._tag === "JournalError" && error.reason._tag === "NotAJournal")
        assert.strictEqual(fs.readFileSync(path, "utf8"), content)
      }
      assert.isFalse(fs.existsSync(`${path}.lock`))
    }).pipe(Effect.provide(mock)))

  it.effect("tells where it cannot write", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      for (const [path, word] of [[directory, "EISDIR"], [`${directory}/none/journal`, "none"]] as const) {
        const error = yield* Effect.flip(run(path, ["text 1"]))
        assert.isTrue(error._tag === "JournalError" && error.reason._tag === "FileFailure")
        assert.include(error.message, directory)
        assert.include(error.message, word)
      }
    }).pipe(Effect.provide(mock)))

  describe("on a full disk", () => {
    it.live("waits for room, and leaves no part of a record", () =>
      Effect.gen(function*() {
        const path = yield* file
        const full = fileFailures((bytes, write) => write % 3 === 2 ? Math.floor(bytes.length / 2) : undefined)
        const { items, sent } = yield* run(path, texts(6), { concurrency: 1 }, full)
        assert.strictEqual(items.length, 6)
        assert.strictEqual(sent, 6)
        const lines = fs.readFileSync(path, "utf8").trimEnd().split("\n")
        assert.strictEqual(lines.length, 7)
        for (const line of lines) JSON.parse(line)
        assert.strictEqual((yield* run(path, texts(6))).sent, 0)
      }).pipe(Effect.provide(mock)))

    it.effect("stops when there is none, hands over what is paid for, and goes on once there is", () =>
      Effect.gen(function*() {
        const path = yield* file
        const full = fileFailures((bytes, write) => write >= 2 ? Math.min(7, bytes.length) : undefined)
        const seen: Array<number> = []
        const batch = Batch.resumable(echo, texts(20), { concurrency: 2 }).pipe(
          Stream.runForEach(({ index }) => Effect.sync(() => seen.push(index))),
          Effect.flip,
          withJournal(path, full)
        )
        const fiber = yield* Effect.forkChild(batch)
        while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("1 second")
        const error = yield* Fiber.join(fiber)
        assert.isTrue(error._tag === "BatchError" && error.reason._tag === "JournalFailure")
        assert.include(error.message, "no space left")
        assert.strictEqual(seen.length, (yield* MockLlm.requests).length)
        const { items, sent } = yield* run(path, texts(20))
        assert.strictEqual(items.length, 20)
        assert.strictEqual(sent, 20 - items.filter(({ restored }) => restored).length)
        assert.isAbove(sent, 0)
        assert.isBelow(sent, 20)
      }).pipe(Effect.provide(mock)))
  })

  describe("its lock", () => {
    const holder = (script: string) =>
      Effect.acquireRelease(
        Effect.callback<ReturnType<typeof spawn>>((resume) => {
          const child = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] })
          child.stdout.once("data", () => resume(Effect.succeed(child)))
        }),
        (child) =>
          Effect.callback<void>((resume) => {
            if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
            child.once("exit", () => resume(Effect.void))
            child.kill("SIGKILL")
          })
      )

    it.effect("keeps a second process out, by name, until the first is gone, however it went", () =>
      Effect.gen(function*() {
        const path = yield* file
        yield* run(path, ["text 1"])
        yield* Effect.scoped(Effect.gen(function*() {
          const child = yield* holder("console.log('up'); setInterval(() => {}, 1000)")
          // What a process that has the journal leaves there.
          const stat = fs.existsSync(`/proc/${child.pid}/stat`)
            ? fs.readFileSync(`/proc/${child.pid}/stat`, "utf8")
            : ""
          const began = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? null
          fs.writeFileSync(`${path}.lock`, JSON.stringify({ pid: child.pid, host: os.hostname(), began }))
          const error = yield* Effect.flip(run(path, ["text 1"]))
          assert.isTrue(error._tag === "JournalError" && error.reason._tag === "Locked")
          assert.include(error.message, `process ${child.pid}`)
        }))
        assert.strictEqual((yield* run(path, ["text 1"])).sent, 0)
        assert.isFalse(fs.existsSync(`${path}.lock`))
      }).pipe(Effect.provide(mock)))

    it.effect("does not take another process with the number of a dead one for it", () =>
      Effect.gen(function*() {
        if (!fs.existsSync("/proc/self/stat")) return
        const path = yield* file
        fs.writeFileSync(`${path}.lock`, JSON.stringify({ pid: process.ppid, host: os.hostname(), began: "1" }))
        yield* run(path, ["text 1"])
      }).pipe(Effect.provide(mock)))

    it.effect("holds within a process, for a machine elsewhere, and yields to none of many at once", () =>
      Effect.gen(function*() {
        const path = yield* file
        const open = Effect.as(Journal.Journal, "open").pipe(withJournal(path), Effect.result)
        const inside = yield* open.pipe(withJournal(path))
        assert.isTrue(Result.isFailure(inside) && inside.failure.reason._tag === "Locked")
        fs.writeFileSync(`${path}.lock`, JSON.stringify({ pid: 1, host: "elsewhere", began: null }))
        const elsewhere = yield* open
        assert.isTrue(Result.isFailure(elsewhere) && elsewhere.failure.message.includes("elsewhere"))
        // Left by one that died as it wrote it.
        fs.writeFileSync(`${path}.lock`, "{\"pid\":")
        let holders = 0
        let most = 0
        const contend = Effect.gen(function*() {
          most = Math.max(most, ++holders)
          yield* Effect.yieldNow
          holders--
        }).pipe(withJournal(path), Effect.result)
        const results = yield* Effect.forEach(texts(20), () => contend, { concurrency: "unbounded" })
        assert.isTrue(results.some(Result.isSuccess))
        assert.strictEqual(most, 1)
        assert.deepStrictEqual(fs.readdirSync(path.slice(0, path.lastIndexOf("/"))), ["batch.journal"])
      }).pipe(Effect.provide(mock)))
  })

  it.effect("a delayed answer is in the file before its item leaves", () =>
    Effect.gen(function*() {
      const path = yield* file
      yield* Batch.resumable(echo, texts(20), { concurrency: 4 }).pipe(
        Stream.runForEach(({ index }) =>
          Effect.sync(() => assert.include(fs.readFileSync(path, "utf8"), `"index":${index},"status":"ok"`))
        ),
        withJournal(path)
      )
    }).pipe(Effect.provide(MockLlm.layer(() => Reply.delayed({ echo: "x" }, 0)))))
})
