import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"
import * as fs from "node:fs"
import * as path from "node:path"
import { root, runScript } from "./support/script.ts"

const folder = path.join(root, "examples")
const run = (name: string, env: Readonly<Record<string, string>> = {}) =>
  runScript(path.join(folder, `${name}.ts`), env, [], withTsx.has(name) ? undefined : [])

/** Node itself runs the others, in two thirds of the time. */
const withTsx: ReadonlySet<string> = new Set(["batch-of-three", "resumable-batch", "streaming-people"])

const simulated = "No OPENAI_API_KEY: the answers come from a simulator, over HTTP.\n"

/** What each prints without a key. */
const expected: Readonly<Record<string, string>> = {
  "batch-of-three": "John is 30\nMaria is 25\nAlex is 42\n",
  "rate-limited-batch": [
    "Processing: My name is John...",
    "Processing: Her name is Mar...",
    "Processing: This is Alex, w...",
    "Processing: Meet Sarah, 38 ...",
    "Processing: A man named Mic...",
    "John is 30",
    "Maria is 25",
    "Alex is 42",
    "Sarah is 38",
    "Michael is 45",
    ""
  ].join("\n"),
  "people-from-file": [
    "1. John, 30",
    "2. Maria, 25",
    "3. Alex, 42",
    "4. Sarah, 38",
    "5. Michael, 45",
    "6. refused: This text is marked confidential, so I will not process it.",
    "7. no valid answer: name: Expected string, age: Expected number",
    "8. Zoë, 29",
    "9. no valid answer: name: Expected string, age: Expected number",
    ""
  ].join("\n"),
  "zod-schema": "John is 30\n",
  "resumable-batch": [
    "person-0: John",
    "person-1: Maria",
    "2 extracted, 0 from the journal",
    "person-0: John (restored)",
    "person-1: Maria (restored)",
    ""
  ].join("\n"),
  "distributed-batch": "100 people, the last is Person 99\nfinished: 100 succeeded, 0 wait\n",
  "checks-and-reask": "Emma is 2, after 2 attempts and 12 output tokens\n",
  "local-server": "Lyon, France\n",
  "cached-batch": "John, Maria, Alex, Alex: 3 sent, 1 from the cache\n" +
    "John, Maria, Alex, Alex: 0 sent, 4 from the cache\n",
  "budgeted-batch": [
    "5 requests will cost about $0.0009",
    "With $0.001: BudgetExceeded",
    "With $1: done, 230 input tokens",
    ""
  ].join("\n"),
  "streaming-people": [
    "1. Sarah, 38",
    "2. Alex, 42",
    "3. [2].age: Expected a value between 0 and 120",
    "4. Maria, 25",
    "4 people, 72 tokens",
    ""
  ].join("\n"),
  "within-limits": "200 people, 0 refusals\n"
}

describe("examples", () => {
  for (const [name, output] of Object.entries(expected)) {
    it.live(`${name} prints its output and ends`, () =>
      Effect.gen(function*() {
        const { code, stderr, stdout } = yield* run(name)
        assert.strictEqual(stdout.slice(0, output.length), output)
        if (name !== "within-limits") {
          assert.strictEqual(
            stderr,
            name === "distributed-batch"
              ? ""
              : name === "local-server"
              ? simulated.replace("OPENAI_API_KEY", "OPENAI_BASE_URL")
              : simulated
          )
        }
        assert.strictEqual(code, 0)
      }), 60_000)
  }

  it.live("mock-in-a-test passes", () =>
    Effect.gen(function*() {
      const { code, stdout } = yield* run("mock-in-a-test")
      assert.include(stdout, "pass 1")
      assert.strictEqual(code, 0)
    }), 60_000)

  it.live(
    "shared-redis-cache shares its answers, and works without a Redis",
    () =>
      Effect.gen(function*() {
        const { code, stdout } = yield* run("shared-redis-cache")
        assert.include(stdout, "one worker: 2 sent, 0 from the cache\n")
        assert.match(stdout, /another worker: (?:0 sent, 2|2 sent, 0) from the cache\n/)
        assert.strictEqual(code, 0)
        const without = yield* run("shared-redis-cache", { REDIS_URL: "redis://127.0.0.1:1" })
        assert.include(without.stdout, "The store of the cache cannot be opened")
        assert.include(without.stdout, "another worker: 2 sent, 0 from the cache\n")
        assert.strictEqual(without.code, 0)
      }),
    60_000
  )

  it.live("send requests to the configured server with the configured key", () =>
    Effect.gen(function*() {
      const { baseUrl, ledger } = yield* OpenAiSimulator.make({
        answer: () => ({ name: "Ada", age: 36 }),
        apiKey: "sk-mine"
      })
      const { stderr, stdout } = yield* run("batch-of-three", { OPENAI_API_KEY: "sk-mine", OPENAI_BASE_URL: baseUrl })
      assert.strictEqual(stderr, "")
      assert.strictEqual(stdout, "Ada is 36\nAda is 36\nAda is 36\n")
      assert.strictEqual((yield* ledger).requests, 3)
    }), 60_000)

  it("are all tested, and have fewer than 60 lines", () => {
    const files = fs.readdirSync(folder).filter((file) => file.endsWith(".ts") && file !== "support.ts")
    assert.sameMembers(
      files,
      [...Object.keys(expected), "mock-in-a-test", "shared-redis-cache", "streaming-to-browser"].map((name) =>
        `${name}.ts`
      )
    )
    for (const file of files) {
      assert.isBelow(fs.readFileSync(path.join(folder, file), "utf8").split("\n").length, 60, file)
    }
  })
})
