import { assert, describe, it } from "@effect/vitest"
import { type } from "arktype"
import { Effect, Result } from "effect"
import { Batch, Extraction, ExtractionError } from "effect-instructor"
import { MockLlm } from "effect-instructor/testing"
import * as v from "valibot"
import * as z from "zod"

const ZodPerson = z.object({
  name: z.string().describe("as on the passport"),
  age: z.int().min(0),
  nick: z.string().optional(),
  born: z.string().transform((text) => new Date(text))
})

const ArkPerson = type({ name: "string > 0", age: "number.integer >= 0", "nick?": "string" })

const ValibotPerson = v.object({ name: v.string(), age: v.pipe(v.number(), v.integer()), nick: v.optional(v.string()) })

/** As `toStandardJsonSchema` of `@valibot/to-json-schema` does. */
const toStandardJsonSchema = (schema: typeof ValibotPerson) => ({
  ...schema,
  "~standard": {
    ...schema["~standard"],
    jsonSchema: {
      input: () => ({
        $schema: "https://json-schema.org/draft/2020-12/schema",
        type: "object",
        properties: { name: { type: "string" }, age: { type: "integer" }, nick: { type: "string" } },
        required: ["name", "age"]
      }),
      output: () => ({})
    }
  }
})

const issuesOf = ({ reason }: ExtractionError.ExtractionError) =>
  reason._tag === "InvalidOutput" ? reason.issues.map(ExtractionError.formatIssue) : [reason._tag]

describe("schemas of other libraries", () => {
  it.effect("Zod: the value has the type of the schema, with its transformations", () =>
    Effect.gen(function*() {
      const person = Extraction.make({ schema: ZodPerson, name: "Person" })
      const value = yield* Extraction.extract(person, "text")
      const born: Date = value.born
      assert.deepStrictEqual({ ...value, born: born.getUTCFullYear() }, { name: "Ada", age: 36, born: 1815 })
      const schema = Result.getOrThrow(Extraction.jsonSchema(person))
      assert.deepStrictEqual(schema["required"], ["name", "age", "nick", "born"])
      assert.include(JSON.stringify(schema), "as on the passport")
    }).pipe(Effect.provide(MockLlm.layer([{ name: "Ada", age: 36, nick: null, born: "1815-12-10" }]))))

  it.effect("ArkType and Valibot", () =>
    Effect.gen(function*() {
      const text = "text"
      const ark: ReadonlyArray<typeof ArkPerson.infer> = yield* Batch.all(Extraction.make({ schema: ArkPerson }), [
        text
      ])
      const valibot: ReadonlyArray<
        { readonly name: string; readonly age: number; readonly nick?: string | undefined }
      > = yield* Batch.all(Extraction.make({ schema: toStandardJsonSchema(ValibotPerson) }), [text])
      assert.deepStrictEqual([...ark, ...valibot], [{ name: "Ada", age: 36 }, { name: "Ada", age: 36 }])
    }).pipe(Effect.provide(MockLlm.layer(() => ({ name: "Ada", age: 36, nick: null })))))

  it.effect("asks again with the issues of the library", () =>
    Effect.gen(function*() {
      for (const schema of [ZodPerson, ArkPerson, toStandardJsonSchema(ValibotPerson)]) {
        const person = Extraction.make<unknown>({ schema, maxAttempts: 1 })
        const error = yield* Effect.flip(Extraction.extract(person, "text"))
        assert.isTrue(issuesOf(error).some((issue) => issue.startsWith("age: ")), String(error))
      }
    }).pipe(Effect.provide(MockLlm.layer(() => ({ name: "Ada", age: 0.5, born: "1815-12-10" })))))

  it.effect("a schema that throws or rejects fails its answer alone", () =>
    Effect.gen(function*() {
      const throwing = z.object({
        a: z.string().refine((): boolean => {
          throw new Error("oops")
        })
      })
      const rejecting: Extraction.StandardSchema<unknown> = {
        "~standard": { ...throwing["~standard"], validate: () => Promise.reject(new Error("oops")) }
      }
      for (const schema of [throwing, rejecting]) {
        const error = yield* Effect.flip(Extraction.decode(Extraction.make<unknown>({ schema }), { a: "x" }))
        assert.include(issuesOf(error).join(), "oops")
      }
    }))

  it("names what has no JSON Schema before anything is sent", () => {
    const dated = Extraction.make({ schema: z.object({ at: z.date() }) })
    const plain = Extraction.make({ schema: ValibotPerson as unknown as Extraction.StandardSchema<unknown> })
    for (
      const [extraction, why] of [[dated, "the schema of zod has no JSON Schema: Date"], [plain, "valibot"]] as const
    ) {
      const error = Result.getOrThrow(Result.flip(Extraction.jsonSchema<unknown, never, never>(extraction)))
      assert.strictEqual(error.reason._tag, "UnsupportedSchema")
      assert.include(error.message, why)
    }
  })
})
