import { assert, describe, it } from "@effect/vitest"
import { complain } from "../../../../src/testing/simulators/internal/strictSchema.ts"

const object = (properties: Record<string, unknown>) => ({
  type: "object",
  properties,
  required: Object.keys(properties),
  additionalProperties: false
})

describe("the strict schema check", () => {
  it("accepts what the rules allow", () => {
    for (
      const schema of [
        object({}),
        object({ a: { type: "string", pattern: "^a", format: "date" }, b: { type: ["integer", "null"], minimum: 1 } }),
        object({ a: { anyOf: [{ type: "string", enum: ["x"] }, { type: "null" }] } }),
        { ...object({ a: { type: "array", items: { $ref: "#/$defs/A" }, minItems: 1 } }), $defs: { A: object({}) } },
        object({ self: { anyOf: [{ $ref: "#" }, { type: "null" }] } }),
        { $schema: "https://json-schema.org/draft/2020-12/schema", ...object({}) }
      ]
    ) {
      assert.strictEqual(complain(schema), undefined, JSON.stringify(schema))
    }
  })

  for (
    const [name, schema, complaint] of [
      ["a root that is not an object", { type: "array", items: { type: "string" } }, "type: \"object\""],
      ["a union at the root", { anyOf: [object({})] }, "anyOf"],
      ["an open object", { type: "object", properties: {}, required: [] }, "additionalProperties"],
      ["a key that is not required", { ...object({ a: { type: "string" } }), required: [] }, "Missing 'a'"],
      ["a required key without a property", { ...object({}), required: ["a"] }, "Extra required key 'a'"],
      ["a node without a type", object({ a: {} }), "must have a 'type' key"],
      ["an unknown keyword", object({ a: { type: "string", minLength: 1 } }), "'minLength' is not permitted"],
      ["allOf", object({ a: { type: "string", allOf: [] } }), "'allOf' is not permitted"],
      ["an unknown format", object({ a: { type: "string", format: "uri" } }), "not a valid format"],
      ["look-around", object({ a: { type: "string", pattern: "(?=a)" } }), "look-around"],
      ["a list without items", object({ a: { type: "array" } }), "missing items"],
      ["a dangling reference", object({ a: { $ref: "#/$defs/No" } }), "not found"],
      ["a reference with siblings", {
        ...object({ a: { $ref: "#/$defs/A", description: "x" } }),
        $defs: { A: object({}) }
      }, "$ref cannot have keywords"],
      ["an open definition", { ...object({}), $defs: { A: { type: "object" } } }, "('$defs', 'A')"],
      ["an open definition in the older keyword", {
        ...object({}),
        definitions: { A: { type: "object" } }
      }, "('definitions', 'A')"],
      ["a $schema below the root", object({ a: { type: "string", $schema: "x" } }), "'$schema' is not permitted"],
      [
        "a nested open object",
        object({ a: object({ b: { type: "object", properties: {} } }) }),
        "('properties', 'a', 'properties', 'b')"
      ]
    ] as const
  ) {
    it(`refuses ${name}`, () => {
      assert.include(complain(schema) ?? "nothing", complaint)
    })
  }
})
