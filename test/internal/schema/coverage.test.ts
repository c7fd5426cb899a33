// oxlint-disable unicorn/no-thenable
/**
 * The table in `docs/schemas.md`: what becomes of each construct in each dialect. Run with `UPDATE_DOCS=1` to write it
 * after a change.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { Extraction } from "effect-instructor"
import * as fs from "node:fs"
import * as path from "node:path"
import type { Dialect } from "../../../src/schema/Dialect.ts"
import { dialects } from "./dialects.ts"

interface Construct {
  readonly name: string
  readonly extraction: Extraction.Extraction<unknown>
  /** What a schema that says it has; without it, the form of the schema says it. */
  readonly keyword?: RegExp
}

const field = (name: string, schema: Schema.Constraint, keyword?: RegExp): Construct => ({
  name,
  extraction: Extraction.make<unknown>({ schema: Schema.Struct({ a: schema }) as unknown as Schema.Codec<unknown> }),
  ...(keyword !== undefined && { keyword })
})

const json = (name: string, schema: object, keyword?: RegExp): Construct => ({
  name,
  extraction: Result.getOrThrow(
    Extraction.fromJsonSchema({ type: "object", properties: { a: schema }, required: ["a"] })
  ),
  ...(keyword !== undefined && { keyword })
})

interface Tree {
  readonly children: ReadonlyArray<Tree>
}
const Tree = Schema.Struct({ children: Schema.Array(Schema.suspend((): Schema.Codec<Tree> => Tree)) })

const deep = Array.from({ length: 12 }).reduce<Schema.Constraint>((inner) => Schema.Struct({ inner }), Schema.String)

const string = { type: "string" }
const object = (properties: object, more: object = {}) => ({ type: "object", properties, ...more })

