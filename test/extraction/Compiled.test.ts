import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Result, Schema, Stream } from "effect"
import { Batch, Extraction, ExtractionStream, Llm, type LlmRequest } from "effect-instructor"
import { MockLlm } from "effect-instructor/testing"

const Person = Schema.Struct({ name: Schema.String, nick: Schema.optionalKey(Schema.String) })
const Loose = Schema.Struct({ facts: Schema.Record(Schema.String, Schema.Json) })
const Impossible = Schema.Struct({ never: Schema.Never })

const modes = ["json_schema", "tools", "json", "markdown"] as const
const ada = { name: "Ada", nick: null }

/** The output formats of the requests that an extraction sends, one for each mode. */
const formatsIn = (schema: Schema.ConstraintDecoder<unknown>, dialect: Llm.DialectInput) =>
  Effect.gen(function*() {
    for (const mode of modes) yield* Effect.result(Extraction.extract(Extraction.make({ schema, mode }), "x"))
    const requests = yield* MockLlm.requests
    return Object.fromEntries(requests.map(({ output }) => [output.mode, output as LlmRequest.JsonFormat]))
  }).pipe(Effect.provide(MockLlm.layer(() => JSON.stringify(ada), { dialect })))

/** Accepts nothing larger than two properties, and names its schemas. */
const small: Llm.Dialect = {
  name: "small",
  accept: ({ schema }) => {
    const properties = Object.keys(schema["properties"] as object)
    return properties.length > 2
      ? Result.fail({ path: `$.${properties[2]}`, description: "it is the third property, and two are allowed" })
      : Result.succeed({ jsonSchema: { ...schema, $id: "small" }, strict: false })
  }
}

describe("dialects", () => {
  it.effect("plain sends ordinary JSON Schema that is not strict", () =>
    Effect.gen(function*() {
      const formats = yield* formatsIn(Person, "plain")
      for (const mode of ["json_schema", "tools"]) {
        assert.strictEqual(formats[mode]!.strict, false)
        assert.deepStrictEqual(formats[mode]!.jsonSchema, {
          type: "object",
          properties: { name: { type: "string" }, nick: { type: "string" } },
          required: ["name"],
          additionalProperties: false
        })
      }
    }))

  it.effect("openai sends its strict subset", () =>
    Effect.gen(function*() {
      const formats = yield* formatsIn(Person, "openai")
      for (const mode of ["json_schema", "tools"]) {
        assert.strictEqual(formats[mode]!.strict, true)
        assert.deepStrictEqual(formats[mode]!.jsonSchema["required"], ["name", "nick"])
      }
    }))

  it.effect("do not affect the modes that show the schema as text", () =>
    Effect.gen(function*() {
      const [openai, plain, custom] = yield* Effect.all([
        formatsIn(Person, "openai"),
        formatsIn(Person, "plain"),
        formatsIn(Person, small)
      ])
      for (const mode of ["json", "markdown"]) {
        assert.deepStrictEqual(openai[mode], plain[mode])
        assert.deepStrictEqual(custom[mode], plain[mode])
        assert.notProperty(plain[mode], "strict")
        assert.deepStrictEqual(plain[mode]!.jsonSchema["required"], ["name"])
      }
    }))

  it.effect("accept every schema in the modes that show it as text", () =>
    Effect.gen(function*() {
      const formats = yield* formatsIn(Impossible, "openai")
      assert.deepStrictEqual(Object.keys(formats), ["json", "markdown"])
    }))

  it.effect("openai sends a schema without a strict form as it is, and shows it to the model", () =>
    Effect.gen(function*() {
      const formats = yield* formatsIn(Loose, "openai")
      const plain = yield* formatsIn(Loose, "plain")
      for (const mode of ["json_schema", "tools"] as const) {
        assert.deepStrictEqual(formats[mode], plain[mode])
        assert.strictEqual(formats[mode]!.strict, false)
        const { messages } = Result.getOrThrow(
          Extraction.toRequest(Extraction.make({ schema: Loose, mode }), "text", { model: "m" })
        )
        assert.include(messages[0]!.content, JSON.stringify(formats[mode]!.jsonSchema))
      }
    }))

  it.effect("can be made by a provider, with limits of its own", () =>
    Effect.gen(function*() {
      const formats = yield* formatsIn(Person, small)
      assert.strictEqual(formats["tools"]!.jsonSchema["$id"], "small")
      const Large = Schema.Struct({ a: Schema.Int, b: Schema.Int, c: Schema.Int })
      const extraction = Extraction.make({ schema: Large, name: "Large" })
      const errors = yield* Effect.all([
        Effect.flip(Extraction.extract(extraction, "x")),
        Effect.flip(Stream.runDrain(ExtractionStream.partial(extraction, "x"))),
        Effect.map(Batch.results(extraction, ["x"]), ([result]) => Result.getOrThrow(Result.flip(result!)))
      ]).pipe(Effect.provide(MockLlm.layer([], { dialect: small })))
      for (const { attempts, message, reason } of errors) {
        assert.isTrue(reason._tag === "UnsupportedSchema" && reason.path === "$.c")
        assert.strictEqual(attempts, 0)
        assert.include(message, "Extraction of Large failed")
        assert.include(message, "two are allowed")
      }
      // The other dialects still accept it.
      assert.isTrue(Result.isSuccess(Extraction.jsonSchema(extraction, "openai")))
    }))

  it.effect("are chosen by the provider that is asked, for one extraction in one program", () =>
    Effect.gen(function*() {
      const strict: Array<boolean | undefined> = []
      for (const dialect of ["openai", "plain", "openai"] as const) {
        yield* Extraction.extract(Person, "x").pipe(
          Effect.provide(MockLlm.layer((request) => {
            strict.push((request.output as LlmRequest.JsonFormat).strict)
            return ada
          }, { dialect }))
        )
      }
      assert.deepStrictEqual(strict, [true, false, true])
    }))

  it.effect("are plain for an Llm that names none", () =>
    Effect.gen(function*() {
      const formats: Array<LlmRequest.OutputFormat> = []
      const layer = Layer.succeed(
        Llm.Llm,
        Llm.make({
          provider: "own",
          model: "own",
          complete: (request) =>
            Llm.Llm.use((inner) => {
              formats.push(request.output)
              return inner.complete(request)
            }).pipe(Effect.provide(MockLlm.layer([ada])))
        })
      )
      yield* Extraction.extract(Person, "x").pipe(Effect.provide(layer))
      assert.strictEqual((formats[0] as LlmRequest.JsonFormat).strict, false)
    }))

  it.effect("compile an extraction once", () =>
    Effect.gen(function*() {
      let compiled = 0
      const counting: Llm.Dialect = {
        name: "counting",
        accept: ({ schema }) => {
          compiled++
          return Result.succeed({ jsonSchema: schema, strict: false })
        }
      }
      const extraction = Extraction.make({ schema: Person })
      yield* Batch.all(extraction, ["a", "b", "c"]).pipe(
        Effect.provide(MockLlm.layer(() => ada, { dialect: counting }))
      )
      yield* Extraction.extract(extraction, "d").pipe(Effect.provide(MockLlm.layer([ada], { dialect: counting })))
      assert.strictEqual(compiled, 1)
    }))
})
