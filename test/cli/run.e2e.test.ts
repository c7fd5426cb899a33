import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Usage } from "effect-instructor"
import { Fault, Reply } from "effect-instructor/testing"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Command from "../support/command.ts"

const timeout = 120_000

const jsonl = (texts: ReadonlyArray<string>) => texts.map((text) => `${JSON.stringify({ text })}\n`).join("")

const basic = ["--schema", "person.ts#Person", "--input", "texts.txt", "--output", "out.jsonl"]

/** A simulator, and a folder with a schema, texts and other files. */
const setup = (
  files: Readonly<Record<string, string | Uint8Array>> = {},
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
    return {
      cwd,
      ledger,
      env,
      at: (name: string) => path.join(cwd, name),
      run: (args: ReadonlyArray<string>, input?: string) => Command.run(["run", ...args], { cwd, env, input }),
      start: (args: ReadonlyArray<string>) => Command.start(["run", ...args], { cwd, env })
    }
  })

const ids = (lines: ReadonlyArray<Command.OutputLine>) => lines.map(({ id }) => id)

describe("run", () => {
  it.live("writes one line for each input, and exits with 0", () =>
    Effect.gen(function*() {
      const { at, cwd, run } = yield* setup()
      const { code, stderr, stdout } = yield* run(basic)
      assert.strictEqual(stdout, "")
      assert.include(stderr, "5 succeeded, 0 failed")
      assert.match(stderr, /tokens in, [\d,]+ out, \$0\.\d+,/)
      assert.strictEqual(code, 0)
      const lines = Command.readLines(cwd, "out.jsonl").toSorted((a, b) => a.index - b.index)
      assert.deepStrictEqual(ids(lines), ["0", "1", "2", "3", "4"])
      const { usage, ...first } = lines[0]!
      assert.deepStrictEqual(first, {
        index: 0,
        id: "0",
        status: "ok",
        value: { name: "Person 0", age: 0 },
        attempts: 1
      })
      assert.sameMembers(Object.keys(usage), Object.keys(Usage.zero))
      assert.isTrue(fs.existsSync(at("out.jsonl.journal")))
      assert.isFalse(fs.existsSync(at("out.jsonl.journal.lock")))
    }), timeout)

  it.live("stays within its budget, and resumes with a larger one", () =>
    Effect.gen(function*() {
      const { cwd, run } = yield* setup({ "texts.txt": `${Command.people(30).join("\n")}\n` }, {
        answer: (request) =>
          Reply.withUsage(Command.answerPerson(request) as Reply.Input, { inputTokens: 100, outputTokens: 8000 })
      })
      // An answer can cost $0.074, and costs $0.036.
      const limited = yield* run([...basic, "--concurrency", "2", "--budget-usd", "0.5"])
      assert.strictEqual(limited.code, 4)
      assert.include(limited.stderr, "The budget of $0.5 does not cover the next request")
      const done = Command.readLines(cwd, "out.jsonl").length
      assert.isTrue(done >= 10 && done <= 13, String(done))
      const rest = yield* run([...basic, "--budget-usd", "50"])
      assert.strictEqual(rest.code, 0)
      assert.include(rest.stderr, `${30 - done} succeeded, 0 failed, ${done} skipped (already done)`)
    }), timeout)

  it.live("sends nothing that is in its cache", () =>
    Effect.gen(function*() {
      const { ledger, run } = yield* setup()
      for (const _ of [1, 2]) {
        const { code } = yield* run([...basic, "--restart", "--cache", "answers.sqlite"])
        assert.strictEqual(code, 0)
      }
      assert.strictEqual((yield* ledger).requests, 5)
    }), timeout)

  it.live("writes a line for each failed item, and exits with 3", () =>
    Effect.gen(function*() {
      const { cwd, run } = yield* setup({ "texts.txt": "Ada is 36\nnobody\nsecret\n" }, {
        answer: (request) => request.text === "secret" ? Reply.refusal("No.") : Command.answerPerson(request)
      })
      const { code, stderr } = yield* run([...basic, "--ordered", "--max-attempts", "2"])
      assert.strictEqual(code, 3)
      assert.include(stderr, "1 succeeded, 2 failed (")
      const lines = Command.readLines(cwd, "out.jsonl")
      assert.deepStrictEqual(lines.map(({ status }) => status), ["ok", "error", "error"])
      assert.strictEqual(lines[1]!.error!.reason, "InvalidOutput")
      assert.deepStrictEqual(lines[1]!.error!.issues!.map(({ path }) => path), [["age"]])
      assert.strictEqual(lines[1]!.attempts, 2)
      assert.deepStrictEqual(lines[2]!.error, {
        reason: "Refused",
        message: "The model refused to answer: No.\nChange the instructions or the text, or use another model"
      })
    }), timeout)

  it.live("exits with 4 after an unrecoverable failure, and resumes", () =>
    Effect.gen(function*() {
      let isOpen = false
      const { cwd, run } = yield* setup({}, {
        answer: (request) => isOpen ? Command.answerPerson(request) : Fault.insufficientQuota
      })
      const { code, stderr } = yield* run(basic)
      assert.strictEqual(code, 4)
      assert.include(stderr, "The batch stopped, because every further item would fail in the same way")
      assert.deepStrictEqual(Command.readLines(cwd, "out.jsonl"), [])
      isOpen = true
      assert.strictEqual((yield* run(basic)).code, 0)
      assert.sameMembers([...ids(Command.readLines(cwd, "out.jsonl"))], ["0", "1", "2", "3", "4"])
    }), timeout)

  it.live("stops at --max-failures, and exits with 4", () =>
    Effect.gen(function*() {
      const { run } = yield* setup({}, { answer: () => Reply.refusal("No.") })
      const { code, stderr } = yield* run([...basic, "--max-failures", "2", "--concurrency", "1"])
      assert.strictEqual(code, 4)
      assert.include(stderr, "The batch stopped after 2 of 2 items failed")
    }), timeout)

  it.live("sends only the missing items of an existing output", () =>
    Effect.gen(function*() {
      const { cwd, ledger, run } = yield* setup()
      assert.strictEqual((yield* run([...basic, "--limit", "2"])).code, 0)
      assert.strictEqual(Command.readLines(cwd, "out.jsonl").length, 2)
      const { code, stderr } = yield* run([...basic, "--ordered"])
      assert.strictEqual(code, 0)
      assert.include(stderr, "3 succeeded, 0 failed, 2 skipped (already done)")
      assert.deepStrictEqual(ids(Command.readLines(cwd, "out.jsonl")), ["0", "1", "2", "3", "4"])
      assert.strictEqual((yield* ledger).requests, 5)
    }), timeout)

  it.live("runs only the items again that a changed input or schema affects", () =>
    Effect.gen(function*() {
      const { at, cwd, ledger, run } = yield* setup()
      yield* run(basic)
      fs.writeFileSync(at("texts.txt"), `Ada is 36\n${Command.people(5).toReversed().slice(0, 4).join("\n")}\n`)
      assert.strictEqual((yield* run([...basic, "--ordered"])).code, 0)
      assert.strictEqual((yield* ledger).requests, 6)
      assert.deepStrictEqual(
        Command.readLines(cwd, "out.jsonl").map(({ index, value }) => [index, value.name]),
        [[0, "Ada"], [1, "Person 4"], [2, "Person 3"], [3, "Person 2"], [4, "Person 1"]]
      )
      const changed = [...basic, "--instructions", "Who is it?"]
      const refused = yield* run(changed)
      assert.strictEqual(refused.code, 1)
      assert.include(refused.stderr, "has 6 finished items, and none of the inputs is one of them")
      assert.include(refused.stderr, "5 items would be sent again. Use --yes to do so")
      assert.strictEqual((yield* ledger).requests, 6)
      assert.strictEqual((yield* run([...changed, "--yes"])).code, 0)
      assert.strictEqual((yield* ledger).requests, 11)
      assert.strictEqual(Command.readLines(cwd, "out.jsonl").length, 5)
    }), timeout)

  it.live("runs failed items again, except with --no-retry-failures", () =>
    Effect.gen(function*() {
      let isOpen = false
      const { cwd, ledger, run } = yield* setup({}, {
        answer: (request) => isOpen ? Command.answerPerson(request) : Reply.refusal("No.")
      })
      assert.strictEqual((yield* run(basic)).code, 3)
      isOpen = true
      assert.strictEqual((yield* run([...basic, "--no-retry-failures"])).code, 3)
      assert.strictEqual((yield* ledger).requests, 5)
      assert.strictEqual((yield* run(basic)).code, 0)
      assert.strictEqual(Command.readLines(cwd, "out.jsonl").length, 5)
    }), timeout)

  it.live("refuses an output that it did not write, except with --restart", () =>
    Effect.gen(function*() {
      const { at, cwd, ledger, run } = yield* setup({ "out.jsonl": "mine\n" })
      const { code, stderr } = yield* run(basic)
      assert.strictEqual(code, 1)
      assert.include(stderr, "--restart")
      assert.strictEqual(fs.readFileSync(at("out.jsonl"), "utf8"), "mine\n")
      assert.strictEqual((yield* run([...basic, "--restart"])).code, 0)
      assert.strictEqual((yield* run([...basic, "--restart"])).code, 0)
      assert.strictEqual(Command.readLines(cwd, "out.jsonl").length, 5)
      assert.strictEqual((yield* ledger).requests, 10)
    }), timeout)

  it.live("takes ids from a field, and fails items whose id is not unique", () =>
    Effect.gen(function*() {
      const { cwd, run } = yield* setup({
        "in.jsonl": [
          { key: "a", text: "Ada is 36" },
          { key: 7, text: "Alan is 41" },
          { key: "a", text: "Grace is 85" }
        ].map((line) => JSON.stringify(line)).join("\n")
      })
      const { code } = yield* run(
        "--schema person.ts --input in.jsonl --output out.jsonl --id-field key --ordered".split(" ")
      )
      assert.strictEqual(code, 3)
      const lines = Command.readLines(cwd, "out.jsonl")
      assert.deepStrictEqual(lines.map(({ id, status }) => [id, status]), [["a", "ok"], ["7", "ok"], ["a", "error"]])
      assert.include(lines[2]!.error!.message, `The id "a" occurs more than once`)
    }), timeout)

  it.live("reads the standard input and writes the standard output", () =>
    Effect.gen(function*() {
      const { cwd, run } = yield* setup()
      const args = ["--schema", "person.ts", "--input", "-", "--output", "-", "--ordered", "--quiet"]
      for (
        const input of ["\nAda is 36\n\nAlan is 41", jsonl(["Ada is 36", "Alan is 41"]), `"Ada is 36"\n"Alan is 41"\n`]
      ) {
        const { code, stderr, stdout } = yield* run(args, input)
        assert.strictEqual(stderr, "")
        assert.strictEqual(code, 0)
        assert.deepStrictEqual(Command.parseLines(stdout).map(({ value }) => value.name), ["Ada", "Alan"])
      }
      assert.sameMembers(fs.readdirSync(cwd), ["node_modules", "package.json", "person.ts", "texts.txt"])
    }), timeout)

  it.live(
    "prints the results of earlier runs to the standard output, too, if there is a journal",
    () =>
      Effect.gen(function*() {
        const { ledger, run } = yield* setup()
        const args = ["--schema", "person.ts", "--input", "texts.txt", "--output", "-", "--journal", "j", "--ordered"]
        const first = yield* run(args)
        const second = yield* run(args)
        assert.strictEqual(second.stdout, first.stdout)
        assert.strictEqual(Command.parseLines(first.stdout).length, 5)
        assert.strictEqual((yield* ledger).requests, 5)
      }),
    timeout
  )

  it.live("reads CSV with quotes, commas and lines in its cells", () =>
    Effect.gen(function*() {
      const { cwd, run } = yield* setup({
        "in.csv":
          `\uFEFFkey,bio\r\n1,"Ada, ""the first"" is 36"\r\n\r\n2,"Alan\nTuring is 41"\r\n3,Grace, is 85\n4,"open\n5,Linus is 55\n`
      })
      const { code } = yield* run(
        "--schema person.ts --input in.csv --output out.jsonl --text-field bio --id-field key --ordered".split(" ")
      )
      assert.strictEqual(code, 3)
      assert.deepStrictEqual(
        Command.readLines(cwd, "out.jsonl").map(({ error, id, value }) => [id, value?.name ?? error?.message]),
        [
          ["1", `Ada, "the first"`],
          ["2", "Alan\nTuring"],
          ["2", "Line 6 has 3 cells, but the header has 2"],
          ["3", "Line 7 is not CSV: the quote that opens here is not closed"],
          ["5", "Linus"]
        ]
      )
    }), timeout)

  it.live("fails one item for each invalid line, and names the line", () =>
    Effect.gen(function*() {
      const { cwd, run } = yield* setup({
        "in.jsonl": Buffer.concat([
          Buffer.from(`{"text":"Ada is 36"}\n{broken\n\n{"other":1}\n{"text":5}\n[1]\n{"text":" "}\n`),
          Buffer.from([0x22, 0xff, 0x22, 0x0a]),
          Buffer.from(`"${"x".repeat(17 * 1024 * 1024)}"\n"Alan is 41"`)
        ])
      })
      const { code } = yield* run("--schema person.ts --input in.jsonl --output out.jsonl --ordered".split(" "))
      assert.strictEqual(code, 3)
      const lines = Command.readLines(cwd, "out.jsonl")
      assert.deepStrictEqual(lines.map(({ error, value }) => value?.name ?? error!.message.split(":")[0]), [
        "Ada",
        "Line 2 is not JSON",
        `Line 4 has no field "text". Its fields are other`,
        `Line 5 has something other than a string in its field "text". Its fields are text`,
        "Line 6 is neither a JSON object nor a JSON string",
        "The text in line 7 is empty",
        "Line 8 is not valid UTF-8",
        "Line 9 is longer than 16 MB",
        "Alan"
      ])
      for (const { error } of lines) if (error !== undefined) assert.strictEqual(error.reason, "InvalidInput")
    }), timeout)
})