const constructs: ReadonlyArray<Construct> = [
  field("texts, numbers, booleans, `null`", Schema.Union([Schema.String, Schema.Finite, Schema.Boolean, Schema.Null])),
  field("literals and enums", Schema.Literals(["a", "b"]), /"enum"|"const"/),
  field("numbers with bounds", Schema.Finite.check(Schema.isGreaterThan(0)), /inimum"/),
  field("texts with a length", Schema.String.check(Schema.isMinLength(2)), /"minLength"/),
  field("texts with a pattern", Schema.String.check(Schema.isPattern(/^\d+$/)), /"pattern"/),
  field("patterns with look-around", Schema.String.check(Schema.isPattern(/^(?=a)/)), /"pattern"/),
  json("formats: `date`, `email`", { type: "string", format: "email" }, /"format"/),
  json("other formats: `iri`, `regex`", { type: "string", format: "regex" }, /"format"/),
  field("dates, big integers and other transformations", Schema.Struct({ d: Schema.Date, n: Schema.BigInt })),
  field("checks of your own", Schema.Int.check(Schema.makeFilter((n) => n % 2 === 0, { expected: "even" })), /"even"/),
  field("structs", Schema.Struct({ b: Schema.Struct({ c: Schema.String }) })),
  field("optional keys", Schema.Struct({ b: Schema.optionalKey(Schema.String) })),
  field("records", Schema.Record(Schema.String, Schema.Int)),
  field(
    "structs with other keys",
    Schema.StructWithRest(Schema.Struct({ b: Schema.Int }), [
      Schema.Record(Schema.String, Schema.Int)
    ])
  ),
  field("lists", Schema.Array(Schema.Int)),
  field("lists with a length", Schema.Array(Schema.Int).check(Schema.isMinLength(2)), /"minItems"/),
  field("lists of different elements", Schema.Array(Schema.Int).check(Schema.isUnique()), /"uniqueItems"/),
  field("tuples", Schema.Tuple([Schema.Int, Schema.String])),
  field("tuples with a rest", Schema.TupleWithRest(Schema.Tuple([Schema.Int]), [Schema.String])),
  field(
    "tuples with elements after the rest",
    Schema.TupleWithRest(Schema.Tuple([]), [Schema.Int, Schema.String]),
    /last/
  ),
  field("unions", Schema.Union([Schema.Struct({ b: Schema.Int }), Schema.Struct({ c: Schema.Int })])),
  field("recursive schemas", Tree),
  field("any value", Schema.Unknown),
  field("objects of any keys and values", Schema.Record(Schema.String, Schema.Unknown)),
  field("a value that cannot be", Schema.Never),
  field("structs nested more than 10 deep", deep),
  field("more than 1000 literals", Schema.Literals(Array.from({ length: 1001 }, (_, i) => `v${i}`))),
  json("`allOf`", { allOf: [object({ b: string }), object({ c: string })] }),
  json("`oneOf`", { oneOf: [object({ b: string }), object({ c: string })] }),
  json("`oneOf` beside `properties`", object({ b: string }, { oneOf: [object({ c: string }), object({ d: string })] })),
  json("`not`", { type: "string", not: { const: "x" } }, /"not"/),
  json(
    "`if`, `then`, `else`",
    object({ b: string }, { if: object({ b: { const: "x" } }), then: { required: ["b"] } }),
    /"if"/
  ),
  json(
    "`dependentRequired`",
    object({ b: string, c: string }, { dependentRequired: { b: ["c"] } }),
    /"dependentRequired"/
  ),
  json("`patternProperties`", { type: "object", patternProperties: { "^x": string } }, /"patternProperties"|"pattern"/),
  json(
    "`propertyNames`",
    { type: "object", additionalProperties: string, propertyNames: { pattern: "^x" } },
    /"propertyNames"|"pattern"/
  ),
  json("`contains`", { type: "array", items: string, contains: { const: "x" } }, /"contains"/),
  json("objects and lists as literals", { enum: [{ b: 1 }, [2]] }),
  json("keys that are required and not declared", object({ b: string }, { required: ["c"] }))
]

/** The name of the words in the table. */
const outcome = ({ extraction, keyword }: Construct, dialect: Dialect): string => {
  const request = Extraction.toRequest(extraction, "text", { model: "m", dialect })
  if (Result.isFailure(request)) return "refused"
  const { output } = request.success
  if (output.mode === "text") return assert.fail()
  const said = JSON.stringify(withoutDescriptions(output.jsonSchema))
  const isSaid = keyword === undefined || keyword.test(said)
  return dialect.name === "plain"
    ? isSaid ? "sent" : "described"
    : output.strict === true && isSaid
    ? "strict"
    : "described"
}

const withoutDescriptions = (node: unknown): unknown =>
  Array.isArray(node)
    ? node.map(withoutDescriptions)
    : typeof node === "object" && node !== null
    ? Object.fromEntries(
      Object.entries(node).flatMap(([key, value]) =>
        key === "description" && typeof value === "string" ? [] : [[key, withoutDescriptions(value)]]
      )
    )
    : node

const table = (): string => {
  const shown = dialects.toSorted((a, b) => a.name.localeCompare(b.name))
  const rows = [
    ["construct", ...shown.map(({ name }) => `\`${name}\``)],
    ...constructs.map((construct) => [construct.name, ...shown.map((dialect) => outcome(construct, dialect))])
  ]
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)))
  const line = (cells: ReadonlyArray<string>) => `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`
  return [line(rows[0]!), line(widths.map((width) => "-".repeat(width))), ...rows.slice(1).map(line)].join("\n")
}

describe("docs/schemas.md", () => {
  it("says what becomes of each construct in each dialect", () => {
    const file = path.join(import.meta.dirname, "../../../docs/schemas.md")
    const page = fs.readFileSync(file, "utf8")
    const found = /\| construct[\s\S]*?(?=\n\n)/.exec(page)?.[0]
    assert.isDefined(found)
    const written = table()
    if (process.env["UPDATE_DOCS"] === "1") fs.writeFileSync(file, page.replace(found, () => written))
    else assert.strictEqual(found, written)
  })
})
