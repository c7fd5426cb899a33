import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import { Extraction, ExtractionStream } from "effect-instructor"
import { MockLlm } from "effect-instructor/testing"
import * as JsonText from "../../../src/answer/JsonText.ts"
import { corrupt, Corruption, Document, toText, upTo } from "../../support/documents.ts"
import * as SchemaSpec from "../../support/schemaSpec.ts"
import { elements, outcome } from "../../support/streams.ts"

describe("ExtractionStream laws", () => {
  it.effect.prop(
    "emits every value of every schema, in either form and in pieces of any size",
    [SchemaSpec.sample, upTo(20)],
    ([{ schema, spec, value }, chunkSize]) =>
      Effect.gen(function*() {
        const codec = Schema.toCodecJson(schema)
        const json = JSON.parse(JSON.stringify(yield* Schema.encodeEffect(codec)(value)))
        for (const form of [json, SchemaSpec.toStrictForm(spec, json)]) {
          const { error, seen } = yield* elements(schema, { items: [form, form] as Array<Schema.Json> }, {
            chunkSize
          })
          assert.strictEqual(error?.message, undefined)
          assert.strictEqual(seen.length, 2)
          for (const { result } of seen) {
            const back = yield* Schema.encodeUnknownEffect(codec)(Result.getOrThrow(result))
            assert.deepStrictEqual(withoutNulls(back), withoutNulls(json))
          }
        }
      }),
    { arbitrary: { runs: 100 }, timeout: 60_000 }
  )

  it.effect.prop(
    "fails or loses nothing when the answer is corrupted",
    [Document, Schema.Array(Corruption).check(Schema.isMinLength(1), Schema.isMaxLength(3)), upTo(9)],
    ([document, corruptions, chunkSize]) =>
      Effect.gen(function*() {
        const text = corruptions.reduce(corrupt, toText(document))
        const { error, seen } = yield* elements(Schema.Unknown, text, { chunkSize, mode: "json" })
        const parsed = Result.getOrUndefined(Result.try((): unknown => JSON.parse(text)))
        if (parsed !== undefined && error === undefined) assert.deepStrictEqual(values(seen), listIn(parsed))
        // No element is emitted twice or with another index.
        assert.deepStrictEqual(seen.map(({ index }) => index), seen.map((_, i) => i))
        // Every element was in the answer, in this order.
        let at = 0
        for (const { text: one } of seen) {
          at = text.indexOf(one, at)
          assert.notStrictEqual(at, -1)
          at += one.length
        }
        const failed = error !== undefined || seen.some(({ result }) => Result.isFailure(result))
        if (failed) return
        // Without a failure, these are the elements of the list before it was corrupted, or of the list it became.
        const before = JSON.parse(toText(document))
        const readings = [before, ...JsonText.candidates(text)].map(listIn).filter((list) => list !== undefined)
        // The value of a broken element is a repair of its own text.
        const list: ReadonlyArray<unknown> = before.items
        const repaired = seen.map(({ text: one }, i) => {
          const value = values(seen)[i]
          const isAsBefore = JSON.stringify(value) === JSON.stringify(list[i])
          const meanings = Array.from(JsonText.candidates(one), (meaning) => JSON.stringify(meaning))
          return isAsBefore || meanings.includes(JSON.stringify(value)) ? value : undefined
        })
        assert.deepInclude(seen.length === list.length ? [...readings, repaired] : readings, values(seen), text)
      }),
    { arbitrary: { runs: 600 }, timeout: 60_000 }
  )

  it.effect.prop(
    "ends a partial stream of any answer with a value or a typed error",
    [Document, Schema.Array(Corruption).check(Schema.isMaxLength(3)), upTo(9)],
    ([document, corruptions, chunkSize]) =>
      Effect.gen(function*() {
        const text = corruptions.reduce(corrupt, toText(document))
        const extraction = Extraction.make({ schema: Schema.Unknown, mode: "json", maxAttempts: 1 })
        const { error, seen } = yield* outcome(ExtractionStream.partial(extraction, "text", { every: true })).pipe(
          Effect.provide(MockLlm.layer([text], { chunkSize }))
        )
        assert.strictEqual(error === undefined, seen.at(-1)?._tag === "Complete")
      }),
    { arbitrary: { runs: 200 }, timeout: 60_000 }
  )
})

const values = (seen: ReadonlyArray<ExtractionStream.Element<unknown>>) =>
  seen.map(({ result }) => Result.getOrThrow(result))

const listIn = (value: unknown): ReadonlyArray<unknown> | undefined => {
  if (Array.isArray(value)) return value
  const items = typeof value === "object" && value !== null && "items" in value ? value.items : undefined
  return Array.isArray(items) ? items : undefined
}

/** `optional` decodes null to undefined and encodes undefined as null, so both are left out here. */
const withoutNulls = (json: unknown): unknown =>
  Array.isArray(json)
    ? json.map(withoutNulls)
    : typeof json === "object" && json !== null
    ? Object.fromEntries(
      Object.entries(json).flatMap(([k, v]) => v === null || v === undefined ? [] : [[k, withoutNulls(v)]])
    )
    : json
