/**
 * Random schemas in every mode and every dialect: the request can be sent, and the answer in its form is the value. The
 * dialects are the files of `src/schema/dialects`.
 */
import { assert, describe, it } from "@effect/vitest"
import { Ajv2020 } from "ajv/dist/2020.js"
import { Effect, Result, Schema } from "effect"
import { Extraction } from "effect-instructor"
import { MockLlm } from "effect-instructor/testing"
import { complain } from "../../../src/testing/simulators/internal/strictSchema.ts"
import { sample, toStrictForm } from "../../support/schemaSpec.ts"
import { dialects } from "./dialects.ts"

const modes = ["json_schema", "tools", "json", "markdown"] as const
const schemas = Math.ceil(10_000 / (dialects.length * modes.length))

/** What a strict request of a dialect is answered with. */
const usesStrictForm = new Set(["openai", "anthropic"])

const formatOf = (
  schema: Schema.Codec<unknown, unknown>,
  dialect: typeof dialects[number],
  mode: typeof modes[number]
) => {
  const request = Extraction.toRequest(Extraction.make({ schema, mode }), "text", { model: "m", dialect })
  const { output } = Result.getOrThrow(request)
  return output.mode === "text" ? assert.fail() : output
}

describe("dialects", () => {
  it("are those of the folder", () => {
    assert.includeMembers(dialects.map(({ name }) => name), ["openai", "plain"])
  })

  it.effect.prop(
    `${schemas} random schemas in ${modes.length} modes and ${dialects.length} dialects`,
    [sample],
    ([{ schema, spec, value }]) =>
      Effect.gen(function*() {
        const codec = Schema.toCodecJson(schema)
        const json = JSON.parse(JSON.stringify(yield* Schema.encodeEffect(codec)(value))) as Schema.Json
        const strictForm = toStrictForm(spec, json) as Schema.Json
        for (const dialect of dialects) {
          for (const mode of modes) {
            const { jsonSchema, strict } = formatOf(schema, dialect, mode)
            if (strict === true && dialect.name === "openai") assert.strictEqual(complain(jsonSchema), undefined)
            const form = strict === true && usesStrictForm.has(dialect.name) ? strictForm : json
            const wrapper = wrapperOf(jsonSchema, form)
            const decoded = yield* Extraction.extract(Extraction.make({ schema, mode, maxAttempts: 1 }), "text").pipe(
              Effect.provide(MockLlm.layer([wrapper === undefined ? form : { [wrapper]: form }], { dialect }))
            )
            const again = yield* Schema.encodeEffect(codec)(decoded)
            assert.deepStrictEqual(withoutNulls(again), withoutNulls(json), `${dialect.name}, ${mode}`)
          }
        }
      }),
    { arbitrary: { runs: schemas }, timeout: 120_000 }
  )

  it.effect.prop(
    "a strict schema of openai allows the strict form of every value",
    [sample],
    ([{ schema, spec, value }]) =>
      Effect.gen(function*() {
        const json = JSON.parse(
          JSON.stringify(yield* Schema.encodeEffect(Schema.toCodecJson(schema))(value))
        ) as Schema.Json
        const { jsonSchema } = formatOf(schema, dialects.find(({ name }) => name === "openai")!, "json_schema")
        const form = toStrictForm(spec, json) as Schema.Json
        const wrapper = wrapperOf(jsonSchema, form)
        const validate = new Ajv2020({ strict: false, validateFormats: false, validateSchema: false, meta: false })
          .compile(jsonSchema)
        assert.isTrue(validate(wrapper === undefined ? form : { [wrapper]: form }), JSON.stringify(validate.errors))
      }),
    { arbitrary: { runs: 60 }, timeout: 60_000 }
  )
})

/** The key that the value is asked for under, where the schema is not that of the value itself. */
const wrapperOf = (jsonSchema: object, form: Schema.Json): string | undefined => {
  const { properties } = jsonSchema as { readonly properties?: object }
  const [key, ...others] = Object.keys(properties ?? {})
  const isWrapped = others.length === 0 && (key === "items" || key === "value")
  return isWrapped && !(typeof form === "object" && form !== null && !Array.isArray(form) && Object.hasOwn(form, key))
    ? key
    : undefined
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
