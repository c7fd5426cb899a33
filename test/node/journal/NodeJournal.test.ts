import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema, Stream } from "effect"
import { Batch, type Completion, Extraction, Journal, Llm, Usage } from "effect-instructor"
import { NodeJournal } from "effect-instructor/node"
import { MockLlm, Reply } from "effect-instructor/testing"
import { spawn, spawnSync } from "node:child_process"
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

const withJournal = (path: string) => Effect.provide(NodeJournal.layer({ path }))

/** A run that has its journal to itself, as one in a process of its own. */
const run = (
  path: string,
  inputs: ReadonlyArray<string>,
  options?: Batch.Options<string>
) =>
  Effect.gen(function*() {
    const before = (yield* MockLlm.requests).length
    const items = yield* Stream.runCollect(Batch.resumable(echo, inputs, options)).pipe(withJournal(path))
    return { items, sent: (yield* MockLlm.requests).length - before }
  })

const records = (path: string) =>
  Effect.flatMap(Journal.Journal, (journal) => Stream.runCollect(journal.records)).pipe(withJournal(path))

describe("NodeJournal", () => {
  it.effect("keeps the last value of each note, and no records of them", () =>
    Effect.gen(function*() {
      const path = yield* file
      yield* Effect.gen(function*() {
        const journal = yield* Journal.Journal
        yield* journal.note("one", { value: 1 })
        yield* journal.note("two", ["a", null])
        yield* journal.note("one", { value: 2 })
        yield* journal.note("three", "x")
        yield* journal.note("three", null)
      }).pipe(withJournal(path))
      yield* run(path, ["text 1"])
      yield* Effect.gen(function*() {
        const journal = yield* Journal.Journal
        assert.deepStrictEqual(yield* Stream.runCollect(journal.notes), [
          { name: "two", value: ["a", null] },
          { name: "one", value: { value: 2 } }
        ])
        assert.strictEqual((yield* Stream.runCollect(journal.records)).length, 1)
      }).pipe(withJournal(path))
    }).pipe(Effect.provide(mock)))

  it.effect("restores the items of an earlier run as they were, and sends nothing twice", () =>
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

  it.effect("tells thousands of items apart, in any order", () =>
    Effect.gen(function*() {
      const path = yield* file
      const inputs = texts(5000)
      assert.strictEqual((yield* run(path, inputs, { concurrency: 100 })).sent, 5000)
      const { items, sent } = yield* run(path, inputs.toReversed(), { concurrency: 100 })
      assert.strictEqual(sent, 0)
      for (const { input, result } of items) assert.deepStrictEqual(result, Result.succeed({ echo: input }))
      assert.strictEqual((yield* run(path, inputs, { id: (text) => text })).sent, 5000)
    }).pipe(Effect.provide(mock)), 30_000)

  it.effect("returns the last record of each item, with its index in this run", () =>
    Effect.gen(function*() {
      const path = yield* file
      const options = { id: (text: string) => text.slice(-1) }
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

  it.effect("loses no whole record of a file that is cut, and resumes", () =>
    Effect.gen(function*() {
      const path = yield* file
      const inputs = texts(3)
      yield* run(path, inputs, { concurrency: 1 })
      const whole = fs.readFileSync(path)
      const newlines = [...whole.entries()].flatMap(([at, byte]) => byte === 10 ? [at] : [])
      const start = newlines[2]! - 3
      // Every byte of the first line and around the ends of the last one. The crash tests cut at every other byte.
      const cuts = Array.from({ length: whole.length + 1 }, (_, length) => length)
        .filter((length) =>
          length <= newlines[0]! + 3 || length >= start && length < start + 60 || length > whole.length - 20
        )
      for (const length of cuts) {
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
    damage: Schema.NullOr(share),
    bit: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 7 }))
  })

  it.effect.prop(
    "finishes each item once and with the right answer, whatever damages the file between runs",
    [Schema.Array(Step).check(Schema.isMaxLength(4))],
    ([steps]) =>
      Effect.gen(function*() {
        const path = yield* file
        const inputs = texts(20)
        for (const { bit, cut, damage, take } of steps) {
          yield* Batch.resumable(echo, inputs, { concurrency: 3 }).pipe(
            Stream.take(take),
            Stream.runDrain,
            withJournal(path)
          )
          const bytes = fs.readFileSync(path)
          const header = bytes.indexOf(10) + 1
          if (damage !== null && bytes.length > header) {
            bytes[header + Math.floor(damage * (bytes.length - header - 1))]! ^= 1 << bit
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

  it.effect("does not change a file that is not a journal", () =>
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

  it.effect("refuses a pipe and a device instead of reading from them", () =>
    Effect.gen(function*() {
      const path = yield* file
      assert.strictEqual(spawnSync("sh", ["-c", `mkfifo ${path}`]).status, 0)
      for (const special of [path, "/dev/null"]) {
        for (const use of [run(special, ["text 1"]), NodeJournal.remove({ path: special })]) {
          const error = yield* Effect.flip(use)
          assert.isTrue(error._tag === "JournalError" && error.reason._tag === "NotAJournal")
          assert.include(error.message, `${special} is not a journal: it is not a regular file`)
        }
      }
      assert.isTrue(fs.existsSync("/dev/null"))
    }).pipe(Effect.provide(mock)))

  it.effect("lets no other user read its file", () =>
    Effect.gen(function*() {
      const path = yield* file
      yield* run(path, ["text 1"])
      assert.strictEqual(fs.statSync(path).mode & 0o777, 0o600)
    }).pipe(Effect.provide(mock)))

  it.effect("keeps the indexes of all items of an interrupted first run", () =>
    Effect.gen(function*() {
      const path = yield* file
      const stored = yield* Effect.gen(function*() {
        yield* Batch.resumable(echo, texts(3000), { concurrency: 4 }).pipe(Stream.take(2500), Stream.runDrain)
        const journal = yield* Journal.Journal
        return yield* Stream.runCollect(journal.records)
      }).pipe(withJournal(path))
      assert.isAtLeast(stored.length, 2500)
      for (const { claimedAs, record } of stored) {
        assert.deepStrictEqual([claimedAs, record.answer], [record.index, { echo: `text ${record.index}` }])
      }
    }).pipe(Effect.provide(mock)), 30_000)

  it.effect("runs items again for another provider or another base URL", () =>
    Effect.gen(function*() {
      const path = yield* file
      const sentTo = (provider: string, origin: string) =>
        Effect.gen(function*() {
          let sent = 0
          const llm = Llm.make({
            provider,
            origin,
            model: "m",
            complete: () =>
              Effect.sync((): Completion.Completion => {
                sent++
                return {
                  id: "",
                  model: "m",
                  text: "{\"echo\":\"x\"}",
                  toolCalls: [],
                  finishReason: "stop",
                  usage: Usage.zero
                }
              })
          })
          yield* Stream.runDrain(Batch.resumable(echo, texts(3))).pipe(
            withJournal(path),
            Effect.provideService(Llm.Llm, llm)
          )
          return sent
        })
      assert.strictEqual(yield* sentTo("openai", "http://simulator"), 3)
      assert.strictEqual(yield* sentTo("openai", "http://simulator"), 0)
      assert.strictEqual(yield* sentTo("openai", "https://real"), 3)
      assert.strictEqual(yield* sentTo("other", "https://real"), 3)
    }))

  it.effect("ends an item alone whose answer is nested too deep, also when the run is resumed", () =>
    Effect.gen(function*() {
      const path = yield* file
      const depth = 5000
      const llm = MockLlm.layer((request) => {
        const text = request.messages[1]!.content as string
        return text === "text 1" ? `{"echo":"x","more":${"[".repeat(depth)}${"]".repeat(depth)}}` : { echo: text }
      })
      const batch = run(path, texts(4), { ordered: true, retryFailures: false })
      yield* Effect.gen(function*() {
        for (const restored of [false, true]) {
          const { items, sent } = yield* batch
          assert.deepStrictEqual(items.map(({ result }) => Result.isSuccess(result)), [true, false, true, true])
          assert.isTrue(items.every((item) => item.restored === restored))
          assert.strictEqual(sent, restored ? 0 : 4)
        }
      }).pipe(Effect.provide(llm))
    }))

  it.live("sends nothing on a full disk, and recovers when there is room", (context) =>
    Effect.gen(function*() {
      const small = path.join(yield* temporary, "small")
      fs.mkdirSync(small)
      const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=128k", "tmpfs", small])
      if (mounted.status !== 0) return context.skip("skipped: no tmpfs can be mounted here")
      yield* Effect.addFinalizer(() => Effect.sync(() => spawnSync("umount", [small])))
      const journal = path.join(small, "batch.journal")
      yield* run(journal, texts(1))
      const filler = path.join(small, "filler")
      // Something is left, but not enough for the answers in flight.
      fs.writeFileSync(filler, new Uint8Array(100 * 1024))
      for (const _ of [1, 2]) {
        const error = yield* Effect.flip(run(journal, texts(50)))
        assert.isTrue(error._tag === "BatchError" && error.reason._tag === "JournalFailure")
        assert.include(error.message, "could not be written: ENOSPC")
      }
      assert.strictEqual((yield* MockLlm.requests).length, 1)
      fs.rmSync(filler)
      assert.strictEqual((yield* run(journal, texts(50))).sent, 49)
    }).pipe(Effect.provide(mock)))

  describe("remove", () => {
    it.effect("removes a journal of any version, so that the next run starts anew", () =>
      Effect.gen(function*() {
        const path = yield* file
        yield* run(path, ["text 1"])
        yield* NodeJournal.remove({ path })
        assert.isFalse(fs.existsSync(path))
        fs.writeFileSync(path, `{"journal":"effect-instructor","version":1}\n{"key":"0"}\n`)
        yield* NodeJournal.remove({ path })
        assert.isFalse(fs.existsSync(path))
        assert.strictEqual((yield* run(path, ["text 1"])).sent, 1)
        assert.isFalse(fs.existsSync(`${path}.lock`))
      }).pipe(Effect.provide(mock)))

    it.effect("succeeds without a file, and without its directory", () =>
      Effect.gen(function*() {
        const path = yield* file
        yield* NodeJournal.remove({ path })
        yield* NodeJournal.remove({ path: `${path}/none/journal` }).pipe(Effect.ignore)
        yield* NodeJournal.remove({ path: path.replace("batch", "none/batch") })
      }))

    it.effect("leaves anything else as it is", () =>
      Effect.gen(function*() {
        const path = yield* file
        for (const content of ["text\n", `{"journal":"other"}\n`, ` {"journal":"effect-instructor","version":2}\n`]) {
          fs.writeFileSync(path, content)
          const error = yield* Effect.flip(NodeJournal.remove({ path }))
          assert.strictEqual(error.reason._tag, "NotAJournal")
          assert.strictEqual(fs.readFileSync(path, "utf8"), content)
        }
        // There is nothing to remove in an empty file, or in one that was left at the very start.
        for (const content of ["", `{"journal":"effect`]) {
          fs.writeFileSync(path, content)
          yield* NodeJournal.remove({ path })
          assert.strictEqual(fs.readFileSync(path, "utf8"), content)
        }
        const error = yield* Effect.flip(NodeJournal.remove({ path: yield* temporary }))
        assert.strictEqual(error.reason._tag, "FileFailure")
      }))

    it.effect("fails while the journal is in use", () =>
      Effect.gen(function*() {
        const path = yield* file
        yield* run(path, ["text 1"])
        const error = yield* Effect.flip(NodeJournal.remove({ path })).pipe(withJournal(path))
        assert.strictEqual(error.reason._tag, "Locked")
        assert.strictEqual((yield* run(path, ["text 1"])).sent, 0)
      }).pipe(Effect.provide(mock)))

    it.effect("removes a symbolic link to a journal, and not the journal", () =>
      Effect.gen(function*() {
        const path = yield* file
        yield* run(path, ["text 1"])
        fs.symlinkSync(path, `${path}.link`)
        yield* NodeJournal.remove({ path: `${path}.link` })
        assert.isFalse(fs.existsSync(`${path}.link`))
        assert.isTrue(fs.existsSync(path))
      }).pipe(Effect.provide(mock)))
  })

  it.effect("reports the path that it cannot write", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      for (const [path, word] of [[directory, "EISDIR"], [`${directory}/none/journal`, "none"]] as const) {
        const error = yield* Effect.flip(run(path, ["text 1"]))
        assert.isTrue(error._tag === "JournalError" && error.reason._tag === "FileFailure")
        assert.include(error.message, directory)
        assert.include(error.message, word)
      }
    }).pipe(Effect.provide(mock)))

  describe("the lock", () => {
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

    it.effect("keeps a second process out, naming the first, until the first has ended in any way", () =>
      Effect.gen(function*() {
        const path = yield* file
        yield* run(path, ["text 1"])
        yield* Effect.scoped(Effect.gen(function*() {
          const child = yield* holder("console.log('up'); setInterval(() => {}, 1000)")
          // The lock file of a process that uses the journal.
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

    it.effect("is not held by another process with the number of one that has ended", () =>
      Effect.gen(function*() {
        if (!fs.existsSync("/proc/self/stat")) return
        const path = yield* file
        fs.writeFileSync(`${path}.lock`, JSON.stringify({ pid: process.ppid, host: os.hostname(), began: "1" }))
        yield* run(path, ["text 1"])
      }).pipe(Effect.provide(mock)))

    for (const pid of [0, -1, 1.5, 2 ** 40]) {
      it.effect(`is not held by the process number ${pid}, which no process has`, () =>
        Effect.gen(function*() {
          const path = yield* file
          fs.writeFileSync(`${path}.lock`, JSON.stringify({ pid, host: os.hostname(), began: null }))
          assert.strictEqual((yield* run(path, ["text 1"])).sent, 1)
          assert.isFalse(fs.existsSync(`${path}.lock`))
        }).pipe(Effect.provide(mock)))
    }

    const obstacles: ReadonlyArray<readonly [name: string, make: (lock: string) => void]> = [
      ["a directory of this name", (lock) => fs.mkdirSync(lock)],
      ["a symbolic link of this name, to a file that does not exist", (lock) => fs.symlinkSync("/none/at/all", lock)]
    ]
    for (const [name, make] of obstacles) {
      it.effect(`cannot be taken where there is ${name}`, () =>
        Effect.gen(function*() {
          const path = yield* file
          make(`${path}.lock`)
          const error = yield* Effect.flip(run(path, ["text 1"]))
          assert.isTrue(error._tag === "JournalError" && error.reason._tag === "FileFailure")
          assert.include(error.message, `${path}.lock could not be created: there is ${name}. Remove it`)
          assert.isDefined(fs.lstatSync(`${path}.lock`))
        }).pipe(Effect.provide(mock)))
    }

    it.effect("is not taken over from a file of another program", () =>
      Effect.gen(function*() {
        const path = yield* file
        for (const content of ["important", "[1]", "{}"]) {
          fs.writeFileSync(`${path}.lock`, content)
          const error = yield* Effect.flip(run(path, ["text 1"]))
          assert.include(error.message, `${path}.lock could not be created`)
          assert.strictEqual(fs.readFileSync(`${path}.lock`, "utf8"), content)
        }
      }).pipe(Effect.provide(mock)))

    it.effect("is taken over after a power failure that left an empty file, or zeros", () =>
      Effect.gen(function*() {
        const path = yield* file
        for (const content of ["", "\0".repeat(70)]) {
          fs.writeFileSync(`${path}.lock`, content)
          yield* run(path, ["text 1"])
          assert.isFalse(fs.existsSync(`${path}.lock`))
        }
      }).pipe(Effect.provide(mock)))

    it.effect("of another process that took it over is not removed", () =>
      Effect.gen(function*() {
        const path = yield* file
        yield* Effect.sync(() => fs.writeFileSync(`${path}.lock`, "{\"pid\":1,\"other\":true}")).pipe(withJournal(path))
        assert.isTrue(fs.existsSync(`${path}.lock`))
      }))

    it.effect("applies within a process and to other machines, and admits one of many at once", () =>
      Effect.gen(function*() {
        const path = yield* file
        const open = Effect.as(Journal.Journal, "open").pipe(withJournal(path), Effect.result)
        const inside = yield* open.pipe(withJournal(path))
        assert.isTrue(Result.isFailure(inside) && inside.failure.reason._tag === "Locked")
        fs.writeFileSync(`${path}.lock`, JSON.stringify({ pid: 1, host: "elsewhere", began: null }))
        const elsewhere = yield* open
        assert.isTrue(Result.isFailure(elsewhere) && elsewhere.failure.message.includes("elsewhere"))
        // A lock file that was lost in part when the power failed.
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

  it.effect("contains the answer before its item leaves the batch", () =>
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
