import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import { Extraction } from "effect-instructor"
import { MockLlm } from "effect-instructor/testing"

const fields = Object.fromEntries(Array.from({ length: 90 }, (_, i) => [`f${i}`, Schema.Int]))
const Wide = Schema.Struct(fields)
const groups = [0, 1, 2].map((group) => Array.from({ length: 30 }, (_, i) => `f${30 * group + i}`))
const value = Object.fromEntries(Object.keys(fields).map((name, i) => [name, i]))

/** Answers what the schema of the request asks for. */
const model = MockLlm.layer(({ output }) => {
  assert(output.mode !== "text")
  const names = Object.keys(output.jsonSchema["properties"] as object)
  return Object.fromEntries(names.map((name) => [name, value[name]!]))
})

describe("split", () => {
  it.effect("asks for each group, and joins them", () =>
    Effect.gen(function*() {
      const { attempts, value: joined } = yield* Extraction.extractDetailed(
        Extraction.split(Extraction.make({ schema: Wide }), groups.slice(0, 2)),
        "x"
      )
      assert.deepStrictEqual(joined, value)
      assert.strictEqual(attempts, 3)
      const requests = yield* MockLlm.requests
      assert.strictEqual(new Set(requests.map(({ messages }) => JSON.stringify(messages))).size, 1)
    }).pipe(Effect.provide(model)))

  it.effect("works with classes and JSON Schema, and runs the checks of the whole", () =>
    Effect.gen(function*() {
      class Pair extends Schema.Class<Pair>("Pair")({ f0: Schema.Int, f1: Schema.Int }) {}
      const pair = yield* Extraction.extract(Extraction.split(Pair, [["f0"], ["f1"]]), "x")
      assert.instanceOf(pair, Pair)
      const document = {
        type: "object",
        properties: { f0: { type: "integer" }, f1: { type: "integer" } },
        required: ["f0", "f1"]
      }
      const json = Result.getOrThrow(Extraction.fromJsonSchema(document))
      assert.deepStrictEqual(yield* Extraction.extract(Extraction.split(json, [["f0"]]), "x"), { f0: 0, f1: 1 })
      const checked = Extraction.split(Extraction.check(json, () => "no"), [["f0"]])
      const error = yield* Effect.flip(Extraction.extract(checked, "x"))
      assert.strictEqual(error.reason._tag, "InvalidOutput")
    }).pipe(Effect.provide(model)))

  it.effect("says which field there is not", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Extraction.extract(Extraction.split(Wide, [["g"]]), "x"))
      assert(error.reason._tag === "InvalidInput")
      assert.include(error.reason.description, "\"g\"")
    }).pipe(Effect.provide(model)))
})
