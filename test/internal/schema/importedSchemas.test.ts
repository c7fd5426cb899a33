// oxlint-disable unicorn/no-thenable
/** Random JSON Schemas, with Ajv on the document as it is for an oracle. */
import { assert, describe, it } from "@effect/vitest"
import { Ajv2020 } from "ajv/dist/2020.js"
import { Effect, Result } from "effect"
import * as ResponseSchema from "../../../src/schema/ResponseSchema.ts"
import * as SchemaFromJson from "../../../src/schema/SchemaFromJson.ts"
import { complain } from "../../../src/testing/simulators/internal/strictSchema.ts"
import { dialects } from "./dialects.ts"

const make = (start: number) => {
  let seed = start
  const next = (below: number): number => {
    seed ^= seed << 13
    seed ^= seed >>> 17
    seed ^= seed << 5
    return (seed >>> 0) % below
  }
  const pick = <A>(values: ReadonlyArray<A>): A => values[next(values.length)]!
  const key = () => pick(["a", "b", "c", "key", "value", "0", "rest", "items"])
  const some = <A>(most: number, f: () => A): Array<A> => Array.from({ length: next(most + 1) }, f)
  const maybe = (part: object): object => next(2) === 0 ? part : {}

  const value = (depth: number): unknown => {
    switch (next(depth > 0 ? 8 : 5)) {
      case 0:
        return null
      case 1:
        return next(16) / 4
      case 2:
      case 3:
        return pick(["a", "b", "", "12", "true", "A"])
      case 4:
        return next(2) === 0
      case 5:
        return some(2, () => value(depth - 1))
      default:
        return Object.fromEntries(some(3, () => [key(), value(depth - 1)]))
    }
  }
  const properties = (depth: number) => ({ [key()]: schema(depth - 1), [key()]: schema(depth - 1) })
  const object = (depth: number) => ({ type: "object", properties: properties(depth) })
  const schema = (depth: number): object => {
    const below = () => schema(depth - 1)
    switch (next(depth > 0 ? 18 : 6)) {
      case 0:
        return { type: "string", ...maybe({ pattern: pick(["^a", "^(?=a)"]) }), ...maybe({ maxLength: 1 }) }
      case 1:
        return { type: pick(["integer", "number"]), ...maybe({ minimum: next(3) }) }
      case 2:
        return { enum: [value(0), value(0)] }
      case 3:
        return { $ref: pick(["#/$defs/A", "#/$defs/B", "#"]), ...maybe({ description: "x" }) }
      case 4:
        return pick([{}, { type: "null" }, { const: value(1) }, { type: ["string", "null"] }, {
          type: ["object", "array"]
        }])
      case 5:
        return { type: "boolean" }
      case 6:
      case 7:
        return {
          ...object(depth),
          ...maybe({ required: [key()] }),
          ...maybe({ additionalProperties: pick([false, below()]) })
        }
      case 8:
        return { type: "object", additionalProperties: below(), ...maybe({ propertyNames: { pattern: "^a" } }) }
      case 9:
        return {
          type: "object",
          patternProperties: { [pick(["^a", "^k"])]: below() },
          ...maybe({ additionalProperties: false })
        }
      case 10:
        return { type: "array", items: below(), ...maybe({ minItems: 1 }), ...maybe({ uniqueItems: true }) }
      case 11:
        return {
          type: "array",
          prefixItems: [below(), below()],
          ...maybe({ items: pick([false, below()]) }),
          ...maybe({ minItems: 1 })
        }
      case 12:
        return { anyOf: [below(), below()], ...maybe(object(depth)) }
      case 13:
        return { oneOf: [below(), below()], ...maybe(object(depth)) }
      case 14:
        return { allOf: [below(), below()], ...maybe(object(depth)) }
      case 15:
        return { ...below(), not: below() }
      case 16:
        return { ...object(depth), if: below(), then: below(), ...maybe({ else: below() }) }
      default:
        return { ...object(depth), dependentRequired: { a: ["b"] }, dependentSchemas: { b: below() } }
    }
  }
  const document = { ...schema(3), $defs: { A: schema(2), B: schema(2) } }
  return { document, values: Array.from({ length: 6 }, () => value(3)) }
}

const compile = (document: object) =>
  new Ajv2020({ strict: false, logger: false, ownProperties: true, meta: false, validateSchema: false }).compile(
    document
  )

describe("imported schemas", () => {
  it.effect(
    "are sent in a form that can be read, take what the document takes, and leave it as it is",
    () =>
      Effect.gen(function*() {
        for (let seed = 1; seed <= 120; seed++) {
          const { document, values } = make(seed * 7919)
          const where = `${seed}: ${JSON.stringify(document)}`
          const imported = Result.flatMap(SchemaFromJson.make(document), ResponseSchema.make)
          if (Result.isFailure(imported)) {
            assert.include(imported.failure.description, "it refers to itself", where)
            continue
          }
          const response = imported.success
          for (const dialect of dialects) {
            const accepted = response.accepted(dialect)
            if (Result.isFailure(accepted)) continue
            const { jsonSchema, strict } = accepted.success
            assert.strictEqual(jsonSchema["type"], "object", where)
            if (strict && dialect.name === "openai") assert.strictEqual(complain(jsonSchema), undefined, where)
          }
          const isValid = compile(document)
          for (const value of values) {
            const decoded = yield* Effect.result(response.decode(response.read(value, false)))
            const what = `${JSON.stringify(value)} of ${where}`
            if (isValid(value)) assert.deepStrictEqual(Result.getOrThrow(decoded), value, what)
            // A null for a missing key, an empty list for an empty map, a wrapped value: the forms that a dialect asks for.
            else if (!/null|\[\]|"(?:value|items|key)"/.test(JSON.stringify(value))) {
              assert.isTrue(Result.isFailure(decoded), what)
            }
          }
        }
      }),
    120_000
  )
})
