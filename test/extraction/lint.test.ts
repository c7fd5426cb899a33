import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { Extraction } from "effect-instructor"

const described = <S extends Schema.Top>(schema: S) => schema.annotate({ description: "described" })
const rules = (schema: Schema.ConstraintDecoder<unknown>) =>
  Result.getOrThrow(Extraction.lint(schema)).map(({ path, rule }) => `${path} ${rule}`)

describe("lint", () => {
  it("has nothing to say about a good schema", () => {
    const Total = Schema.NullOr(Schema.Finite).annotate({ description: "the total to pay" })
    assert.deepStrictEqual(rules(Schema.Struct({ total: Total })), [])
  })

  it("finds names that do not explain, missing descriptions and invitations to invent", () => {
    assert.deepStrictEqual(rules(Schema.Struct({ x1: Schema.String })), [
      "$.x1 unclear-name",
      "$.x1 missing-description",
      "$.x1 required-field"
    ])
  })

  it("finds reasoning after the answer", () => {
    const Text = Schema.NullOr(Schema.String).annotate({ description: "described" })
    assert.deepStrictEqual(rules(Schema.Struct({ reasoning: Text, verdict: Text })), [])
    assert.deepStrictEqual(rules(Schema.Struct({ verdict: Text, reasoning: Text })), ["$.reasoning reasoning-last"])
  })

  it("finds deep nesting, many fields and large unions", () => {
    let nested: Schema.Top = Schema.NullOr(Schema.Int)
    for (let i = 0; i < 7; i++) nested = Schema.Struct({ inner: described(nested) })
    assert.include(rules(nested as unknown as Schema.ConstraintDecoder<unknown>).join(), "deep-nesting")
    const many = Object.fromEntries(Array.from({ length: 120 }, (_, i) => [`name${i}`, described(Schema.Boolean)]))
    assert.include(rules(Schema.Struct(many)), "$ many-fields")
    const kinds = Array.from({ length: 8 }, (_, i) => Schema.Struct({ [`kind${i}`]: described(Schema.Boolean) }))
    assert.include(rules(Schema.Struct({ shape: described(Schema.Union(kinds)) })), "$.shape large-union")
  })

  it("ends with recursive schemas, and names a source for each rule", () => {
    interface Tree {
      readonly label: string
      readonly children: ReadonlyArray<Tree>
    }
    const Tree: Schema.Codec<Tree> = Schema.Struct({
      label: Schema.String,
      children: Schema.Array(Schema.suspend((): Schema.Codec<Tree> => Tree))
    })
    for (const { source } of Result.getOrThrow(Extraction.lint(Tree))) assert.notStrictEqual(source, "")
  })
})
