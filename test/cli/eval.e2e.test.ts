import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Command from "../support/command.ts"

const lines = (...objects: ReadonlyArray<object>) => objects.map((object) => `${JSON.stringify(object)}\n`).join("")

const files = {
  "gold.jsonl": lines(
    { id: "a", value: { name: "Ada", age: 36 } },
    { id: "b", value: { name: "Alan", age: 41 } },
    { id: "c", expected: { name: "Grace", age: 85 } }
  ),
  "good.jsonl": lines(
    { index: 1, id: "b", status: "ok", value: { name: "ALAN", age: 41 } },
    { index: 0, id: "a", status: "ok", value: { name: "Ada", age: 36 } },
    { index: 2, id: "c", status: "ok", value: { name: "Grace", age: 58 } }
  ),
  "bad.jsonl": lines(
    { index: 0, id: "a", status: "ok", value: { name: "Ada", age: 63 } },
    { index: 1, id: "b", status: "error", error: { reason: "Refused", message: "No" } }
  ),
  "broken.jsonl": "{\"id\":\n"
}

describe("eval", () => {
  it.live("scores the results of a run, and compares two runs", () =>
    Effect.gen(function*() {
      const cwd = yield* Command.folder(files)
      const run = (args: string) => Command.run(args.split(" "), { cwd })
      const good = yield* run("eval --gold gold.jsonl --output good.jsonl")
      assert.strictEqual(good.code, 0)
      assert.match(good.stdout, /name +100\.0 % +100\.0 % +100\.0 % +3\nage +66\.7 % /)
      assert.include(good.stdout, "3 items, 66.7 % exact. Mean F1 83.3 %")
      const both = yield* run("eval --gold gold.jsonl --output bad.jsonl --against good.jsonl")
      assert.include(both.stdout, "Failures: Refused 1, Missing 1")
      assert.include(both.stdout, "Against the other: -66.7 %")
      assert.include(both.stderr, "1 of 3 gold values have no result in bad.jsonl")
      const report = JSON.parse((yield* run("eval --gold gold.jsonl --output good.jsonl --json --ignore age")).stdout)
      assert.strictEqual(report.exact, 1)
    }), 60_000)

  it.live("says what is wrong with a file", () =>
    Effect.gen(function*() {
      const cwd = yield* Command.folder(files)
      const none = yield* Command.run(["eval", "--gold", "none.jsonl", "--output", "good.jsonl"], { cwd })
      assert.strictEqual(none.code, 1)
      assert.include(none.stderr, "the file does not exist")
      const broken = yield* Command.run(["eval", "--gold", "gold.jsonl", "--output", "broken.jsonl"], { cwd })
      assert.strictEqual(broken.code, 1)
      assert.include(broken.stderr, "Line 1 of broken.jsonl is not JSON")
    }), 60_000)
})
