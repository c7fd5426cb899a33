import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"
import { asyncBufferFromFile, parquetReadObjects } from "hyparquet"
import * as fs from "node:fs"
import * as path from "node:path"
import { DatabaseSync } from "node:sqlite"
import * as Command from "../support/command.ts"

const timeout = 120_000

const setup = (files: Readonly<Record<string, string>> = {}, apiKey?: string) =>
  Effect.gen(function*() {
    const { baseUrl, ledger } = yield* OpenAiSimulator.make({
      answer: ({ text }) =>
        text.startsWith("Lyon") ? { city: "Lyon", population: 520774 } : Command.answerPerson({ text } as never),
      apiKey
    })
    const cwd = yield* Command.folder({ "texts.txt": "Ada is 36\nAlan is 41\n", ...files })
    const env = { OPENAI_BASE_URL: baseUrl }
    return {
      cwd,
      ledger,
      baseUrl,
      run: (args: ReadonlyArray<string>, more = {}) => Command.run(args, { cwd, env: { ...env, ...more } })
    }
  })

const inline = "{ name, age: int }"

describe("a schema on the command line", () => {
  it.live("needs no file", () =>
    Effect.gen(function*() {
      const { run } = yield* setup()
      const { code, stdout } = yield* run(["extract", "-s", inline, "Ada is 36"])
      assert.deepStrictEqual(JSON.parse(stdout), { name: "Ada", age: 36 })
      assert.strictEqual(code, 0)
      const wrong = yield* run(["extract", "--schema", "{ name, age: in }", "Ada is 36"])
      assert.include(wrong.stderr, "The schema { name, age: in } cannot be used: expected a type")
      assert.strictEqual(wrong.code, 1)
    }), timeout)
})

describe("extract", () => {
  it.live("prints many values as lines, and one that grows", () =>
    Effect.gen(function*() {
      const { baseUrl } = yield* OpenAiSimulator.make({
        answer: ({ text }) =>
          text === "one"
            ? { name: "Ada", age: 36 }
            : { items: [{ name: "Ada", age: 36 }, { name: "Bob", age: text === "bad" ? "old" : 7 }] }
      })
      const cwd = yield* Command.folder({})
      const extract = (...args: ReadonlyArray<string>) =>
        Command.run(["extract", "-s", inline, ...args], { cwd, env: { OPENAI_BASE_URL: baseUrl } })
      const many = yield* extract("--many", "two")
      assert.strictEqual(many.stdout, `{"name":"Ada","age":36}\n{"name":"Bob","age":7}\n`)
      assert.strictEqual(many.code, 0)
      const bad = yield* extract("--many", "bad")
      assert.strictEqual(bad.stdout, `{"name":"Ada","age":36}\n`)
      assert.include(bad.stderr, "Value 2: ")
      assert.strictEqual(bad.code, 3)
      const growing = yield* extract("--stream", "one")
      const states = growing.stdout.trim().split("\n").map((line) => JSON.parse(line))
      assert.isAbove(states.length, 1)
      assert.deepStrictEqual(states.at(-1), { name: "Ada", age: 36 })
      assert.strictEqual(growing.code, 0)
      assert.include((yield* extract("--stream", "--many", "one")).stderr, "Use either --many or --stream")
    }).pipe(Effect.scoped), timeout)
})

describe("parameters", () => {
  it.live("reach the request", () =>
    Effect.gen(function*() {
      const { run } = yield* setup()
      const base = ["run", "-s", inline, "-i", "texts.txt", "-o", "-", "-m", "m", "--dry-run"]
      const parameters = ["--max-tokens", "77", "--temperature", "0.5"]
      const set = ["seed=7", "top_p=0.9", "stop=end", `other={"a":[1]}`].flatMap((pair) => ["--set", pair])
      const { code, stdout } = yield* run([...base, ...parameters, ...set])
      const { max_completion_tokens, model, other, seed, stop, temperature, top_p } = JSON.parse(stdout)
      assert.deepStrictEqual(
        { max_completion_tokens, model, other, seed, stop, temperature, top_p },
        {
          max_completion_tokens: 77,
          model: "m",
          other: { a: [1] },
          seed: 7,
          stop: ["end"],
          temperature: 0.5,
          top_p: 0.9
        }
      )
      assert.strictEqual(code, 0)
    }), timeout)

  it.live("are checked", () =>
    Effect.gen(function*() {
      const { run } = yield* setup()
      const { code, stderr } = yield* run(["extract", "-s", inline, "--set", "seed=many", "Ada is 36"])
      assert.strictEqual(stderr, `--set seed=many: seed cannot be "many"\n`)
      assert.strictEqual(code, 1)
    }), timeout)
})

