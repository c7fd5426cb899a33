import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import { anthropic } from "../../../src/schema/dialects/anthropic.ts"
import { google } from "../../../src/schema/dialects/google.ts"
import * as ResponseSchema from "../../../src/schema/ResponseSchema.ts"
import * as SchemaFromJson from "../../../src/schema/SchemaFromJson.ts"
import * as AnthropicSchema from "../../../src/testing/simulators/internal/anthropic/schema.ts"
import { complainOfSchema as complainOfGoogle } from "../../../src/testing/simulators/internal/google/refusal.ts"
import * as Corpus from "../../support/corpus.ts"

const compile = (schema: Schema.Top) =>
  Result.getOrThrow(ResponseSchema.make(schema as unknown as Schema.ConstraintDecoder<unknown>))

const asked = (schema: Schema.Top) => Result.getOrThrow(compile(schema).accepted(anthropic)) as any

const askedGoogle = (schema: Schema.Top) => Result.getOrThrow(compile(schema).accepted(google)) as any

const fields = (prefix: string, count: number, field: Schema.Top): Record<string, Schema.Top> =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`${prefix}${i}`, field]))

const decode = (schema: Schema.Top, json: unknown) => {
  const response = compile(schema)
  return Effect.runSync(response.decode(response.read(json, true)))
}

describe("the dialect anthropic", () => {
  it("has no bounds but in descriptions", () => {
    const { jsonSchema, strict } = asked(Schema.Struct({
      age: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 130 })),
      tags: Schema.Array(Schema.String).check(Schema.isMinLength(1), Schema.isMaxLength(3))
    }))
    assert.isTrue(strict)
    const { age, tags } = jsonSchema.properties
    assert.deepStrictEqual(Object.keys(age).toSorted(), ["description", "type"])
    assert.include(age.description, "between 0 and 130")
    assert.strictEqual(tags.minItems, 1)
    assert.isUndefined(tags.maxItems)
    assert.include(tags.description, "at most 3")
  })

  it("leaves optional properties out, up to 24 of them", () => {
    const { jsonSchema, strict } = asked(Schema.Struct(fields("p", 24, Schema.optional(Schema.String))))
    assert.isTrue(strict)
    assert.deepStrictEqual(jsonSchema.required, [])
    assert.deepStrictEqual(jsonSchema.properties.p0, { type: "string" })
    assert.isUndefined(AnthropicSchema.complain(jsonSchema))
  })

  it("keeps null as a value while there are few unions", () => {
    const { jsonSchema } = asked(Schema.Struct({ a: Schema.NullOr(Schema.String), b: Schema.optionalKey(Schema.Int) }))
    assert.deepStrictEqual(jsonSchema.properties.a, { anyOf: [{ type: "string" }, { type: "null" }] })
    assert.deepStrictEqual(jsonSchema.required, ["a"])
  })

  it("makes optional properties beyond 24 nullable, and 40 in all", () => {
    for (const field of [Schema.optional(Schema.String), Schema.optionalKey(Schema.String)]) {
      const { jsonSchema, strict } = asked(Schema.Struct(fields("p", 40, field)))
      assert.isTrue(strict)
      assert.strictEqual(jsonSchema.required.length, 16)
      assert.isUndefined(AnthropicSchema.complain(jsonSchema))
      assert.isFalse(asked(Schema.Struct(fields("p", 41, field))).strict)
    }
  })

  it("is not strict beyond 16 unions, for recursive schemas, and for any value", () => {
    assert.isTrue(asked(Schema.Struct(fields("p", 16, Schema.NullOr(Schema.String)))).strict)
    assert.isFalse(asked(Schema.Struct(fields("p", 17, Schema.NullOr(Schema.String)))).strict)
    interface Tree {
      readonly children: ReadonlyArray<Tree>
    }
    const Tree: Schema.Codec<Tree> = Schema.Struct({
      children: Schema.Array(Schema.suspend((): Schema.Codec<Tree> => Tree))
    }).annotate({ identifier: "Tree" })
    assert.isFalse(asked(Tree).strict)
    assert.isFalse(asked(Schema.Struct({ any: Schema.Unknown })).strict)
  })

  it("counts a shared definition wherever it is used", () => {
    const Address = Schema.Struct(fields("line", 5, Schema.optionalKey(Schema.String))).annotate({ identifier: "A" })
    assert.isTrue(asked(Schema.Struct(fields("a", 4, Address))).strict)
    const five = asked(Schema.Struct(fields("a", 5, Address)))
    assert.isUndefined(five.strict ? AnthropicSchema.complain(five.jsonSchema) : undefined)
  })

  it("decodes a value from what is left out and from null", () => {
    const schema = Schema.Struct({ name: Schema.String, email: Schema.optional(Schema.String) })
    assert.deepStrictEqual(decode(schema, { name: "Ada" }), { name: "Ada" })
    assert.deepStrictEqual(decode(schema, { name: "Ada", email: null }), { name: "Ada" })
  })
})

