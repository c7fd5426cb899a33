import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import { anthropic } from "../../../src/schema/dialects/anthropic.ts"
import { google } from "../../../src/schema/dialects/google.ts"
import { openAi } from "../../../src/schema/dialects/openai.ts"
import * as ResponseSchema from "../../../src/schema/ResponseSchema.ts"
import * as SchemaFromJson from "../../../src/schema/SchemaFromJson.ts"
import { complain } from "../../../src/testing/simulators/internal/strictSchema.ts"
import { sample, toStrictForm } from "../../support/schemaSpec.ts"

const compile = <A>(schema: Schema.ConstraintDecoder<A>) =>
  Result.getOrThrow(ResponseSchema.make(schema, { tables: true }))

const jsonOf = (schema: Schema.Constraint, value: unknown) =>
  Effect.map(
    Schema.encodeEffect(Schema.toCodecJson(schema as Schema.Codec<unknown>))(value),
    (json): Schema.Json => JSON.parse(JSON.stringify(json))
  )

/** `optional` decodes null to undefined and encodes undefined as null, so both are left out here. */
const withoutNulls = (json: unknown): unknown =>
  Array.isArray(json)
    ? json.map(withoutNulls)
    : typeof json === "object" && json !== null
    ? Object.fromEntries(Object.entries(json).flatMap(([k, v]) => v === null ? [] : [[k, withoutNulls(v)]]))
    : json

describe("tables", () => {
  it.effect.prop(
    "a value decodes from its tables to what it was, in any schema",
    [sample],
    ([{ schema, value }]) =>
      Effect.gen(function*() {
        const response = compile(schema)
        const json = yield* jsonOf(schema, value)
        const written = response.write(json)
        const read = response.read(written, false)
        assert.isUndefined(read.issue)
        assert.deepStrictEqual(read.json, Result.getOrThrow(ResponseSchema.make(schema)).read(json, false).json)
        assert.deepStrictEqual(
          withoutNulls(yield* jsonOf(schema, yield* response.decode(read))),
          withoutNulls(json)
        )
      }),
    { arbitrary: { runs: 500 }, timeout: 60_000 }
  )

  it.effect.prop(
    "an answer in the ordinary or the strict form decodes as without tables",
    [sample],
    ([{ schema, spec, value }]) =>
      Effect.gen(function*() {
        const response = compile(schema)
        const plain = Result.getOrThrow(ResponseSchema.make(schema))
        const json = yield* jsonOf(schema, value)
        for (const form of [json, toStrictForm(spec, json)]) {
          const answer = response.wrapper === undefined ? form : { [response.wrapper]: form }
          assert.deepStrictEqual(response.read(answer, true).json, plain.read(answer, true).json)
        }
      }),
    { arbitrary: { runs: 300 }, timeout: 60_000 }
  )

  it.effect.prop(
    "the schema of an answer with tables accepts it, and strict validators accept the schema",
    [sample],
    ([{ schema, value }]) =>
      Effect.gen(function*() {
        const response = compile(schema)
        const written = response.write(yield* jsonOf(schema, value))
        const validate = Result.getOrThrow(SchemaFromJson.make(response.jsonSchema))
        yield* Schema.decodeUnknownEffect(validate)(written)
        const strict = response.accepted(openAi)
        if (Result.isSuccess(strict) && strict.success.strict) {
          assert.isUndefined(complain(strict.success.jsonSchema))
        }
        for (const dialect of [anthropic, google]) assert.isTrue(Result.isSuccess(response.accepted(dialect)))
      }),
    { arbitrary: { runs: 300 }, timeout: 60_000 }
  )

  const Line = Schema.Struct({
    sku: Schema.String.annotate({ description: "as printed" }),
    price: Schema.NullOr(Schema.Finite),
    note: Schema.optionalKey(Schema.String)
  })
  const Invoice = Schema.Struct({ number: Schema.String, lines: Schema.Array(Line) })
  const response = compile(Invoice)

  it("describe their columns once", () => {
    assert.deepStrictEqual((response.jsonSchema as any).properties.lines, {
      type: "object",
      description: "A table: each row has one cell for each column, in the order of the columns; null for none",
      properties: {
        columns: {
          type: "array",
          items: { type: "string", enum: ["sku", "price", "note"] },
          description: "sku: as printed"
        },
        rows: {
          type: "array",
          items: {
            type: "array",
            items: { anyOf: [{ type: "string" }, { type: "number" }, { type: "null" }] }
          }
        }
      },
      required: ["columns", "rows"],
      additionalProperties: false
    })
  })

  it("may have their columns in any order, and lack optional ones", () => {
    const read = response.read(
      { number: "1", lines: { columns: ["price", "sku"], rows: [[1.5, "A"], [null, "B"]] } },
      false
    )
    assert.deepStrictEqual(read.json, { number: "1", lines: [{ price: 1.5, sku: "A" }, { price: null, sku: "B" }] })
  })

  for (
    const [name, lines, path] of [
      ["a row that is too short", { columns: ["sku", "price"], rows: [["A", 1], ["B"]] }, ["lines", "rows", 1]],
      ["a row that is too long", { columns: ["sku", "price"], rows: [["A", 1, 2]] }, ["lines", "rows", 0]],
      ["a column that there is not", { columns: ["sku", "cost"], rows: [] }, ["lines", "columns", 1]],
      ["a column twice", { columns: ["sku", "sku"], rows: [["A", "B"]] }, ["lines", "columns"]],
      ["a row that is none", { columns: ["sku", "price"], rows: ["A"] }, ["lines", "rows", 0]],
      ["no rows", { columns: ["sku", "price"] }, ["lines"]]
    ] as const
  ) {
    it(`are refused with the path for ${name}`, () => {
      const { issue } = response.read({ number: "1", lines }, true)
      assert.deepStrictEqual((issue as any).path, path)
    })
  }

  it("are not made of lists whose objects cannot be told apart, or of recursive schemas", () => {
    const Both = Schema.Struct({
      rows: Schema.Array(Schema.Struct({ a: Schema.Int, b: Schema.optional(Schema.NullOr(Schema.Int)) }))
    })
    assert.deepStrictEqual(compile(Both).jsonSchema, Result.getOrThrow(ResponseSchema.make(Both)).jsonSchema)
  })
})