describe("export", () => {
  it.live("writes SQLite and Parquet files whose columns have types", () =>
    Effect.gen(function*() {
      const line = (index: number, value: unknown) => `${JSON.stringify({ index, status: "ok", value, attempts: 1 })}\n`
      const { cwd, run } = yield* setup({
        "results.jsonl": line(0, { name: "Ada", age: 36, score: 1, tags: ["a"], ok: true, mixed: 1, index: "x" }) +
          line(1, { name: "Al\"an", age: null, score: 1.5, address: { city: "Lyon" }, ok: false, mixed: "one" }) +
          `{"index":2,"status":"error","error":{"reason":"Refused","message":"No"}}\n`
      })
      const expected = [
        { index: 0, name: "Ada", age: 36, score: 1, tags: "[\"a\"]", ok: 1, mixed: "1", index_2: "x" },
        { index: 1, name: "Al\"an", age: null, score: 1.5, tags: null, ok: 0, mixed: "one", index_2: null }
      ].map((row, i) => ({ ...row, "address.city": i === 0 ? null : "Lyon" }))
      const sqlite = yield* run(["export", "results.jsonl", "-o", "a.sqlite"])
      assert.strictEqual(sqlite.stderr, "2 values, 1 failed items left out\n")
      const database = new DatabaseSync(path.join(cwd, "a.sqlite"))
      const rows = database.prepare("SELECT * FROM results").all()
      assert.deepStrictEqual(rows.map((row): unknown => ({ ...row })), expected)
      database.close()
      const parquet = yield* run(["export", "results.jsonl", "-o", "a.parquet", "--failures"])
      assert.strictEqual(parquet.code, 0)
      const file = yield* Effect.promise(() => asyncBufferFromFile(path.join(cwd, "a.parquet")))
      const read = yield* Effect.promise(() => parquetReadObjects({ file }))
      assert.deepStrictEqual(
        read.slice(0, 2).map((row): unknown => ({ ...row })),
        expected.map(({ age, index, ok, ...row }) => ({
          ...row,
          index: BigInt(index),
          age: age === null ? null : BigInt(age),
          ok: ok === 1,
          error: null
        }))
      )
      assert.strictEqual(read[2]!["error"], "Refused: No")
      const piped = yield* run(["export", "results.jsonl", "--format", "sqlite"])
      assert.include(piped.stderr, "--format sqlite needs a file as --output")
      assert.strictEqual(piped.code, 1)
      assert.deepStrictEqual(fs.readdirSync(cwd).filter((name) => name.startsWith(".effect-instructor-")), [])
    }).pipe(Effect.scoped), timeout)

  const results = [
    `{"index":0,"id":"0","status":"ok","value":{"name":"Ada, \\"A\\"","at":{"city":"London"},"tags":["a","b"]},"attempts":1}`,
    `{"index":1,"id":"1","status":"error","error":{"reason":"Refused","message":"No"},"attempts":1}`,
    `{"index":2,"id":"2","status":"ok","value":{"name":"=1+1","age":41,"at":null},"attempts":1}`,
    ""
  ].join("\n")

  it.live("writes the values alone", () =>
    Effect.gen(function*() {
      const { cwd, run } = yield* setup({ "people.jsonl": results, "three.txt": "one\ntwo\nthree\n" })
      const lines = yield* run(["export", "people.jsonl"])
      assert.deepStrictEqual(lines.stdout.trim().split("\n").map((line) => JSON.parse(line).name), [`Ada, "A"`, "=1+1"])
      assert.strictEqual(lines.stderr, "2 values, 1 failed items left out\n")
      yield* run(["export", "people.jsonl", "-o", "people.csv", "--input", "three.txt", "--failures"])
      assert.strictEqual(
        fs.readFileSync(path.join(cwd, "people.csv"), "utf8"),
        [
          "index,text,name,at.city,tags,age,at,error",
          `0,one,"Ada, ""A""",London,"[""a"",""b""]",,,`,
          "1,two,,,,,,Refused: No",
          "2,three,=1+1,,,41,,",
          ""
        ].join("\r\n")
      )
      yield* run(["export", "people.jsonl", "-o", "people.json"])
      assert.strictEqual(JSON.parse(fs.readFileSync(path.join(cwd, "people.json"), "utf8")).length, 2)
      const own = yield* run(["export", "people.jsonl", "-o", "people.jsonl"])
      assert.include(own.stderr, "The output people.jsonl is the results itself")
      assert.strictEqual(fs.readFileSync(path.join(cwd, "people.jsonl"), "utf8"), results)
    }), timeout)
})

describe("doctor", () => {
  it.live("finds nothing wrong, with a test request", () =>
    Effect.gen(function*() {
      const { ledger, run } = yield* setup()
      const { code, stdout } = yield* run(["doctor"])
      assert.match(stdout, /^ok {7}Node 2\d\.\d+\.\d+\nok {7}effect 4\.1\.\d+\n/)
      assert.match(stdout, /ok {7}gpt-5\.4-mini answered in .* with \d+ tokens in and \d+ out\n$/)
      assert.notInclude(stdout, "problem")
      assert.strictEqual(code, 0)
      assert.strictEqual((yield* ledger).requests, 1)
    }), timeout)

  it.live("says what is missing, and shows no key", () =>
    Effect.gen(function*() {
      const { run } = yield* setup({}, "sk-right")
      const nothing = yield* run(["doctor"], { OPENAI_BASE_URL: "" })
      assert.include(nothing.stdout, "problem  No key and no server\n         Set OPENAI_API_KEY")
      assert.strictEqual(nothing.code, 1)
      const other = yield* run(["doctor", "--model", "groq/some-model"])
      assert.include(other.stdout, "problem  No key and no server\n         Set GROQ_API_KEY")
      const unknown = yield* run(["doctor", "--model", "nobody/some-model"], { OPENAI_BASE_URL: "" })
      assert.include(unknown.stdout, "problem  There is no provider \"nobody\"")
      const wrong = yield* run(["doctor"], { OPENAI_API_KEY: "sk-wrong-and-secret" })
      assert.include(wrong.stdout, "problem  A test request to gpt-5.4-mini failed")
      assert.notInclude(wrong.stdout, "secret")
      assert.strictEqual(wrong.code, 1)
      const quiet = yield* run(["doctor", "--no-request"], { OPENAI_API_KEY: "sk-wrong-and-secret" })
      assert.strictEqual(quiet.code, 0)
    }), timeout)
})