describe("the dialect google", () => {
  it("is ordinary JSON Schema with the keywords that Gemini knows", () => {
    const { jsonSchema, strict } = askedGoogle(Schema.Struct({
      name: Schema.String.check(Schema.isPattern(/^[A-Z]/)),
      age: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 130 })),
      kind: Schema.Literals(["a", "b"]),
      note: Schema.optional(Schema.String),
      scores: Schema.Record(Schema.String, Schema.Finite),
      pair: Schema.Tuple([Schema.String, Schema.Boolean])
    }))
    assert.isTrue(strict)
    assert.isUndefined(complainOfGoogle(jsonSchema, "schema"))
    assert.isUndefined(jsonSchema.properties.name.pattern)
    assert.deepInclude(jsonSchema.properties.age, { type: "integer", minimum: 0, maximum: 130 })
    assert.deepStrictEqual(jsonSchema.properties.kind, { type: "string", enum: ["a", "b"] })
    assert.deepStrictEqual(jsonSchema.properties.note, { type: "string" })
    assert.deepStrictEqual(jsonSchema.required, ["name", "age", "kind", "scores", "pair"])
    assert.deepStrictEqual(jsonSchema.propertyOrdering, ["name", "age", "kind", "note", "scores", "pair"])
    assert.deepInclude(jsonSchema.properties.scores.additionalProperties, { type: "number" })
    assert.strictEqual(jsonSchema.properties.pair.prefixItems.length, 2)
  })

  it("has no bounds in a large schema", () => {
    const { jsonSchema } = askedGoogle(Schema.Struct(fields("p", 61, Schema.Int.check(Schema.isGreaterThan(0)))))
    assert.notInclude(JSON.stringify(jsonSchema), "inimum")
  })

  it("accepts a cycle through an optional property, and shows one through a required property in the prompt", () => {
    interface Chain {
      readonly next?: Chain
    }
    const Chain: Schema.Codec<Chain> = Schema.Struct({
      next: Schema.optionalKey(Schema.suspend((): Schema.Codec<Chain> => Chain))
    }).annotate({ identifier: "Chain" })
    assert.isTrue(askedGoogle(Chain).strict)
    interface Tree {
      readonly children: ReadonlyArray<Tree>
    }
    const Tree: Schema.Codec<Tree> = Schema.Struct({
      children: Schema.Array(Schema.suspend((): Schema.Codec<Tree> => Tree))
    }).annotate({ identifier: "Tree" })
    assert.isFalse(askedGoogle(Tree).strict)
  })
})

describe("both", () => {
  const rows = Corpus.rows<{ readonly id: string; readonly schema: unknown }>("json-schemas.jsonl")

  it.skipIf(rows === undefined)(
    `real schemas: the servers accept every strict one${rows === undefined ? ` (${Corpus.missing})` : ""}`,
    { timeout: 30_000 },
    () => {
      let strict = 0
      for (const { id, schema } of rows ?? []) {
        const response = Result.flatMap(SchemaFromJson.make(schema), ResponseSchema.make)
        if (Result.isFailure(response)) continue
        const toAnthropic = Result.getOrUndefined(response.success.accepted(anthropic))
        if (toAnthropic?.strict === true) {
          strict++
          assert.isUndefined(AnthropicSchema.complain(toAnthropic.jsonSchema), id)
        }
        const toGoogle = Result.getOrUndefined(response.success.accepted(google))
        if (toGoogle?.strict === true) assert.isUndefined(complainOfGoogle(toGoogle.jsonSchema, "schema"), id)
      }
      assert.isAbove(strict, 200)
    }
  )

  const Sample = Schema.Struct({
    a: Schema.String,
    b: Schema.optionalKey(Schema.Int),
    c: Schema.Array(Schema.Struct({ d: Schema.NullOr(Schema.Boolean) }))
  })

  it.effect.prop(
    "values at random decode from their natural form",
    { value: Sample },
    ({ value }) => Effect.sync(() => assert.deepStrictEqual(decode(Sample, structuredClone(value)), value))
  )
})
