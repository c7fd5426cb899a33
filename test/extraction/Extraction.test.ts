import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Option, Result, Schema, SchemaTransformation } from "effect"
import { Extraction, ExtractionError, type Llm, type LlmRequest, Usage } from "effect-instructor"
import { MockLlm, Reply } from "effect-instructor/testing"
import { AiError, Prompt } from "effect/ai"
import { TestClock } from "effect/testing"
import { sample, toStrictForm } from "../support/schemaSpec.ts"

class Person extends Schema.Class<Person>("Person")({
  name: Schema.String,
  age: Schema.Int.check(Schema.isLessThan(150, { message: "nobody is that old" }))
}, { description: "somebody" }) {}

const modes = ["json_schema", "tools", "json", "markdown"] as const

const ada = { name: "Ada", age: 36 }
const old = { name: "Ada", age: 360 }

const failure = <A, R>(effect: Effect.Effect<A, ExtractionError.ExtractionError, R>) => Effect.flip(effect)

const lastText = (request: LlmRequest.LlmRequest | undefined): string => {
  const message = request?.messages.at(-1)
  return typeof message?.content === "string" ? message.content : ""
}

describe("Extraction", () => {
  describe("make", () => {
    it("takes name and description from the schema, unless told otherwise", () => {
      const { description, name } = Extraction.make({ schema: Person })
      assert.deepStrictEqual([name, description], ["Person", "somebody"])
      const own = Extraction.make({ schema: Person, name: "human", description: "a human" })
      assert.deepStrictEqual([own.name, own.description], ["human", "a human"])
      assert.strictEqual(Extraction.make({ schema: Schema.String }).name, "Response")
      const checked = Schema.Struct({ a: Schema.Int }).annotate({ identifier: "Checked" }).check(
        Schema.makeFilter(() => true)
      )
      assert.strictEqual(Extraction.make({ schema: checked }).name, "Checked")
    })

    it("makes a name the provider accepts", () => {
      const named = (name: string) =>
        Result.getOrThrow(Extraction.toRequest(Extraction.make({ schema: Person, name }), "x", { model: "m" })).output
          .name
      assert.strictEqual(named("an invoice / größe"), "an_invoice_gr_e")
      assert.strictEqual(named("x".repeat(100)).length, 64)
      assert.match(named("日本"), /^[\w-]+$/)
    })

    it("is a value that can be piped", () => {
      assert.isTrue(Extraction.isExtraction(Extraction.make({ schema: Person })))
      assert.isFalse(Extraction.isExtraction(Person))
      assert.strictEqual(Extraction.make({ schema: Person }).pipe((self) => self.name), "Person")
    })

    it("asks at least once", () => {
      for (const maxAttempts of [0, -1, 0.5, Number.NaN]) {
        assert.strictEqual(Extraction.make({ schema: Person, maxAttempts }).maxAttempts, 1)
      }
    })
  })

  describe("extract", () => {
    for (const mode of modes) {
      it.effect(`gives a typed value in mode ${mode}`, () =>
        Effect.gen(function*() {
          const person = yield* Extraction.extract(Extraction.make({ schema: Person, mode }), "I am Ada")
          assert.instanceOf(person, Person)
          assert.deepStrictEqual({ ...person }, ada)
          assert.strictEqual((yield* MockLlm.requests)[0]?.output.mode, mode)
        }).pipe(
          Effect.provide(
            MockLlm.layer([mode === "markdown" ? "Sure:\n```json\n" + JSON.stringify(ada) + "\n```" : ada])
          )
        ))
    }

    it.effect("takes a bare schema, a prompt, messages, and its own kind of input", () =>
      Effect.gen(function*() {
        yield* Extraction.extract(Person, "I am Ada")
        yield* Extraction.extract(Person, Prompt.make("I am Ada"))
        yield* Extraction.extract(Person, [{ role: "user", content: "I am Ada" }])
        const fromForm = Extraction.make({
          schema: Person,
          prompt: (form: { readonly first: string; readonly last: string }) => `${form.first} ${form.last}`
        })
        yield* Extraction.extract(fromForm, { first: "I am", last: "Ada" })
        yield* fromForm.pipe(Extraction.extract({ first: "I am", last: "Ada" }))
        for (const request of yield* MockLlm.requests) assert.strictEqual(lastText(request), "I am Ada")
      }).pipe(Effect.provide(MockLlm.layer(() => ada))))

    it.effect("runs transformations, and decoding that needs services", () =>
      Effect.gen(function*() {
        class Rates extends Context.Service<Rates, { readonly toEuro: (dollars: number) => Effect.Effect<number> }>()(
          "Rates"
        ) {}
        const Euro = Schema.Finite.pipe(
          Schema.decodeTo(
            Schema.Finite,
            SchemaTransformation.transformEffect({
              decode: (dollars) => Rates.use((rates) => rates.toEuro(dollars)),
              encode: (euro) => Effect.succeed(euro)
            })
          )
        )
        const price = Schema.Struct({ at: Schema.DateFromString, price: Euro })
        const program: Effect.Effect<
          { readonly at: Date; readonly price: number },
          ExtractionError.ExtractionError,
          Rates | Llm.Llm
        > = Extraction.extract(price, "10 dollars on new year")
        const value = yield* program.pipe(
          Effect.provideService(Rates, { toEuro: (dollars) => Effect.succeed(dollars / 2) }),
          Effect.provide(MockLlm.layer([{ at: "2026-01-01", price: 10 }]))
        )
        assert.deepStrictEqual(value, { at: new Date("2026-01-01"), price: 5 })
      }))

    it.effect.prop(
      "a value written the way the model writes it arrives as itself, in all four modes",
      [sample],
      ([{ schema, spec, value }]) =>
        Effect.gen(function*() {
          const codec = Schema.toCodecJson(schema)
          const json = JSON.parse(JSON.stringify(yield* Schema.encodeEffect(codec)(value)))
          const expected = yield* Schema.decodeEffect(codec)(json)
          for (const mode of modes) {
            const extraction = Extraction.make({ schema: schema, mode, maxAttempts: 1 })
            const form = mode === "json_schema" || mode === "tools" ? toStrictForm(spec, json) : json
            const request = Result.getOrThrow(Extraction.toRequest(extraction, "x", { model: "m" }))
            const [key] = Object.keys((request.output.jsonSchema["properties"] ?? {}) as object)
            const wrapped = isWrapped(spec) ? { [key!]: form } : form
            const text = mode === "markdown"
              ? `Here:\n\`\`\`json\n${JSON.stringify(wrapped)}\n\`\`\``
              : JSON.stringify(wrapped)
            const arrived = yield* Extraction.extract(extraction, "x").pipe(Effect.provide(MockLlm.layer([text])))
            assert.deepStrictEqual(comparable(arrived), comparable(expected))
          }
        }),
      { arbitrary: { runs: 100 } }
    )
  })

  describe("extractDetailed", () => {
    it.effect("sums usage over attempts, and tells the rest of the last one", () =>
      Effect.gen(function*() {
        const detailed = yield* Extraction.extractDetailed(
          Extraction.make({ schema: Person, model: "big" }),
          "I am Ada"
        )
        assert.deepStrictEqual({ ...detailed.value }, ada)
        assert.strictEqual(detailed.attempts, 2)
        assert.deepStrictEqual(detailed.usage, { ...Usage.zero, inputTokens: 110, outputTokens: 11, unpriced: 2 })
        assert.strictEqual(detailed.model, "big")
        assert.strictEqual(detailed.finishReason, "stop")
        assert.strictEqual(detailed.completion.id, "mock-1")
      }).pipe(
        Effect.provide(MockLlm.layer([
          Reply.withUsage(old, { inputTokens: 10, outputTokens: 1 }),
          Reply.withUsage(ada, { inputTokens: 100, outputTokens: 10 })
        ]))
      ))
  })

  describe("reasking", () => {
    for (const mode of modes) {
      it.effect(`tells the model every issue in mode ${mode}, and takes the better answer`, () =>
        Effect.gen(function*() {
          const person = yield* Extraction.extract(Extraction.make({ schema: Person, mode }), "I am Ada")
          assert.strictEqual(person.age, 36)
          const [first, second] = yield* MockLlm.requests
          assert.deepStrictEqual(second!.messages.slice(0, first!.messages.length), first!.messages)
          const complaint = lastText(second)
          assert.include(complaint, "- name: Expected string")
          assert.include(complaint, "- age: nobody is that old")
          const answer = second!.messages.at(-2)!
          assert.strictEqual(answer.role, "assistant")
          assert.include(JSON.stringify(answer), "360")
        }).pipe(Effect.provide(MockLlm.layer([{ name: null, age: 360 }, ada]))))
    }

    it.effect("replaces the last failed answer instead of piling them up", () =>
      Effect.gen(function*() {
        yield* Extraction.extract(Extraction.make({ schema: Person, maxAttempts: 4 }), "I am Ada")
        const lengths = (yield* MockLlm.requests).map(({ messages }) => messages.length)
        assert.deepStrictEqual(lengths, [2, 4, 4, 4])
      }).pipe(Effect.provide(MockLlm.layer([old, "nonsense", old, ada]))))

    it.effect("asks at most maxAttempts times, and keeps every answer with its issues", () =>
      Effect.gen(function*() {
        const error = yield* failure(Extraction.extract(Person, "I am Ada"))
        const { reason } = error
        assert.instanceOf(reason, ExtractionError.InvalidOutput)
        assert.deepStrictEqual(reason.attempts, [
          { text: JSON.stringify(old), issues: [{ path: ["age"], message: "nobody is that old" }] },
          { text: "nonsense", issues: [{ path: [], message: "The answer holds no JSON value" }] },
          { text: "", issues: [{ path: [], message: "The answer is empty" }] }
        ])
        assert.strictEqual(error.attempts, 3)
        assert.isAbove(error.usage.inputTokens, 0)
        assert.strictEqual((yield* MockLlm.requests).length, 3)
      }).pipe(Effect.provide(MockLlm.layer([old, "nonsense", ""]))))

    it.effect("does not touch the caller's messages", () =>
      Effect.gen(function*() {
        const messages: Array<Prompt.MessageEncoded> = [{ role: "system", content: "Mine." }, {
          role: "user",
          content: "Ada"
        }]
        const before = JSON.stringify(messages)
        yield* Extraction.extract(Person, messages)
        assert.strictEqual(JSON.stringify(messages), before)
      }).pipe(Effect.provide(MockLlm.layer([old, ada]))))

    it.effect("takes the block that decodes, not the one that comes first", () =>
      Effect.gen(function*() {
        assert.strictEqual((yield* Extraction.extract(Person, "x")).name, "Ada")
        assert.strictEqual((yield* MockLlm.requests).length, 1)
      }).pipe(
        Effect.provide(MockLlm.layer([
          `{"name": "example", "age": 1000} is wrong; ${JSON.stringify(ada)} is right; as in {"see": "schema"}`
        ]))
      ))

    it.effect("mends broken JSON instead of paying for another answer", () =>
      Effect.gen(function*() {
        assert.strictEqual((yield* Extraction.extractDetailed(Person, "x")).attempts, 1)
      }).pipe(Effect.provide(MockLlm.layer(["{name: 'Ada', age: 36,}"]))))
  })

  describe("answers that are none", () => {
    it.effect("a truncated one is not asked for again", () =>
      Effect.gen(function*() {
        const extraction = Extraction.make({ schema: Schema.Array(Person), parameters: { maxTokens: 50 } })
        const error = yield* failure(Extraction.extract(extraction, "x"))
        assert.instanceOf(error.reason, ExtractionError.Truncated)
        assert.strictEqual(error.reason.maxTokens, 50)
        assert.include(error.reason.text, "Ada")
        assert.strictEqual(error.attempts, 1)
        assert.include(error.message, "maxTokens (50)")
      }).pipe(Effect.provide(MockLlm.layer([Reply.truncated("{\"items\":[{\"name\":\"Ada\",\"age\":36},{\"name\":")]))))

    it.effect("a truncated one that is whole all the same is taken", () =>
      Effect.gen(function*() {
        assert.strictEqual((yield* Extraction.extract(Person, "x")).name, "Ada")
      }).pipe(Effect.provide(MockLlm.layer([Reply.truncated(JSON.stringify(ada))]))))

    it.effect("a truncated one is never mended", () =>
      Effect.gen(function*() {
        const error = yield* failure(Extraction.extract(Schema.Array(Schema.Int), "x"))
        assert.strictEqual(error.reason._tag, "Truncated")
      }).pipe(Effect.provide(MockLlm.layer([Reply.truncated("{\"items\": [1, 2, 3")]))))

    it.effect("a refusal keeps the model's words", () =>
      Effect.gen(function*() {
        const error = yield* failure(Extraction.extract(Person, "x"))
        assert.instanceOf(error.reason, ExtractionError.Refused)
        assert.strictEqual(error.reason.refusal, "I would rather not.")
        assert.strictEqual((yield* MockLlm.requests).length, 1)
      }).pipe(Effect.provide(MockLlm.layer([Reply.refusal("I would rather not.")]))))

    it.effect("a filtered one keeps what arrived", () =>
      Effect.gen(function*() {
        const error = yield* failure(Extraction.extract(Person, "x"))
        assert.instanceOf(error.reason, ExtractionError.ContentFiltered)
        assert.strictEqual(error.reason.text, "{\"na")
      }).pipe(Effect.provide(MockLlm.layer([Reply.filtered("{\"na")]))))
  })

  describe("failures", () => {
    it.effect("of the provider carry its error, and what was spent before it", () =>
      Effect.gen(function*() {
        const error = yield* failure(Extraction.extract(Person, "x"))
        assert.instanceOf(error.reason, ExtractionError.ProviderFailure)
        assert.strictEqual(error.reason.error.reason._tag, "QuotaExhaustedError")
        assert.strictEqual(error.attempts, 1)
        assert.isAbove(error.usage.outputTokens, 0)
      }).pipe(
        Effect.provide(MockLlm.layer((_, call) => call === 0 ? old : Effect.fail(new AiError.QuotaExhaustedError({}))))
      ))

    it.effect("can be handled reason by reason", () =>
      Effect.gen(function*() {
        const handled = yield* Extraction.extract(Person, "x").pipe(
          Effect.map(({ name }) => name),
          Effect.catchReason("ExtractionError", "Refused", ({ refusal }) => Effect.succeed(refusal))
        )
        assert.strictEqual(handled, "No.")
      }).pipe(Effect.provide(MockLlm.layer([Reply.refusal("No.")]))))

    it.effect("of the schema come before any request", () =>
      Effect.gen(function*() {
        for (const mode of ["json_schema", "tools"] as const) {
          const extraction = Extraction.make({ schema: Schema.Struct({ any: Schema.Unknown }), name: "Thing", mode })
          const error = yield* failure(Extraction.extract(extraction, "x"))
          assert.instanceOf(error.reason, ExtractionError.UnsupportedSchema)
          assert.strictEqual(error.reason.path, "$.any")
          assert.include(error.message, "Extraction of Thing failed")
          assert.include(error.message, "mode \"json\"")
        }
        assert.strictEqual((yield* MockLlm.requests).length, 0)
        const loose = Extraction.make({ schema: Schema.Struct({ any: Schema.Unknown }), mode: "json" })
        assert.deepStrictEqual(yield* Extraction.extract(loose, "x"), { any: [1, "a"] })
      }).pipe(Effect.provide(MockLlm.layer([{ any: [1, "a"] }]))))

    it.effect("by the clock count attempts and retries together, and say what was spent", () =>
      Effect.gen(function*() {
        const extraction = Extraction.make({ schema: Person, timeout: "10 seconds" })
        const fiber = yield* Effect.forkChild(failure(Extraction.extract(extraction, "x")))
        yield* TestClock.adjust("10 seconds")
        const error = yield* Fiber.join(fiber)
        assert.strictEqual(error.reason._tag, "TimedOut")
        assert.strictEqual(error.attempts, 2)
        assert.isAbove(error.usage.inputTokens, 0)
        assert.strictEqual(yield* MockLlm.interrupted, 1)
      }).pipe(Effect.provide(MockLlm.layer(() => old, { delay: "4 seconds" }))))

    it.effect("survive serialisation", () =>
      Effect.gen(function*() {
        const codec = Schema.toCodecJson(ExtractionError.ExtractionError)
        for (const reply of [Reply.refusal("No."), Reply.truncated("{"), Reply.filtered("{"), Reply.text("x")]) {
          const error = yield* failure(Extraction.extract(Person, "x")).pipe(
            Effect.provide(MockLlm.layer(() => reply))
          )
          const json = JSON.parse(JSON.stringify(yield* Schema.encodeEffect(codec)(error)))
          const revived = yield* Schema.decodeEffect(codec)(json)
          assert.strictEqual(revived.message, error.message)
          assert.strictEqual(revived.reason._tag, error.reason._tag)
        }
      }))
  })

  describe("maybe", () => {
    it.effect("finds something or nothing", () =>
      Effect.gen(function*() {
        const maybe = Extraction.maybe(Extraction.make({ schema: Person, instructions: "Find someone." }))
        assert.deepStrictEqual(
          Option.map(yield* Extraction.extract(maybe, "I am Ada"), ({ name }) => name),
          Option.some("Ada")
        )
        assert.deepStrictEqual(yield* Extraction.extract(maybe, "It rained"), Option.none())
        const [request] = yield* MockLlm.requests
        assert.strictEqual(request?.output.name, "Person")
        assert.strictEqual(request?.messages[0]?.content, "Find someone.")
      }).pipe(
        Effect.provide(MockLlm.layer({
          "I am Ada": { result: ada, reason: null },
          "It rained": { result: null, reason: "no person is mentioned" }
        }))
      ))

    it.effect("works on values that are no objects, and on bare schemas", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* Extraction.extract(Extraction.maybe(Schema.Int), "x"), Option.some(1))
        assert.deepStrictEqual(
          yield* Extraction.extract(Extraction.maybe(Schema.Array(Schema.Int)), "x"),
          Option.none()
        )
      }).pipe(Effect.provide(MockLlm.layer([{ result: 1, reason: null }, { result: null }]))))
  })

  describe("fromJsonSchema", () => {
    it.effect("extracts what a JSON Schema document describes", () =>
      Effect.gen(function*() {
        const extraction = Result.getOrThrow(Extraction.fromJsonSchema({
          $schema: "http://json-schema.org/draft-07/schema#",
          type: "object",
          title: "Invoice",
          properties: {
            total: { type: "number", description: "in euros" },
            lines: { type: "array", items: { type: "object", properties: { sku: { type: "string" } } } }
          },
          required: ["total"]
        }))
        const value = yield* Extraction.extract(extraction, "x")
        assert.deepStrictEqual(value, { total: 12, lines: [{ sku: "a" }, {}] })
      }).pipe(Effect.provide(MockLlm.layer([{ total: 12, lines: [{ sku: "a" }, { sku: null }] }]))))

    it("says where a document cannot be followed", () => {
      const fail = (document: unknown) =>
        Result.getOrThrow(Result.flip(Extraction.fromJsonSchema(document, { name: "Doc" }))).message
      assert.include(fail([]), "a JSON object")
      assert.include(
        fail({ type: "object", properties: { a: { not: { type: "string" } } } }),
        "$[\"properties\"][\"a\"][\"not\"]"
      )
      assert.include(fail({ $ref: "https://example.com/schema.json" }), "Extraction of Doc failed (UnsupportedSchema)")
    })
  })

  it.effect("fails typed where the layer is missing an answer, never as a defect", () =>
    Effect.gen(function*() {
      const error = yield* failure(Extraction.extract(Person, "x"))
      assert.include(error.message, "the script has 0 replies, and this is request 1")
    }).pipe(Effect.provide(MockLlm.layer([]))))

  it.effect("lets one layer serve many extractions", () =>
    Effect.gen(function*() {
      const [person, city] = yield* Effect.all([
        Extraction.extract(Person, "who"),
        Extraction.extract(Schema.Struct({ city: Schema.String }), "where")
      ], { concurrency: "unbounded" })
      assert.deepStrictEqual([person.name, city.city], ["Ada", "London"])
    }).pipe(Effect.provide(MockLlm.layer({ who: ada, where: { city: "London" } })), Effect.provide(Layer.empty)))
})

/** What the wrapper is for: roots that are no objects. */
const isWrapped = (spec: { readonly _tag: string }): boolean => !["Struct", "Class", "Tree"].includes(spec._tag)

/** Compares by JSON: instances of generated classes are told apart by their content. */
const comparable = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_, inner) => typeof inner === "bigint" ? `${inner}n` : inner) ?? "null")
