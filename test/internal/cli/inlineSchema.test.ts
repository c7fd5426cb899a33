import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import { Extraction } from "effect-instructor"
import { MockLlm } from "effect-instructor/testing"
import * as InlineSchema from "../../../src/cli/options/inlineSchema.ts"

const parsed = (source: string) => Result.getOrThrow(InlineSchema.parse(source))
const why = (source: string) => Result.getOrThrow(Result.flip(InlineSchema.parse(source)))

describe("inlineSchema", () => {
  it("reads fields, optional fields, lists, literals, unions and objects", () => {
    assert.deepStrictEqual(parsed(`{ name, age: int; tags: string[], email?: string }`), {
      type: "object",
      properties: {
        name: { type: "string" },
        age: { type: "integer" },
        tags: { type: "array", items: { type: "string" } },
        email: { type: "string" }
      },
      required: ["name", "age", "tags"]
    })
    assert.deepStrictEqual(parsed(`{ kind: "a" | 'b' | 3 | null, at: { "the city": date }[] }`), {
      type: "object",
      properties: {
        kind: { anyOf: [{ enum: ["a", "b", 3] }, { type: "null" }] },
        at: {
          type: "array",
          items: {
            type: "object",
            properties: { "the city": { type: "string", format: "date" } },
            required: ["the city"]
          }
        }
      },
      required: ["kind", "at"]
    })
    assert.deepStrictEqual(parsed("[(int | bool)]"), {
      type: "array",
      items: { anyOf: [{ type: "integer" }, { type: "boolean" }] }
    })
    assert.deepStrictEqual(parsed(`{ "type": "object", "properties": {} }`), { type: "object", properties: {} })
  })

  it("says what is wrong, and where", () => {
    assert.match(why("{ name, age: in }"), /^expected a type \(string, .*got "in" at 14$/)
    assert.strictEqual(why("{ name"), "expected , or }, got its end")
    assert.strictEqual(why("{ a, a }"), `it has the field "a" twice`)
    assert.strictEqual(why("{}"), "it has no fields")
    assert.strictEqual(why("{ a } b"), `expected its end, got "b" at 7`)
    assert.strictEqual(why("{ a% }"), `it has "%" at 4`)
    assert.strictEqual(why("[".repeat(50)), "it is nested too deeply")
    assert.strictEqual(why("{ a: (int }"), "a ( has no )")
  })

  it("knows a schema from the name of a file", () => {
    assert.deepStrictEqual(["{a}", " [a]", "a.ts", "a.json", "C:{a}"].map(InlineSchema.isInline), [
      true,
      true,
      false,
      false,
      false
    ])
  })

  it.effect("keeps fields with the names of an object's own members", () =>
    Effect.gen(function*() {
      const document = parsed("{ __proto__, constructor: int }")
      const extraction = yield* Effect.fromResult(Extraction.fromJsonSchema(document))
      const value = JSON.parse(`{"__proto__":"a","constructor":1}`)
      const extracted = yield* Extraction.extract(extraction, "x").pipe(Effect.provide(MockLlm.layer([value])))
      assert.strictEqual(JSON.stringify(extracted), `{"__proto__":"a","constructor":1}`)
    }))

  it.prop("never throws", [
    Schema.Array(
      Schema.Literals(["{", "}", "[", "]", "(", ")", "a", ":", "?", ",", "int", "|", "\"x\"", " ", "'", "-1"])
    )
  ], ([parts]) => {
    const result = InlineSchema.parse(parts.join(""))
    if (Result.isFailure(result)) assert.isNotEmpty(result.failure)
    else assert.doesNotThrow(() => Extraction.fromJsonSchema(result.success))
  })
})
