import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Command from "../support/command.ts"

const files = {
  "city.json": JSON.stringify({ type: "object", properties: { city: { type: "string" } }, required: ["city"] }),
  "texts.txt": "I live in Paris\nI live somewhere\nI live in Rome\n"
}

const read = (cwd: string, name: string) =>
  fs.readFileSync(path.join(cwd, name), "utf8").trim().split("\n").filter((line) => line !== "").map((line) =>
    JSON.parse(line)
  )

describe("run --min-confidence, and export", () => {
  it.live("rates every line, copies the doubtful ones, and exports examples", () =>
    Effect.gen(function*() {
      const { baseUrl } = yield* OpenAiSimulator.make({
        answer: ({ text }) => ({ city: /in (\w+)/.exec(text)?.[1] ?? "London" })
      })
      const cwd = yield* Command.folder(files)
      const run = (args: string) => Command.run(args.split(" "), { cwd, env: { OPENAI_BASE_URL: baseUrl } })
      const command = "run --schema city.json --input texts.txt --output out.jsonl --min-confidence 0.6 --ordered"
      const ended = yield* run(command)
      assert.strictEqual(ended.code, 0, ended.stderr)
      assert.include(ended.stderr, "1 to review in out.jsonl.review.jsonl")
      const lines = read(cwd, "out.jsonl")
      assert.deepStrictEqual(lines.map(({ value }) => value.city), ["Paris", "London", "Rome"])
      assert.deepStrictEqual(lines.map(({ confidence }) => confidence > 0.6), [true, false, true])
      const [review, ...others] = read(cwd, "out.jsonl.review.jsonl")
      assert.strictEqual(others.length, 0)
      assert.deepStrictEqual(review.doubtful[0].path, ["city"])
      const again = yield* run(command)
      assert.strictEqual(again.code, 0, again.stderr)
      assert.deepStrictEqual(
        read(cwd, "out.jsonl").map(({ confidence }) => confidence),
        lines.map((one) => one.confidence)
      )
      const stream = yield* run("run --schema city.json --input texts.txt --output - --min-confidence 0.6")
      assert.strictEqual(stream.code, 1)

      const tuned = yield* run("export out.jsonl --format openai-chat --schema city.json --input texts.txt")
      assert.strictEqual(tuned.code, 0, tuned.stderr)
      const examples = tuned.stdout.trim().split("\n").map((line) => JSON.parse(line))
      assert.strictEqual(examples.length, 3)
      assert.deepStrictEqual(examples[0].messages.slice(1), [
        { role: "user", content: "I live in Paris" },
        { role: "assistant", content: "{\"city\":\"Paris\"}" }
      ])
      const without = yield* run("export out.jsonl --format gemini --input texts.txt")
      assert.strictEqual(without.code, 1)
      assert.include(without.stderr, "--schema")
      const linted = yield* run("schema --schema city.json --lint")
      assert.include(linted.stdout, "$.city: has no description [missing-description")
    }), 120_000)
})
