import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import * as AnswerIssue from "../../../src/answer/AnswerIssue.ts"
import { openAi } from "../../../src/schema/dialects/openai.ts"
import { plain } from "../../../src/schema/dialects/plain.ts"
import * as ResponseSchema from "../../../src/schema/ResponseSchema.ts"
import { complain } from "../../../src/testing/simulators/internal/strictSchema.ts"
import { sample, toStrictForm } from "../../support/schemaSpec.ts"

const compile = <A, RD>(schema: Schema.ConstraintDecoder<A, RD>) => {
  const response = Result.getOrThrow(ResponseSchema.make(schema))
  return { ...response, decode: (answer: unknown) => response.decode(response.read(answer, true)) }
}

const strict = (schema: Schema.Constraint) =>
  Result.getOrThrow(compile(schema as Schema.ConstraintDecoder<unknown>).accepted(openAi)).jsonSchema as any

const natural = (schema: Schema.Constraint) => compile(schema as Schema.ConstraintDecoder<unknown>).jsonSchema as any

const unsupported = (schema: Schema.Constraint) =>
  Result.getOrThrow(
    Result.flip(
      Result.flatMap(
        ResponseSchema.make(schema as Schema.ConstraintDecoder<unknown>),
        (response) => response.accepted(openAi)
      )
    )
  )

