import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Fault, Reply } from "effect-instructor/testing"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Command from "../support/command.ts"

const timeout = 120_000

const files = {
  "person.ts": Command.personSchema,
  "extraction.js": `
    import { Schema } from "effect"
    import { Extraction } from "effect-instructor"
    export default Extraction.make({
      schema: Schema.Struct({ name: Schema.String, born: Schema.DateFromString }),
      name: "citizen",
      instructions: "Who was born when?",
      mode: "tools",
      model: "from-the-extraction"
    })
  `,
  "city.schema.json": JSON.stringify({
    title: "City",
    type: "object",
    properties: { city: { type: "string" } },
    required: ["city"]
  }),
  "instructions.txt": "From a file",
  "texts.txt": `${Command.people(12).join("\n")}\n`
}

const setup = (simulator: Partial<OpenAiSimulator.Options> = {}) =>
  Effect.gen(function*() {
    const { baseUrl, ledger } = yield* OpenAiSimulator.make({ answer: Command.answerPerson, ...simulator })
    const cwd = yield* Command.folder(files)
    const env = { OPENAI_BASE_URL: baseUrl }
    return {
      baseUrl,
      cwd,
      ledger,
      run: (args: string, input?: string) => Command.run(args.split(" "), { cwd, env, input }),
      env
    }
  })

describe("extract", () => {
  it.live("prints one value, from an argument or from the standard input", () =>
    Effect.gen(function*() {
      const { cwd, env, run } = yield* setup()
      const text = "Ada is 36"
      const args = ["extract", "--schema", "person.ts"]
      for (
        const ended of [
          yield* Command.run([...args, text], { cwd, env }),
          yield* run(args.join(" "), text),
          yield* run([...args, "-"].join(" "), text)
        ]
      ) {
        assert.strictEqual(ended.stderr, "")
        assert.deepStrictEqual(JSON.parse(ended.stdout), { name: "Ada", age: 36 })
        assert.strictEqual(ended.code, 0)
      }
    }), timeout)

  it.live(
    "flags override the settings of an Extraction; a Date is printed as a string",
    () =>
      Effect.gen(function*() {
        const { ledger, run } = yield* setup({ answer: () => ({ name: "Ada", born: "1815-12-10T00:00:00.000Z" }) })
        const own = yield* run("extract --schema extraction.js Ada")
        assert.deepStrictEqual(JSON.parse(own.stdout), { name: "Ada", born: "1815-12-10T00:00:00.000Z" })
        yield* run("extract --schema extraction.js --mode json --model flag --instructions-file instructions.txt Ada")
        const [first, second] = (yield* ledger).entries.map(({ request }) => request)
        assert.strictEqual(first!.model, "from-the-extraction")
        assert.strictEqual(first!.mode, "tools")
        assert.include(JSON.stringify(first!.body), "Who was born when?")
        assert.strictEqual(second!.model, "flag")
        assert.strictEqual(second!.mode, "json")
        assert.include(JSON.stringify(second!.body), "From a file")
      }),
    timeout
  )

  it.live("exits with 3 after a failure, and with 4 after an unrecoverable one", () =>
    Effect.gen(function*() {
      const { run } = yield* setup({
        answer: ({ text }) => text === "secret" ? Reply.refusal("No\u001b[2J.") : Fault.insufficientQuota
      })
      const refused = yield* run("extract --schema person.ts secret")
      assert.strictEqual(refused.code, 3)
      assert.include(refused.stderr, "The model refused to answer: No[2J.")
      assert.strictEqual((yield* run("extract --schema person.ts Ada")).code, 4)
      assert.strictEqual((yield* run("extract --schema person.ts -", "  ")).code, 1)
    }), timeout)
})

describe("schema", () => {
  it.live("prints the JSON Schema of each mode", () =>
    Effect.gen(function*() {
      const { run } = yield* setup()
      const document = { type: "object", properties: { city: { type: "string" } } }
      const strict = JSON.parse((yield* run("schema --schema city.schema.json")).stdout)
      assert.deepInclude(strict, { ...document, required: ["city"], additionalProperties: false })
      const natural = JSON.parse((yield* run("schema --schema city.schema.json --mode json")).stdout)
      assert.deepInclude(natural, document)
    }), timeout)
})

