import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { canonicalJson } from "../../src/internal/canonicalJson.ts"

const shuffled = (value: Schema.Json): Schema.Json =>
  Array.isArray(value)
    ? value.map(shuffled)
    : typeof value === "object" && value !== null
    ? Object.fromEntries(Object.entries(value).toReversed().map(([key, inner]) => [key, shuffled(inner)]))
    : value

describe("canonicalJson", () => {
  it.prop("is JSON that does not depend on the order of keys", [Schema.Json], ([value]) => {
    const text = canonicalJson(value)
    assert.deepStrictEqual(JSON.parse(text), JSON.parse(JSON.stringify(value)))
    assert.strictEqual(canonicalJson(shuffled(value)), text)
  })

  it("leaves out undefined properties", () => {
    assert.strictEqual(canonicalJson({ b: 1, a: undefined, c: { d: undefined } }), "{\"b\":1,\"c\":{}}")
  })
})