describe("ResponseSchema", () => {
  describe("the JSON Schema", () => {
    it("requires every key in openai, with null for optional ones", () => {
      const schema = Schema.Struct({
        name: Schema.String,
        nick: Schema.optionalKey(Schema.String),
        size: Schema.optional(Schema.Literals(["S", "L"])),
        address: Schema.optionalKey(Schema.Struct({ city: Schema.String }))
      })
      assert.deepStrictEqual(strict(schema), {
        type: "object",
        properties: {
          name: { type: "string" },
          nick: { type: ["string", "null"] },
          size: { anyOf: [{ type: "string", enum: ["S", "L"] }, { type: "null" }] },
          address: {
            anyOf: [
              {
                type: "object",
                properties: { city: { type: "string" } },
                required: ["city"],
                additionalProperties: false
              },
              { type: "null" }
            ]
          }
        },
        required: ["name", "nick", "size", "address"],
        additionalProperties: false
      })
    })

    it("keeps descriptions of fields, keys, checks and examples through transformations", () => {
      const schema = Schema.Struct({
        born: Schema.DateFromString.annotate({ description: "date of birth" }),
        code: Schema.String.annotate({ description: "postal code", examples: ["80331", "10115"] }),
        size: Schema.Number.check(Schema.isGreaterThan(0)).pipe(Schema.annotateKey({ description: "in metres" })),
        even: Schema.Int.check(Schema.makeFilter((n) => n % 2 === 0, { expected: "an even number" }))
      })
      const { properties } = strict(schema)
      assert.strictEqual(
        properties.born.description,
        "date of birth; a date, or a date and time, in ISO 8601 format"
      )
      assert.strictEqual(properties.code.description, "postal code; for example \"80331\", \"10115\"")
      assert.strictEqual(properties.size.description, "a value greater than 0; in metres")
      assert.strictEqual(properties.size.exclusiveMinimum, 0)
      assert.strictEqual(properties.even.description, "an even number")
    })

    it("sends patterns that the provider can enforce and describes the others", () => {
      const { properties } = strict(Schema.Struct({
        zip: Schema.String.check(Schema.isPattern(/^\d{5}$/)),
        ahead: Schema.String.check(Schema.isPattern(/^(?=a).*$/))
      }))
      assert.strictEqual(properties.zip.pattern, "^\\d{5}$")
      assert.strictEqual(properties.ahead.pattern, undefined)
      assert.include(properties.ahead.description, "(?=a)")
    })

    it("sends numbers without the bounds of safe integers", () => {
      const { properties } = strict(Schema.Struct({ any: Schema.Number, int: Schema.Int }))
      assert.deepStrictEqual(properties, { any: { type: "number" }, int: { type: "integer" } })
    })

    it("inlines a class that is used once and defines one that is used more often", () => {
      class Point extends Schema.Class<Point>("Point")({ x: Schema.Finite, y: Schema.Finite }) {}
      const once = strict(Schema.Struct({ at: Point }))
      assert.strictEqual(once.$defs, undefined)
      assert.strictEqual(once.properties.at.type, "object")
      const Point2 = Schema.Struct({ x: Schema.Finite, y: Schema.Finite }).annotate({ identifier: "Point2" })
      const often = strict(Schema.Struct({ from: Point2, to: Point2 }))
      assert.deepStrictEqual(often.properties, { from: { $ref: "#/$defs/Point2" }, to: { $ref: "#/$defs/Point2" } })
      assert.deepStrictEqual(Object.keys(often.$defs), ["Point2"])
    })

    it("inlines a definition to keep the description next to its reference", () => {
      const Point = Schema.Struct({ x: Schema.Finite }).annotate({ identifier: "Point" })
      const { properties } = strict(Schema.Struct({
        from: Point,
        via: Point,
        to: Point.pipe(Schema.annotateKey({ description: "the end" }))
      }))
      assert.deepStrictEqual(properties.from, { $ref: "#/$defs/Point" })
      assert.strictEqual(properties.to.description, "the end")
      assert.strictEqual(properties.to.type, "object")
    })

    it("accepts recursive schemas", () => {
      interface Category {
        readonly name: string
        readonly children: ReadonlyArray<Category>
      }
      const Category = Schema.Struct({
        name: Schema.String,
        children: Schema.Array(Schema.suspend((): Schema.Codec<Category> => Category))
      }).annotate({ identifier: "Category" })
      const schema = strict(Category)
      assert.strictEqual(schema.type, "object")
      assert.deepStrictEqual(schema.properties.children.items, { $ref: "#/$defs/Category" })
      assert.strictEqual(complain(schema), undefined)
    })

    it("accepts definitions that are other names of one", () => {
      const Point = Schema.Struct({ x: Schema.Finite }).annotate({ identifier: "Point" })
      const Alias = Schema.suspend(() => Point).annotate({ identifier: "Alias" })
      const schema = strict(Schema.Struct({ from: Alias, to: Alias, via: Alias }))
      assert.strictEqual(complain(schema), undefined)
    })

    it("asks for the elements of a tuple after a rest", () => {
      const schema = Schema.TupleWithRest(Schema.Tuple([Schema.String]), [Schema.Int, Schema.Boolean])
      const { value } = strict(schema).properties
      assert.deepStrictEqual(value.properties["rest"], {
        type: "array",
        items: { anyOf: [{ type: "integer" }, { type: "boolean" }] },
        minItems: 1
      })
      assert.include(value.description, "the last element has the last of the kinds")
      assert.deepStrictEqual(natural(schema).properties.value.items.anyOf.length, 2)
    })

    it("keeps optional keys, records and tuples in the natural form", () => {
      const schema = natural(Schema.Struct({
        nick: Schema.optionalKey(Schema.String),
        sizes: Schema.Record(Schema.String, Schema.Int),
        at: Schema.Tuple([Schema.Finite, Schema.Finite])
      }))
      assert.deepStrictEqual(schema.required, ["sizes", "at"])
      assert.deepStrictEqual(schema.properties.sizes.additionalProperties, { type: "integer" })
      assert.strictEqual(schema.properties.at.prefixItems.length, 2)
    })

    it("is compiled once for each schema and dialect", () => {
      const schema = Schema.Struct({ a: Schema.String })
      assert.strictEqual(strict(schema), strict(schema))
      assert.strictEqual(natural(schema), natural(schema))
      assert.strictEqual(compile(schema).accepted(plain), compile(schema).accepted(plain))
      assert.strictEqual(ResponseSchema.make(schema), ResponseSchema.make(schema))
    })
  })

  describe("roots that are not objects", () => {
    for (
      const [name, schema, key, value] of [
        ["an array", Schema.Array(Schema.Int), "items", [1, 2]],
        ["a string", Schema.String, "value", "x"],
        ["a number", Schema.Int, "value", 1],
        ["a literal", Schema.Literals(["a", "b"]), "value", "a"],
        ["a union", Schema.Union([Schema.Struct({ a: Schema.Int }), Schema.Null]), "value", { a: 1 }],
        ["a record", Schema.Record(Schema.String, Schema.Int), "value", { a: 1 }],
        ["a tuple", Schema.Tuple([Schema.Int, Schema.String]), "value", [1, "x"]]
      ] as const
    ) {
      it.effect(`wraps ${name} and decodes it with and without the wrapper`, () =>
        Effect.gen(function*() {
          assert.strictEqual(complain(strict(schema)), undefined)
          assert.deepStrictEqual(Object.keys(strict(schema).properties), [key])
          const { decode, wrapper } = compile(schema as Schema.ConstraintDecoder<unknown>)
          assert.strictEqual(wrapper, key)
          assert.deepStrictEqual(yield* decode({ [key]: value }), value)
          assert.deepStrictEqual(yield* decode(value), value)
        }))
    }
  })

  describe("decoding", () => {
    it.effect("accepts null or a missing key for an optional key", () =>
      Effect.gen(function*() {
        const { decode } = compile(Schema.Struct({
          a: Schema.optionalKey(Schema.String),
          b: Schema.optional(Schema.String),
          c: Schema.optionalKey(Schema.NullOr(Schema.String)),
          d: Schema.String.pipe(Schema.withDecodingDefaultKey(Effect.succeed("default")))
        }))
        assert.deepStrictEqual(yield* decode({ a: null, b: null, c: null, d: null }), { c: null, d: "default" })
        assert.deepStrictEqual(yield* decode({}), { d: "default" })
      }))

    it.effect("accepts a record as an object and as a list of entries, at any depth", () =>
      Effect.gen(function*() {
        const { decode } = compile(
          Schema.Struct({ of: Schema.Array(Schema.Record(Schema.String, Schema.DateFromString)) })
        )
        const entries = [{ key: "a", value: "2026-01-02" }]
        assert.deepStrictEqual(yield* decode({ of: [entries, { a: "2026-01-02" }] }), {
          of: [{ a: new Date("2026-01-02") }, { a: new Date("2026-01-02") }]
        })
      }))

    it.effect("decodes __proto__ and constructor as data", () =>
      Effect.gen(function*() {
        const { decode } = compile(Schema.Struct({ of: Schema.Record(Schema.String, Schema.Int) }))
        const decoded = yield* decode(JSON.parse("{\"of\":{\"__proto__\":1,\"constructor\":2}}"))
        assert.deepStrictEqual(Object.entries(decoded.of), [["__proto__", 1], ["constructor", 2]])
        const fromEntries = yield* decode({ of: [{ key: "__proto__", value: 1 }] })
        assert.deepStrictEqual(Object.entries(fromEntries.of), [["__proto__", 1]])
        assert.strictEqual(({} as Record<string, unknown>)["0"], undefined)
      }))

    it.effect("accepts a tuple with elements after a rest as a list and as positions", () =>
      Effect.gen(function*() {
        const { decode } = compile(
          Schema.TupleWithRest(Schema.Tuple([Schema.String]), [Schema.Int, Schema.Boolean])
        )
        for (const form of [["a", 1, 2, true], { 0: "a", rest: [1, 2, true] }]) {
          assert.deepStrictEqual(yield* decode({ value: form }), ["a", 1, 2, true])
        }
      }))

    it.effect("reports every issue with its path", () =>
      Effect.gen(function*() {
        const { decode } = compile(Schema.Struct({
          name: Schema.String,
          tags: Schema.Array(Schema.Int),
          size: Schema.optionalKey(Schema.Tuple([Schema.Int, Schema.Int]))
        }))
        const issue = yield* Effect.flip(decode({ tags: [1, "x", null], size: { 0: 1, 1: "y" } }))
        assert.deepStrictEqual(AnswerIssue.fromSchemaIssue(issue).map(AnswerIssue.format), [
          "name: Missing key",
          "tags[1]: Expected number",
          "tags[2]: Expected number",
          "size[1]: Expected number"
        ])
      }))

    it.effect("rejects nesting that would exhaust the stack", () =>
      Effect.gen(function*() {
        interface Tree {
          readonly next: Tree | null
        }
        const Tree = Schema.Struct({ next: Schema.NullOr(Schema.suspend((): Schema.Codec<Tree> => Tree)) })
        const { decode } = compile(Tree)
        const nested = (depth: number) => JSON.parse("{\"next\":".repeat(depth) + "null" + "}".repeat(depth))
        assert.isTrue(Result.isSuccess(yield* Effect.result(decode(nested(250)))))
        const issue = yield* Effect.flip(decode(nested(100_000)))
        assert.include(AnswerIssue.fromSchemaIssue(issue)[0]!.message, "256 levels")
      }))
  })

  describe("unsupported schemas", () => {
    for (
      const [name, schema, path] of [
        ["no value", Schema.Struct({ "odd key": Schema.Never }), "$[\"odd key\"]"],
        ["a list that needs such an element", Schema.NonEmptyArray(Schema.Struct({ a: Schema.Never })), "$.value[0].a"],
        ["a union of such members", Schema.Struct({ a: Schema.Union([Schema.Never, Schema.Never]) }), "$.a"]
      ] as const
    ) {
      it(`report the path of ${name}`, () => {
        assert.strictEqual(unsupported(schema).path, path)
      })
    }

    it("are sent without what no value fits, where it may be missing", () => {
      const schema = strict(Schema.Struct({
        a: Schema.optionalKey(Schema.Never),
        b: Schema.Array(Schema.Never),
        c: Schema.Union([Schema.Never, Schema.String])
      }))
      assert.deepStrictEqual(schema.properties, {
        b: { type: "array", items: { type: "null" }, maxItems: 0 },
        c: { type: "string" }
      })
      assert.strictEqual(complain(schema), undefined)
    })

    for (
      const [name, schema] of [
        ["any value", Schema.Struct({ a: Schema.Struct({ b: Schema.Unknown }) })],
        ["a list of any values", Schema.Struct({ list: Schema.Array(Schema.Json) })],
        ["a record of any values", Schema.Struct({ map: Schema.Record(Schema.String, Schema.Any) })],
        ["a declaration", Schema.Struct({ f: Schema.declare((u): u is string => typeof u === "string") })],
        ["an empty struct", Schema.Struct({})]
      ] as const
    ) {
      it(`are sent as they are where they have no strict form: ${name}`, () => {
        const accepted = Result.getOrThrow(compile(schema as Schema.ConstraintDecoder<unknown>).accepted(openAi))
        assert.deepStrictEqual(accepted, { jsonSchema: natural(schema), strict: false, shown: true })
        assert.strictEqual(accepted.jsonSchema["type"], "object")
      })
    }

    it("report what has no JSON form", () => {
      const schema = Schema.Struct({ [Symbol.for("a")]: Schema.String })
      assert.include(unsupported(schema).description, "property names must be strings")
    })

    it("report the limits of openai: properties, depth and literal values", () => {
      const many = Object.fromEntries(Array.from({ length: 5001 }, (_, i) => [`k${i}`, Schema.String]))
      assert.deepStrictEqual(
        unsupported(Schema.Struct({ few: Schema.Struct({ a: Schema.String }), many: Schema.Struct(many) })),
        { path: "$.many", description: "it has more than 5000 properties in all" }
      )
      const deep = Array.from({ length: 11 }).reduce<Schema.Codec<unknown>>(
        (inner) => Schema.Struct({ inner }),
        Schema.String as unknown as Schema.Codec<unknown>
      )
      assert.deepStrictEqual(unsupported(deep), {
        path: "$.inner.inner.inner.inner.inner.inner.inner.inner.inner.inner",
        description: "it is nested more than 10 objects deep"
      })
      const literals = Array.from({ length: 1001 }, (_, i) => `v${i}`)
      assert.deepStrictEqual(unsupported(Schema.Struct({ a: Schema.Literals(literals) })), {
        path: "$.a",
        description: "it lists more than 1000 literal values in all"
      })
      const long = Array.from({ length: 251 }, (_, i) => `${i}`.padEnd(60, "x"))
      assert.deepStrictEqual(unsupported(Schema.Struct({ a: Schema.Array(Schema.Literals(long)) })), {
        path: "$.a[]",
        description: "it lists more than 250 literal values with more than 15000 characters together"
      })
      assert.strictEqual(complain(strict(Schema.Struct({ a: Schema.Literals(long.slice(1)) }))), undefined)
    })

    it("report a limit that only the names of definitions exceed", () => {
      const Point = Schema.Struct({ x: Schema.Finite }).annotate({ identifier: "P".repeat(120_000) })
      assert.include(unsupported(Schema.Struct({ from: Point, to: Point })).description, "120000 characters")
    })

    it("report an enum of 100,000 values at once", () => {
      const values = Array.from({ length: 100_000 }, (_, i) => `value ${i}`)
      assert.strictEqual(unsupported(Schema.Struct({ a: Schema.Literals(values) })).path, "$.a")
    }, 60_000)

    it("still have a natural form", () => {
      assert.strictEqual(natural(Schema.Struct({ a: Schema.Json })).type, "object")
    })
  })

  describe("properties", () => {
    it.effect.prop(
      "a strict validator accepts every schema that openai accepts",
      [sample],
      ([{ schema }]) =>
        Effect.sync(() => {
          assert.strictEqual(complain(strict(schema)), undefined)
        }),
      { arbitrary: { runs: 300 }, timeout: 60_000 }
    )

    it.effect.prop(
      "a value decodes from its strict form and from its natural form",
      [sample],
      ([{ schema, spec, value }]) =>
        Effect.gen(function*() {
          const codec = Schema.toCodecJson(schema)
          const json = JSON.parse(JSON.stringify(yield* Schema.encodeEffect(codec)(value)))
          const { decode, wrapper } = compile(schema)
          const encode = Schema.encodeEffect(codec)
          for (const form of [json, toStrictForm(spec, json)]) {
            for (const answer of wrapper === undefined ? [form] : [form, { [wrapper]: form }]) {
              const decoded = yield* encode(yield* decode(answer))
              assert.deepStrictEqual(withoutNulls(decoded), withoutNulls(json))
            }
          }
        }),
      { arbitrary: { runs: 300 }, timeout: 60_000 }
    )
  })
})

/** `optional` decodes null to undefined and encodes undefined as null, so both are left out here. */
const withoutNulls = (json: unknown): unknown =>
  Array.isArray(json)
    ? json.map(withoutNulls)
    : typeof json === "object" && json !== null
    ? Object.fromEntries(
      Object.entries(json).flatMap(([k, v]) => v === null || v === undefined ? [] : [[k, withoutNulls(v)]])
    )
    : json