describe("run", () => {
  it.live("stays within the limits of its flags where the server reports none", () =>
    Effect.gen(function*() {
      const { ledger, run } = yield* setup({
        limits: { requestsPerMinute: 300, quantised: true, headers: false }
      })
      const { code } = yield* run(
        "run --schema person.ts --input texts.txt --output out.jsonl --rpm 300 --concurrency adaptive"
      )
      assert.strictEqual(code, 0)
      const { granted, refused } = yield* ledger
      assert.deepStrictEqual({ granted, refused }, { granted: 12, refused: 0 })
    }), timeout)

  it.live(
    "--dry-run prints the first request and an estimate, and sends nothing, not even with a key",
    () =>
      Effect.gen(function*() {
        const { cwd, env, ledger } = yield* setup()
        const args = "run --schema city.schema.json --input texts.txt --output out.jsonl --model small --dry-run".split(
          " "
        )
        for (const environment of [env, {}]) {
          const { code, stderr, stdout } = yield* Command.run(args, { cwd, env: environment })
          const body = JSON.parse(stdout)
          assert.strictEqual(body.model, "small")
          assert.strictEqual(body.messages[1].content, "Person 0 is 0")
          assert.strictEqual(body.response_format.json_schema.name, "City")
          assert.match(
            stderr,
            /^12 requests, if no answer needs a second attempt, about [\d,]+ tokens in and [\d,]+ out, at an unknown price, .*\. Nothing was sent$/m
          )
          assert.strictEqual(code, 0)
        }
        const priced = yield* Command.run([...args.slice(0, -3), "--model", "gpt-4.1-mini", "--dry-run"], { cwd, env })
        assert.match(priced.stderr, /, for \$0\.00\d+, /)
        assert.strictEqual((yield* ledger).requests, 0)
        assert.isFalse(fs.existsSync(path.join(cwd, "out.jsonl")))
      }),
    timeout
  )

  it.live("--progress json prints events, and a summary at the end", () =>
    Effect.gen(function*() {
      const { run } = yield* setup({ latency: "600 millis" })
      const { code, stderr } = yield* run(
        "run --schema person.ts --input texts.txt --output out.jsonl --concurrency 3 --progress json"
      )
      assert.strictEqual(code, 0)
      const events = stderr.trim().split("\n").map((line) => JSON.parse(line))
      const progress = events.slice(0, -1)
      assert.isNotEmpty(progress)
      for (const event of progress) assert.deepInclude(event, { type: "progress", failed: 0, stopping: false })
      assert.isAtMost(progress[0].inFlight, 3)
      assert.deepInclude(events.at(-1), {
        type: "summary",
        outcome: "finished",
        succeeded: 12,
        failed: 0,
        skipped: 0,
        attempts: 12,
        lines: 12,
        errorLines: 0
      })
    }), timeout)

  it.live("draws a progress bar on a terminal, and prints the summary", (context) =>
    Effect.gen(function*() {
      if (spawnSync("script", ["--version"]).status !== 0) {
        return context.skip("skipped: there is no `script` command to make a terminal")
      }
      const { cwd, env } = yield* setup({ latency: "300 millis" })
      const { code, stdout } = yield* Command.runOnTerminal(
        "run --schema person.ts --input texts.txt --output out.jsonl --concurrency 3".split(" "),
        { cwd, env }
      )
      assert.strictEqual(code, 0)
      assert.match(stdout, /█+░+ +\d+% +\d+\/~?12 +[\d.]+\/s/)
      assert.include(stdout, "3 in flight")
      assert.include(stdout, "12 succeeded, 0 failed")
      // The cursor is there again.
      assert.isAbove(stdout.lastIndexOf("\u001b[?25h"), stdout.lastIndexOf("\u001b[?25l"))
    }), timeout)
})

describe("simulate", () => {
  it.live("answers any schema until it is stopped, and the same text in the same way", () =>
    Effect.gen(function*() {
      const { cwd } = yield* setup()
      const { child, ended, stderr } = yield* Command.start(["simulate", "--rpm", "600"], { cwd })
      yield* Effect.repeat(Effect.sleep("20 millis"), { until: () => stderr().includes("stop it") })
      const [baseUrl] = /http:\S+/.exec(stderr())!
      const extract = (...args: ReadonlyArray<string>) =>
        Effect.map(
          Command.run(["extract", ...args, "Ada Lovelace is 36"], { cwd, env: { OPENAI_BASE_URL: baseUrl } }),
          ({ stderr, stdout }) => stdout + stderr
        )
      const first = yield* extract("--schema", "person.ts")
      assert.sameMembers(Object.keys(JSON.parse(first)), ["name", "age"])
      assert.strictEqual(yield* extract("--schema", "person.ts"), first)
      for (const mode of ["tools", "json", "markdown"]) {
        assert.strictEqual(yield* extract("--schema", "person.ts", "--mode", mode), first, mode)
      }
      assert.property(JSON.parse(yield* extract("--schema", "city.schema.json")), "city")
      child.kill("SIGINT")
      const { code, stdout } = yield* ended
      assert.strictEqual(stdout, "")
      assert.strictEqual(code, 130)
    }), timeout)
})
