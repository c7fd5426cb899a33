import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import * as AnswerIssue from "../../../src/answer/AnswerIssue.ts"
import { openAi } from "../../../src/schema/dialects/openai.ts"
import * as ResponseSchema from "../../../src/schema/ResponseSchema.ts"
import * as SchemaFromJson from "../../../src/schema/SchemaFromJson.ts"
import { complain } from "../../../src/testing/simulators/internal/strictSchema.ts"

const imported = (document: unknown) =>
  Result.getOrThrow(Result.flatMap(SchemaFromJson.make(document), ResponseSchema.make))

const accepted = (document: unknown) => Result.getOrThrow(imported(document).accepted(openAi))

const strict = (document: unknown): any => {
  const { jsonSchema, strict } = accepted(document)
  assert.isTrue(strict)
  assert.strictEqual(complain(jsonSchema), undefined)
  return jsonSchema
}

const refused = (document: unknown) => Result.getOrThrow(Result.flip(SchemaFromJson.make(document)))

const decode = (document: unknown, json: unknown) => {
  const response = imported(document)
  return Effect.mapError(
    response.decode(response.read(json, false)),
    (issue) => AnswerIssue.fromSchemaIssue(issue).map(AnswerIssue.format)
  )
}

const string = { type: "string" }

describe("SchemaFromJson", () => {
  describe("what is asked for", () => {
    it("closes objects that list their properties", () => {
      const schema = strict({
        type: "object",
        properties: { a: { type: "object", properties: { b: string } } },
        required: ["a"]
      })
      assert.isFalse(schema.additionalProperties)
      assert.isFalse(schema.properties.a.additionalProperties)
    })

    it("reads definitions without $schema, as Pydantic writes them", () => {
      const schema = strict({
        $defs: { Line: { type: "object", properties: { sku: string }, required: ["sku"] } },
        type: "object",
        properties: { first: { $ref: "#/$defs/Line" }, lines: { type: "array", items: { $ref: "#/$defs/Line" } } },
        required: ["first", "lines"]
      })
      assert.deepStrictEqual(schema.properties.lines.items, { $ref: "#/$defs/Line" })
    })

    it("reads references to the root, to anchors, to ids and to any place", () => {
      const tree = strict({
        type: "object",
        properties: { name: string, children: { type: "array", items: { $ref: "#" } } },
        required: ["name"]
      })
      assert.deepStrictEqual(tree.properties.children.anyOf[0].items, { $ref: "#/$defs/Root" })
      const schema = strict({
        $id: "https://example.com/root.json",
        type: "object",
        properties: {
          a: { $ref: "#/properties/b" },
          b: { type: "object", properties: { deep: { $anchor: "deep", type: "integer" } } },
          c: { $ref: "#deep" },
          d: { $ref: "https://example.com/root.json#/properties/b/properties/deep" }
        }
      })
      assert.deepStrictEqual(schema.properties.c.anyOf[0], { $ref: "#/$defs/deep" })
      assert.deepStrictEqual(schema.properties.d, schema.properties.c)
    })

    it("puts together what allOf and references say", () => {
      const schema = strict({
        definitions: { Named: { type: "object", properties: { name: string }, required: ["name"] } },
        allOf: [
          { $ref: "#/definitions/Named" },
          { properties: { age: { type: "number", minimum: 1 } } },
          { properties: { age: { type: "integer", minimum: 0 } }, required: ["age"] }
        ]
      })
      assert.deepStrictEqual(schema.properties, { name: string, age: { type: "integer", minimum: 1 } })
    })

    it("spells out alternatives beside properties", () => {
      const schema = strict({
        type: "object",
        properties: { id: string },
        required: ["id"],
        oneOf: [
          { properties: { mail: string }, required: ["mail"] },
          { properties: { phone: string }, required: ["phone"] }
        ]
      })
      const members = schema.properties.value.anyOf
      assert.deepStrictEqual(members.map((member: any) => Object.keys(member.properties)), [["id", "mail"], [
        "id",
        "phone"
      ]])
    })

    it("tells alternatives that only require keys", () => {
      const schema = strict({
        type: "object",
        properties: { mail: string, phone: string },
        anyOf: [{ required: ["mail"] }, { required: ["phone"] }]
      })
      assert.deepStrictEqual(Object.keys(schema.properties), ["mail", "phone"])
      assert.include(schema.description, "at least one of {\"required\":[\"mail\"]}")
    })

    it("asks for keys that only a condition names", () => {
      const schema = strict({
        type: "object",
        properties: { country: string },
        required: ["country"],
        if: { properties: { country: { const: "US" } } },
        // oxlint-disable-next-line unicorn/no-thenable
        then: { properties: { state: string }, required: ["state"] }
      })
      const [then, otherwise] = schema.properties.value.anyOf
      assert.deepStrictEqual(Object.keys(then.properties), ["country", "state"])
      assert.deepStrictEqual(Object.keys(otherwise.properties), ["country"])
    })

    it("asks for keys that are required and not declared", () => {
      const { jsonSchema, strict } = accepted({ type: "object", properties: { a: string }, required: ["a", "b"] })
      assert.isFalse(strict)
      assert.deepStrictEqual(jsonSchema["properties"], { a: string, b: {} })
    })

    it("puts recursive definitions in place once", () => {
      const schema = strict({
        $defs: {
          Node: {
            type: "object",
            properties: { next: { allOf: [{ $ref: "#/$defs/Node" }, { description: "the next one" }] } }
          }
        },
        allOf: [{ $ref: "#/$defs/Node" }, { properties: { name: string } }]
      })
      assert.deepStrictEqual(Object.keys(schema.properties), ["next", "name"])
    })

    it("reads older drafts", () => {
      const schema = strict({
        $schema: "http://json-schema.org/draft-04/schema#",
        type: "object",
        definitions: { size: { type: "number", minimum: 0, exclusiveMinimum: true } },
        properties: {
          width: { $ref: "#/definitions/size" },
          at: { type: "array", items: [{ type: "number" }, string], minItems: 2, additionalItems: false }
        },
        required: ["width", "at"]
      })
      assert.deepStrictEqual(schema.properties.width, { type: "number", exclusiveMinimum: 0 })
      assert.deepStrictEqual(Object.keys(schema.properties.at.properties), ["0", "1"])
    })
  })

  describe("what is refused", () => {
    it("reports its path", () => {
      assert.deepStrictEqual(refused({ properties: { a: { $ref: "https://example.com/a.json" } } }), {
        path: "$.a",
        description: "it refers to \"https://example.com/a.json\", which is not part of the document. " +
          "References to other documents are not fetched"
      })
      assert.strictEqual(refused({ items: { pattern: "(" } }).path, "$[]")
      assert.include(refused({ type: "object", properties: { a: 1 } }).path, "$.a")
      assert.include(refused({ $ref: "#" }).description, "refers to itself")
      assert.include(refused({ $defs: { A: { anyOf: [{ $ref: "#/$defs/A" }] } }, $ref: "#/$defs/A" }).path, "A")
    })

    it("names an enum of 100,000 values", () => {
      const values = Array.from({ length: 100_000 }, (_, i) => `value ${i}`)
      const response = imported({ type: "object", properties: { a: { enum: values } } })
      assert.strictEqual(Result.getOrThrow(Result.flip(response.accepted(openAi))).path, "$.a(0)")
    })

    it("does not overflow the stack", () => {
      const deep = Array.from({ length: 10_000 }).reduce<object>((items) => ({ type: "array", items }), string)
      assert.include(refused(deep).description, "levels deep")
    })
  })

  describe("decoding", () => {
    it.effect("takes a value as it is, other keys included", () =>
      Effect.gen(function*() {
        const document = { type: "object", properties: { a: string } }
        for (const value of [{ a: "x", b: [1] }, { b: 1 }, {}]) {
          assert.deepStrictEqual(yield* decode(document, value), value)
        }
      }))

    it.effect("reports every issue with its path", () =>
      Effect.gen(function*() {
        const issues = yield* Effect.flip(decode({
          type: "object",
          properties: {
            tags: { type: "array", items: { type: "integer" }, uniqueItems: true },
            size: { enum: ["S", "L"] },
            when: { type: "string", format: "date" }
          },
          required: ["size", "name"],
          additionalProperties: false
        }, { tags: [1, "x"], size: "M", when: "2024-02-30", "a/b": 1 }))
        assert.deepStrictEqual(issues.toSorted(), [
          "[\"a/b\"]: Unexpected key",
          "name: Missing key",
          "size: Expected \"S\" | \"L\"",
          "tags[1]: Expected integer",
          "when: Expected a text in the format date"
        ])
      }))

    it.effect("reads the strict form", () =>
      Effect.gen(function*() {
        const document = {
          type: "object",
          properties: {
            of: { type: "object", additionalProperties: { type: "object", properties: { n: { type: "number" } } } },
            at: { type: "array", prefixItems: [string, { type: "number" }], items: false, minItems: 1 },
            nick: string
          },
          required: ["of", "at"]
        }
        const value = yield* decode(document, {
          of: [{ key: "__proto__", value: { n: 1 } }],
          at: { 0: "x", 1: null },
          nick: null
        })
        assert.deepStrictEqual(value, JSON.parse("{\"of\":{\"__proto__\":{\"n\":1}},\"at\":[\"x\"]}"))
      }))

    it.effect("judges by the whole document and not by what is asked for", () =>
      Effect.gen(function*() {
        const document = {
          type: "object",
          properties: { a: { type: "number" }, b: { type: "number" } },
          oneOf: [{ required: ["a"] }, { required: ["b"] }]
        }
        assert.deepStrictEqual(yield* decode(document, { a: 1 }), { a: 1 })
        assert.deepStrictEqual(yield* Effect.flip(decode(document, { a: 1, b: 2 })), [
          "Expected a value that matches exactly one of the alternatives"
        ])
      }))
  })
})
