/** What a run does to the files around it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Command from "../support/command.ts"

const timeout = 120_000

const basic = ["--schema", "person.ts", "--input", "texts.txt", "--output", "out.jsonl"]

const setup = (
  files: Readonly<Record<string, string>> = {},
  simulator: Partial<OpenAiSimulator.Options> = {}
) =>
  Effect.gen(function*() {
    const { baseUrl, ledger } = yield* OpenAiSimulator.make({ answer: Command.answerPerson, ...simulator })
    const cwd = yield* Command.folder({
      "person.ts": Command.personSchema,
      "texts.txt": `${Command.people(5).join("\n")}\n`,
      ...files
    })
    const env = { OPENAI_BASE_URL: baseUrl }
    const at = (name: string) => path.join(cwd, name)
    return {
      cwd,
      at,
      requests: Effect.map(ledger, ({ requests }) => requests),
      read: (name: string) => fs.readFileSync(at(name), "utf8"),
      run: (args: ReadonlyArray<string>, input?: string) => Command.run(["run", ...args], { cwd, env, input }),
      start: (args: ReadonlyArray<string>) => Command.start(["run", ...args], { cwd, env })
    }
  })

const names = (lines: ReadonlyArray<Command.OutputLine>) =>
  lines.toSorted((a, b) => a.index - b.index).map(({ value }) => value?.name)

const modeOf = (file: string): number => fs.statSync(file).mode & 0o777

const everyone = Command.people(5).map((_, i) => `Person ${i}`)

describe("files of a run", () => {
  it.live("writes to a named pipe as to a stream, and leaves it in place", () =>
    Effect.gen(function*() {
      const { at, cwd, run } = yield* setup()
      execFileSync("mkfifo", [at("pipe")])
      for (const journal of [[], ["--journal", "j"], ["--journal", "j"]]) {
        const reader = yield* Effect.forkChild(
          Effect.promise(() => fs.promises.readFile(at("pipe"), "utf8")),
          { startImmediately: true }
        )
        const { code, stderr } = yield* run([...basic.slice(0, -1), "pipe", ...journal])
        assert.strictEqual(code, 0, stderr)
        assert.deepStrictEqual(names(Command.parseLines(yield* Fiber.join(reader))), everyone)
        assert.isTrue(fs.statSync(at("pipe")).isFIFO())
      }
      assert.isFalse(fs.readdirSync(cwd).some((name) => name.startsWith("pipe.")))
    }), timeout)

  it.live("writes to a device, and neither replaces nor removes it", () =>
    Effect.gen(function*() {
      const { run } = yield* setup()
      for (const flags of [["--journal", "j"], ["--journal", "j"], ["--journal", "j", "--restart"]]) {
        const { code, stderr } = yield* run([...basic.slice(0, -1), "/dev/null", ...flags])
        assert.strictEqual(code, 0, stderr)
        assert.isTrue(fs.statSync("/dev/null").isCharacterDevice())
      }
      assert.isFalse(fs.existsSync("/dev/null.journal"))
    }), timeout)

  it.live("removes no file that is not a journal, to start over", () =>
    Effect.gen(function*() {
      const { read, requests, run } = yield* setup({ "mine.txt": "mine\n" })
      for (
        const [journal, sentence] of [
          ["mine.txt", "mine.txt is not a journal"],
          ["texts.txt", "The journal texts.txt is the input itself"]
        ] as const
      ) {
        const { code, stderr } = yield* run([...basic, "--journal", journal, "--restart"])
        assert.include(stderr, sentence)
        assert.strictEqual(code, 1)
      }
      assert.strictEqual(read("mine.txt"), "mine\n")
      assert.strictEqual(read("texts.txt"), `${Command.people(5).join("\n")}\n`)
      assert.strictEqual(yield* requests, 0)
    }), timeout)

  it.live(
    "leaves files beside its output alone, and keeps the permissions of the output",
    () =>
      Effect.gen(function*() {
        const { at, cwd, read, run } = yield* setup({ "victim": "mine\n", "out.jsonl.sorted": "mine, too\n" })
        fs.symlinkSync("victim", at("out.jsonl.new"))
        assert.strictEqual((yield* run([...basic, "--limit", "2"])).code, 0)
        assert.strictEqual(modeOf(at("out.jsonl")), 0o600)
        assert.strictEqual(modeOf(at("out.jsonl.journal")), 0o600)
        fs.chmodSync(at("out.jsonl"), 0o640)
        assert.strictEqual((yield* run([...basic, "--ordered"])).code, 0)
        assert.deepStrictEqual(names(Command.readLines(cwd, "out.jsonl")), everyone)
        assert.strictEqual(modeOf(at("out.jsonl")), 0o640)
        assert.strictEqual(read("victim"), "mine\n")
        assert.strictEqual(read("out.jsonl.sorted"), "mine, too\n")
        assert.isTrue(fs.lstatSync(at("out.jsonl.new")).isSymbolicLink())
        assert.isFalse(fs.readdirSync(cwd).some((name) => name.startsWith(".effect-instructor")))
      }),
    timeout
  )

  it.live("drops nothing with --limit that is done", () =>
    Effect.gen(function*() {
      const { cwd, requests, run } = yield* setup()
      assert.strictEqual((yield* run(basic)).code, 0)
      assert.strictEqual((yield* run([...basic, "--limit", "3"])).code, 0)
      assert.deepStrictEqual(names(Command.readLines(cwd, "out.jsonl")), everyone)
      assert.strictEqual(yield* requests, 5)
    }), timeout)

  it.live(
    "keeps lines of the output whose records are damaged, until their items have run again",
    () =>
      Effect.gen(function*() {
        const { at, cwd, read, requests, run } = yield* setup()
        assert.strictEqual((yield* run([...basic, "--ordered"])).code, 0)
        // A bit of the answer in each of the last three records.
        const journal = fs.readFileSync(at("out.jsonl.journal"))
        for (const i of [2, 3, 4]) journal[journal.indexOf(`Person ${i}`) + 2]! ^= 4
        fs.writeFileSync(at("out.jsonl.journal"), journal)
        fs.appendFileSync(at("out.jsonl"), `{"note":"mine"}\n{"index":9,"id":"9","sta`)
        const partial = yield* run([...basic, "--limit", "2"])
        assert.include(partial.stderr, "3 lines of out.jsonl.journal are damaged")
        assert.deepStrictEqual(
          read("out.jsonl").split("\n").filter((line) => !line.includes("note") && line !== "").length,
          5
        )
        assert.include(read("out.jsonl"), `{"note":"mine"}\n`)
        assert.strictEqual(yield* requests, 5)
        assert.strictEqual((yield* run([...basic, "--ordered"])).code, 0)
        assert.strictEqual(yield* requests, 8)
        const lines = Command.readLines(cwd, "out.jsonl")
        assert.deepStrictEqual(names(lines.slice(0, 5)), everyone)
        assert.strictEqual(JSON.stringify(lines.slice(5)), `[{"note":"mine"}]`)
      }),
    timeout
  )
})
