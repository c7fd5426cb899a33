import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import * as SampleValue from "../../../src/cli/simulation/sampleValue.ts"
import { openAi } from "../../../src/schema/dialects/openai.ts"
import { plain } from "../../../src/schema/dialects/plain.ts"
import * as ResponseSchema from "../../../src/schema/ResponseSchema.ts"
import { sample } from "../../support/schemaSpec.ts"

describe("sampleValue", () => {
  for (const dialect of [openAi, plain]) {
    it.effect.prop(
      `makes a value that decodes, of any schema in the ${dialect.name} dialect`,
      [sample, Schema.String],
      Effect.fnUntraced(function*([{ schema }, text]) {
        const response = Result.getOrThrow(ResponseSchema.make(schema))
        const { jsonSchema } = Result.getOrThrow(response.accepted(dialect))
        const value = SampleValue.make(jsonSchema, text)
        yield* response.decode(response.read(value, true))
        assert.deepStrictEqual(SampleValue.make(jsonSchema, text), value)
      })
    )
  }

  it("takes its words and numbers from the text", () => {
    const schema = {
      type: "object",
      properties: { name: { type: "string" }, age: { type: "integer", minimum: 0, maximum: 120 } }
    }
    assert.deepStrictEqual(SampleValue.make(schema, "born in 1815, Ada is 36"), { name: "Ada", age: 36 })
  })

  it("keeps to what a schema says of numbers, texts and lists", () => {
    const make = (schema: SampleValue.Node) => SampleValue.make(schema, "none")
    assert.strictEqual(make({ type: "number", exclusiveMinimum: 0, maximum: 0.01 }), 0.01)
    assert.strictEqual((make({ type: "string", minLength: 20 }) as string).length >= 20, true)
    assert.strictEqual((make({ type: "string", maxLength: 2 }) as string).length, 2)
    assert.strictEqual((make({ type: "array", items: { type: "null" }, minItems: 5 }) as Array<unknown>).length, 5)
    assert.match(make({ type: "string", format: "date" }) as string, /^20\d\d-\d\d-\d\d$/)
    assert.match(make({ type: "string", pattern: "^[A-Z]{2}-\\d+$" }) as string, /^[A-Z]{2}-\d+$/)
  })

  it("ends, whatever the schema refers to", () => {
    assert.strictEqual(SampleValue.make({ $ref: "#" }, "a"), "a")
    const tree = { type: "object", properties: { next: { $ref: "#" }, list: { type: "array", items: { $ref: "#" } } } }
    assert.isObject(SampleValue.make(tree, "a"))
  })
})
