import { assert, describe, it } from "@effect/vitest"
import { Context, Duration, Effect, Fiber, Layer, Option, Result, Schema, SchemaTransformation } from "effect"
import { Extraction, ExtractionError, Llm, type LlmRequest, Usage } from "effect-instructor"
import { MockLlm, Reply } from "effect-instructor/testing"
import { AiError, Prompt } from "effect/ai"
import { TestClock } from "effect/testing"
import { completion } from "../support/completions.ts"
import { sample, toStrictForm } from "../support/schemaSpec.ts"

class Person extends Schema.Class<Person>("Person")({
  name: Schema.String,
  age: Schema.Int.check(Schema.isLessThan(150, { message: "must be below 150" }))
}, { description: "somebody" }) {}

const modes = ["json_schema", "tools", "json", "markdown"] as const

const ada = { name: "Ada", age: 36 }
const old = { name: "Ada", age: 360 }

const failure = <A, R>(effect: Effect.Effect<A, ExtractionError.ExtractionError, R>) => Effect.flip(effect)

const lastText = (request: LlmRequest.LlmRequest | undefined): string => {
  const message = request?.messages.at(-1)
  return typeof message?.content === "string" ? message.content : ""
}

const formatOf = (request: LlmRequest.LlmRequest | undefined) => request!.output as LlmRequest.JsonFormat

describe("Extraction", () => {
  describe("make", () => {
    it("takes its name and description from the schema unless options give them", () => {
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

    it("sends a name that providers accept", () => {
      const named = (name: string) =>
        formatOf(
          Result.getOrThrow(Extraction.toRequest(Extraction.make({ schema: Person, name }), "x", { model: "m" }))
        ).name
      assert.strictEqual(named("an invoice / größe"), "an_invoice_gr_e")
      assert.strictEqual(named("x".repeat(100)).length, 64)
      assert.match(named("日本"), /^[\w-]+$/)
    })

    it("returns a pipeable value", () => {
      assert.isTrue(Extraction.isExtraction(Extraction.make({ schema: Person })))
      assert.isFalse(Extraction.isExtraction(Person))
      assert.strictEqual(Extraction.make({ schema: Person }).pipe((self) => self.name), "Person")
    })

    it("raises maxAttempts below 1, or NaN, to 1", () => {
      for (const maxAttempts of [0, -1, 0.5, Number.NaN]) {
        assert.strictEqual(Extraction.make({ schema: Person, maxAttempts }).maxAttempts, 1)
      }
    })
  })

  describe("with", () => {
    const original = Extraction.make({
      schema: Person,
      instructions: "Be brief.",
      model: "small",
      timeout: "1 second",
      cache: false
    })

    it("changes the given options and keeps the others", () => {
      const changed = Extraction.with(original, { model: "large", maxAttempts: 0, timeout: "1 minute" })
      assert.deepStrictEqual([changed.model, changed.maxAttempts], ["large", 1])
      assert.deepStrictEqual(changed.timeout, Duration.minutes(1))
      assert.deepStrictEqual(
        [changed.instructions, changed.cache, changed.name, changed.description],
        ["Be brief.", false, "Person", "somebody"]
      )
      assert.deepStrictEqual([original.model, original.maxAttempts], ["small", 3])
    })

    it("keeps options that are undefined", () => {
      const changed = original.pipe(Extraction.with({ model: undefined, timeout: undefined, name: "human" }))
      assert.deepStrictEqual([changed.model, changed.timeout, changed.name], ["small", Duration.seconds(1), "human"])
    })

    it.effect("keeps the prompt", () =>
      Effect.gen(function*() {
        const fromForm = Extraction.make({ schema: Person, prompt: ({ name }: { readonly name: string }) => name })
        yield* Extraction.extract(Extraction.with(fromForm, { mode: "tools" }), { name: "Ada" })
        const [request] = yield* MockLlm.requests
        assert.strictEqual(lastText(request), "Ada")
        assert.strictEqual(request?.output.mode, "tools")
      }).pipe(Effect.provide(MockLlm.layer([ada]))))
  })

  describe("mapInput", () => {
    interface Row {
      readonly id: number
      readonly bio: string
    }
    const ofRow = Extraction.make({ schema: Person, instructions: "Who?" }).pipe(
      Extraction.mapInput(({ bio, id }: Row) => bio === "" ? Result.fail(`Row ${id} has no bio`) : bio)
    )

    it.effect("adapts the input and keeps the other options", () =>
      Effect.gen(function*() {
        assert.strictEqual((yield* Extraction.extract(ofRow, { id: 1, bio: "I am Ada" })).name, "Ada")
        const [request] = yield* MockLlm.requests
        assert.deepStrictEqual(request?.messages, [
          { role: "system", content: "Who?" },
          { role: "user", content: "I am Ada" }
        ])
      }).pipe(Effect.provide(MockLlm.layer([ada]))))

    it.effect("composes with the prompt of the extraction and with itself", () =>
      Effect.gen(function*() {
        const shouted = Extraction.make({ schema: Person, prompt: (text: string) => `${text}!` })
        const ofLines = Extraction.mapInput(shouted, (lines: ReadonlyArray<string>) => Result.succeed(lines.join(" ")))
        const ofPage = Extraction.mapInput(ofLines, (page: string) => page.split("\n"))
        yield* Extraction.extract(ofPage, "I am\nAda")
        assert.strictEqual(lastText((yield* MockLlm.requests)[0]), "I am Ada!")
      }).pipe(Effect.provide(MockLlm.layer([ada]))))

    it.effect("fails with InvalidInput before any request when it returns a failed Result or throws", () =>
      Effect.gen(function*() {
        const throwing = Extraction.mapInput(Extraction.make({ schema: Person }), ({ id }: Row): string => {
          throw new Error(`broken row ${id}`)
        })
        const messages: Array<string> = []
        for (const extraction of [ofRow, throwing, Extraction.mapInput(ofRow, (row: Row) => row)]) {
          const { attempts, reason, usage } = yield* failure(Extraction.extract(extraction, { id: 7, bio: "" }))
          assert.instanceOf(reason, ExtractionError.InvalidInput)
          assert.deepStrictEqual([attempts, usage], [0, Usage.zero])
          messages.push(reason.description)
        }
        assert.strictEqual(messages[0], "Row 7 has no bio")
        assert.include(messages[1], "broken row")
        assert.strictEqual(messages[2], "Row 7 has no bio")
        assert.strictEqual((yield* MockLlm.requests).length, 0)
      }).pipe(Effect.provide(MockLlm.layer([]))))
  })

  describe("prompt", () => {
    it.effect("fails with InvalidInput when it returns a failed Result", () =>
      Effect.gen(function*() {
        const extraction = Extraction.make({
          schema: Person,
          prompt: (text: string) => text === "" ? Result.fail("The text is empty") : Result.succeed(text)
        })
        const error = yield* failure(Extraction.extract(extraction, ""))
        assert.strictEqual(error.message, "Extraction of Person failed (InvalidInput). The text is empty")
        assert.strictEqual((yield* Extraction.extract(extraction, "I am Ada")).name, "Ada")
      }).pipe(Effect.provide(MockLlm.layer([ada]))))

    it.effect("fails with InvalidInput when no messages can be made from it", () =>
      Effect.gen(function*() {
        const inputs: ReadonlyArray<unknown> = [
          42,
          null,
          [{ role: "nobody", content: "x" }],
          [{ role: "assistant", content: [{ type: "tool-call", id: "1", name: "find", params: { big: 1n } }] }]
        ]
        for (const input of inputs) {
          const { reason } = yield* failure(Extraction.extract(Person, input as Extraction.PromptInput))
          assert.strictEqual(reason._tag, "InvalidInput")
        }
      }).pipe(Effect.provide(MockLlm.layer([]))))
  })

  describe("jsonSchema", () => {
    const Nested = Schema.Struct({ nick: Schema.optionalKey(Schema.String), any: Schema.optionalKey(Schema.Int) })

    it("is the schema that the dialect sends, openai unless another is given", () => {
      const schema = (dialect?: "openai" | "plain") => Result.getOrThrow(Extraction.jsonSchema(Nested, dialect))
      assert.deepStrictEqual(schema()["required"], ["nick", "any"])
      assert.deepStrictEqual(schema("openai"), schema())
      assert.notProperty(schema("plain"), "required")
      assert.deepStrictEqual(schema("plain")["properties"], {
        nick: { type: "string" },
        any: { type: "integer" }
      })
    })

    it("is the same in every dialect in the modes that show it as text", () => {
      for (const mode of ["json", "markdown"] as const) {
        const extraction = Extraction.make({ schema: Nested, mode })
        assert.deepStrictEqual(Extraction.jsonSchema(extraction, "openai"), Extraction.jsonSchema(Nested, "plain"))
      }
    })

    it("fails with the path that the dialect has no form for", () => {
      const Loose = Schema.Struct({ a: Schema.Struct({ b: Schema.Never }) })
      const error = Result.getOrThrow(Result.flip(Extraction.jsonSchema(Loose)))
      assert.isTrue(error.reason._tag === "UnsupportedSchema" && error.reason.path === "$.a.b")
      assert.isTrue(Result.isFailure(Extraction.jsonSchema(Loose, "plain")))
    })

    it("is the schema of the request", () => {
      for (const dialect of ["openai", "plain"] as const) {
        const request = Extraction.toRequest(Extraction.make({ schema: Nested }), "x", { model: "m", dialect })
        assert.deepStrictEqual(
          formatOf(Result.getOrThrow(request)).jsonSchema,
          Result.getOrThrow(Extraction.jsonSchema(Nested, dialect))
        )
      }
    })
  })

  describe("decode", () => {
    it.effect("decodes an answer in the form of any dialect", () =>
      Effect.gen(function*() {
        const Event = Schema.Struct({
          on: Schema.DateFromString,
          places: Schema.optionalKey(Schema.Record(Schema.String, Schema.Int))
        })
        const on = new Date("2026-11-24")
        const forms: ReadonlyArray<Schema.Json> = [
          { on: "2026-11-24", places: { hall: 2 } },
          { on: "2026-11-24", places: [{ key: "hall", value: 2 }] }
        ]
        for (const form of forms) {
          assert.deepStrictEqual(yield* Extraction.decode(Event, form), { on, places: { hall: 2 } })
        }
        assert.deepStrictEqual(yield* Extraction.decode(Event, { on: "2026-11-24", places: null }), { on })
        assert.deepStrictEqual(yield* Extraction.decode(Extraction.make({ schema: Schema.Int }), { value: 3 }), 3)
      }))

    it.effect("fails with every issue, without attempts or usage", () =>
      Effect.gen(function*() {
        const { attempts, reason, usage } = yield* failure(Extraction.decode(Person, { name: 1, age: 360 }))
        assert.instanceOf(reason, ExtractionError.InvalidOutput)
        assert.deepStrictEqual(reason.issues.map(ExtractionError.formatIssue), [
          "name: Expected string",
          "age: must be below 150"
        ])
        assert.deepStrictEqual(reason.attempts.map(({ text }) => text), ["{\"name\":1,\"age\":360}"])
        assert.deepStrictEqual([attempts, usage], [0, Usage.zero])
      }))
  })

  describe("extract", () => {
    for (const mode of modes) {
      it.effect(`returns a typed value in mode ${mode}`, () =>
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

    it.effect("accepts a bare schema, a prompt, messages, and the input type of its own prompt", () =>
      Effect.gen(function*() {
        yield* Extraction.extract(Person, "I am Ada")
        yield* Extraction.extract(Person, Prompt.make("I am Ada"))
        yield* Extraction.extract(Person, [{ role: "user", content: "I am Ada" }])
        const fromForm = Extraction.make({
          schema: Person,
          prompt: (form: { readonly first: string; readonly last: string }) => `${form.first} ${form.last}`
        })
        yield* Extraction.extract(fromForm, { first: "I am", last: "Ada" })
        for (const request of yield* MockLlm.requests) assert.strictEqual(lastText(request), "I am Ada")
      }).pipe(Effect.provide(MockLlm.layer(() => ada))))

    it.effect("runs transformations and decoding effects that need services", () =>
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
      "decodes every value from the form that the model writes, in all four modes",
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
            const [key] = Object.keys((formatOf(request).jsonSchema["properties"] ?? {}) as object)
            const wrapped = isWrapped(spec) ? { [key!]: form } : form
            const text = mode === "markdown"
              ? `Here:\n\`\`\`json\n${JSON.stringify(wrapped)}\n\`\`\``
              : JSON.stringify(wrapped)
            const arrived = yield* Extraction.extract(extraction, "x").pipe(Effect.provide(MockLlm.layer([text])))
            assert.deepStrictEqual(comparable(arrived), comparable(expected))
          }
        }),
      { arbitrary: { runs: 100 }, timeout: 60_000 }
    )
  })

  describe("extractDetailed", () => {
    it.effect("sums usage over all attempts and reports the model and completion of the last", () =>
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
      it.effect(`sends every issue to the model in mode ${mode} and returns the corrected answer`, () =>
        Effect.gen(function*() {
          const person = yield* Extraction.extract(Extraction.make({ schema: Person, mode }), "I am Ada")
          assert.strictEqual(person.age, 36)
          const [first, second] = yield* MockLlm.requests
          assert.deepStrictEqual(second!.messages.slice(0, first!.messages.length), first!.messages)
          const complaint = lastText(second)
          assert.include(complaint, "- name: Expected string")
          assert.include(complaint, "- age: must be below 150")
          const answer = second!.messages.at(-2)!
          assert.strictEqual(answer.role, "assistant")
          assert.include(JSON.stringify(answer), "360")
        }).pipe(Effect.provide(MockLlm.layer([{ name: null, age: 360 }, ada]))))
    }

    it.effect("replaces the last invalid answer instead of adding to it", () =>
      Effect.gen(function*() {
        yield* Extraction.extract(Extraction.make({ schema: Person, maxAttempts: 4 }), "I am Ada")
        const lengths = (yield* MockLlm.requests).map(({ messages }) => messages.length)
        assert.deepStrictEqual(lengths, [2, 4, 4, 4])
      }).pipe(Effect.provide(MockLlm.layer([old, "nonsense", old, ada]))))

    it.effect("asks again for a number that a double would round", () =>
      Effect.gen(function*() {
        const identified = Extraction.make({
          schema: Schema.Struct({ id: Schema.Union([Schema.Finite, Schema.String]) })
        })
        assert.deepStrictEqual(yield* Extraction.extract(identified, "x"), { id: "9007199254740993" })
        const [, second] = yield* MockLlm.requests
        assert.include(JSON.stringify(second), "9007199254740993 has more digits than a JSON number holds")
      }).pipe(
        Effect.provide(MockLlm.layer([Reply.text("{\"id\":9007199254740993}"), { id: "9007199254740993" }]))
      ))

    it.effect("stops after maxAttempts, with every answer and its issues in the error", () =>
      Effect.gen(function*() {
        const error = yield* failure(Extraction.extract(Person, "I am Ada"))
        const { reason } = error
        assert.instanceOf(reason, ExtractionError.InvalidOutput)
        assert.deepStrictEqual(reason.attempts, [
          { text: JSON.stringify(old), issues: [{ path: ["age"], message: "must be below 150" }] },
          { text: "nonsense", issues: [{ path: [], message: "The answer contains no JSON value" }] },
          { text: "", issues: [{ path: [], message: "The answer is empty" }] }
        ])
        assert.strictEqual(error.attempts, 3)
        assert.isAbove(error.usage.inputTokens, 0)
        assert.strictEqual((yield* MockLlm.requests).length, 3)
      }).pipe(Effect.provide(MockLlm.layer([old, "nonsense", ""]))))

    it.effect("sends opaque data of the provider back with the answer and its tool calls", () =>
      Effect.gen(function*() {
        for (const mode of ["json_schema", "tools"] as const) {
          const requests: Array<LlmRequest.LlmRequest> = []
          const call = { id: "1", name: "Person", arguments: JSON.stringify(old), providerData: { signature: "xyz" } }
          const thinking = Llm.make({
            provider: "thinking",
            model: "thinking",
            complete: (request) => {
              requests.push(request)
              const text = JSON.stringify(requests.length === 1 ? old : ada)
              return Effect.succeed(completion({
                text: mode === "tools" ? "" : text,
                toolCalls: mode === "tools" ? [{ ...call, arguments: text }] : [],
                providerData: { thought: `number ${requests.length}` }
              }))
            }
          })
          const person = Extraction.make({ schema: Person, mode })
          yield* Effect.provideService(Extraction.extract(person, "I am Ada"), Llm.Llm, thinking)
          assert.deepStrictEqual(requests[1]!.messages.find(({ role }) => role === "assistant"), {
            role: "assistant",
            content: mode === "tools" ? "" : JSON.stringify(old),
            providerData: { thought: "number 1" },
            ...(mode === "tools" && { toolCalls: [call] })
          })
        }
      }))

    it.effect("asks again with high priority", () =>
      Effect.gen(function*() {
        const priorities: Array<Llm.Priority> = []
        const mock = MockLlm.layer((_, call) =>
          Effect.map(Llm.CurrentPriority, (priority) => {
            priorities.push(priority)
            return call === 0 ? old : ada
          })
        )
        yield* Extraction.extract(Person, "I am Ada").pipe(Llm.withPriority("low"), Effect.provide(mock))
        assert.deepStrictEqual(priorities, ["low", "high"])
      }))

    it.effect("leaves the messages of the caller unchanged", () =>
      Effect.gen(function*() {
        const messages: Array<Prompt.MessageEncoded> = [{ role: "system", content: "Mine." }, {
          role: "user",
          content: "Ada"
        }]
        const before = JSON.stringify(messages)
        yield* Extraction.extract(Person, messages)
        assert.strictEqual(JSON.stringify(messages), before)
      }).pipe(Effect.provide(MockLlm.layer([old, ada]))))

    it.effect("returns the JSON block that decodes, wherever it is in the answer", () =>
      Effect.gen(function*() {
        assert.strictEqual((yield* Extraction.extract(Person, "x")).name, "Ada")
        assert.strictEqual((yield* MockLlm.requests).length, 1)
      }).pipe(
        Effect.provide(MockLlm.layer([
          `{"name": "example", "age": 1000} is wrong; ${JSON.stringify(ada)} is right; as in {"see": "schema"}`
        ]))
      ))

    it.effect("repairs broken JSON without a reask", () =>
      Effect.gen(function*() {
        assert.strictEqual((yield* Extraction.extractDetailed(Person, "x")).attempts, 1)
      }).pipe(Effect.provide(MockLlm.layer(["{name: 'Ada', age: 36,}"]))))
  })

  describe("incomplete answers", () => {
    it.effect("fails without a reask when the answer is truncated", () =>
      Effect.gen(function*() {
        const extraction = Extraction.make({ schema: Schema.Array(Person), parameters: { maxTokens: 50 } })
        const error = yield* failure(Extraction.extract(extraction, "x"))
        assert.instanceOf(error.reason, ExtractionError.Truncated)
        assert.strictEqual(error.reason.maxTokens, 50)
        assert.include(error.reason.text, "Ada")
        assert.strictEqual(error.attempts, 1)
        assert.include(error.message, "maxTokens (50)")
      }).pipe(Effect.provide(MockLlm.layer([Reply.truncated("{\"items\":[{\"name\":\"Ada\",\"age\":36},{\"name\":")]))))

    it.effect("accepts a truncated answer that is a whole value", () =>
      Effect.gen(function*() {
        assert.strictEqual((yield* Extraction.extract(Person, "x")).name, "Ada")
      }).pipe(Effect.provide(MockLlm.layer([Reply.truncated(JSON.stringify(ada))]))))

    it.effect("never repairs a truncated answer", () =>
      Effect.gen(function*() {
        const error = yield* failure(Extraction.extract(Schema.Array(Schema.Int), "x"))
        assert.strictEqual(error.reason._tag, "Truncated")
      }).pipe(Effect.provide(MockLlm.layer([Reply.truncated("{\"items\": [1, 2, 3")]))))

    it.effect("fails with the words of the model when it refuses", () =>
      Effect.gen(function*() {
        const error = yield* failure(Extraction.extract(Person, "x"))
        assert.instanceOf(error.reason, ExtractionError.Refused)
        assert.strictEqual(error.reason.refusal, "I would rather not.")
        assert.strictEqual((yield* MockLlm.requests).length, 1)
      }).pipe(Effect.provide(MockLlm.layer([Reply.refusal("I would rather not.")]))))

    it.effect("fails with the text so far when the content filter stops an answer", () =>
      Effect.gen(function*() {
        const error = yield* failure(Extraction.extract(Person, "x"))
        assert.instanceOf(error.reason, ExtractionError.ContentFiltered)
        assert.strictEqual(error.reason.text, "{\"na")
      }).pipe(Effect.provide(MockLlm.layer([Reply.filtered("{\"na")]))))
  })

  describe("failures", () => {
    it.effect("carries the error of the provider and the usage before it", () =>
      Effect.gen(function*() {
        const error = yield* failure(Extraction.extract(Person, "x"))
        assert.instanceOf(error.reason, ExtractionError.ProviderFailure)
        assert.strictEqual(error.reason.error.reason._tag, "QuotaExhaustedError")
        assert.strictEqual(error.attempts, 1)
        assert.isAbove(error.usage.outputTokens, 0)
      }).pipe(
        Effect.provide(MockLlm.layer((_, call) => call === 0 ? old : Effect.fail(new AiError.QuotaExhaustedError({}))))
      ))

    it.effect("can be handled by reason", () =>
      Effect.gen(function*() {
        const handled = yield* Extraction.extract(Person, "x").pipe(
          Effect.map(({ name }) => name),
          Effect.catchReason("ExtractionError", "Refused", ({ refusal }) => Effect.succeed(refusal))
        )
        assert.strictEqual(handled, "No.")
      }).pipe(Effect.provide(MockLlm.layer([Reply.refusal("No.")]))))

    it.effect("fails before any request when the provider does not accept the schema", () =>
      Effect.gen(function*() {
        for (const mode of ["json_schema", "tools"] as const) {
          const extraction = Extraction.make({ schema: Schema.Struct({ any: Schema.Never }), name: "Thing", mode })
          const error = yield* failure(Extraction.extract(extraction, "x"))
          assert.instanceOf(error.reason, ExtractionError.UnsupportedSchema)
          assert.strictEqual(error.reason.path, "$.any")
          assert.include(error.message, "Extraction of Thing failed")
          assert.include(error.message, "no value fits it")
        }
        assert.strictEqual((yield* MockLlm.requests).length, 0)
        const loose = Extraction.make({ schema: Schema.Struct({ any: Schema.Unknown }), mode: "json" })
        assert.deepStrictEqual(yield* Extraction.extract(loose, "x"), { any: [1, "a"] })
      }).pipe(Effect.provide(MockLlm.layer([{ any: [1, "a"] }]))))

    it.effect("applies the timeout to all attempts together and reports their usage", () =>
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

    it.effect("survives serialisation", () =>
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

  describe("option", () => {
    it.effect("returns Some for a value and None where the model finds nothing", () =>
      Effect.gen(function*() {
        const optional = Extraction.option(Extraction.make({ schema: Person, instructions: "Find someone." }))
        assert.deepStrictEqual(
          Option.map(yield* Extraction.extract(optional, "I am Ada"), ({ name }) => name),
          Option.some("Ada")
        )
        assert.deepStrictEqual(yield* Extraction.extract(optional, "It rained"), Option.none())
        const [request] = yield* MockLlm.requests
        assert.strictEqual(formatOf(request).name, "Person")
        assert.strictEqual(request?.messages[0]?.content, "Find someone.")
      }).pipe(
        Effect.provide(MockLlm.layer({
          "I am Ada": { result: ada, reason: null },
          "It rained": { result: null, reason: "no person is mentioned" }
        }))
      ))

    it.effect("accepts bare schemas and values that are not objects", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* Extraction.extract(Extraction.option(Schema.Int), "x"), Option.some(1))
        assert.deepStrictEqual(
          yield* Extraction.extract(Extraction.option(Schema.Array(Schema.Int)), "x"),
          Option.none()
        )
      }).pipe(Effect.provide(MockLlm.layer([{ result: 1, reason: null }, { result: null }]))))
  })

  describe("fromJsonSchema", () => {
    it.effect("extracts the value that a JSON Schema document describes", () =>
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

    it("reports the path of what it cannot read", () => {
      const fail = (document: unknown) =>
        Result.getOrThrow(Result.flip(Extraction.fromJsonSchema(document, { name: "Doc" }))).message
      assert.include(fail([]), "a JSON object")
      assert.include(
        fail({ type: "object", properties: { a: { items: { type: "text" } } } }),
        "at $.a[], \"text\" is not a type"
      )
      assert.include(fail({ $ref: "https://example.com/schema.json" }), "Extraction of Doc failed (UnsupportedSchema)")
    })

    it.effect("checks all keywords, and tells the model those that no provider takes", () =>
      Effect.gen(function*() {
        const extraction = Result.getOrThrow(Extraction.fromJsonSchema({
          type: "object",
          properties: {
            mail: { type: "string", format: "email" },
            kind: { not: { enum: ["other"] }, type: "string", minLength: 2 }
          },
          required: ["kind"],
          dependentRequired: { mail: ["kind"] }
        }))
        const schema = Result.getOrThrow(Extraction.jsonSchema(extraction))
        assert.include(JSON.stringify(schema), "it must not match")
        assert.include(JSON.stringify(schema), "at least 2 characters")
        assert.deepStrictEqual(yield* Extraction.decode(extraction, { kind: "book", more: [1] }), {
          kind: "book",
          more: [1]
        })
        const { reason } = yield* Effect.flip(Extraction.decode(extraction, { kind: "other", mail: "nobody" }))
        assert.isTrue(reason._tag === "InvalidOutput")
        assert.deepStrictEqual(reason._tag === "InvalidOutput" && reason.issues, [
          { path: ["mail"], message: "Expected a text in the format email" },
          { path: ["kind"], message: "Expected a value that does not match {\"enum\":[\"other\"]}" }
        ])
      }))

    it.effect("can be a part of another extraction", () =>
      Effect.gen(function*() {
        const point = Result.getOrThrow(Extraction.fromJsonSchema({
          $defs: { N: { type: "number" } },
          type: "object",
          properties: { x: { $ref: "#/$defs/N" }, y: { $ref: "#/$defs/N" } },
          required: ["x", "y"]
        }))
        const both = Extraction.make({ schema: Schema.Struct({ from: point.schema, to: point.schema }) })
        const sent = Result.getOrThrow(Extraction.jsonSchema(both))
        assert.deepStrictEqual(Object.keys(sent["$defs"] as object), ["N"])
        const value = { from: { x: 1, y: 2 }, to: { x: 3, y: 4 } }
        assert.deepStrictEqual(yield* Extraction.decode(both, value), value)
        const found = yield* Extraction.extract(Extraction.option(point), "x")
        assert.deepStrictEqual(found, Option.some({ x: 1, y: 2 }))
      }).pipe(Effect.provide(MockLlm.layer([{ result: { x: 1, y: 2 } }]))))
  })

  it.effect("fails with a typed error when a mock has no answer left", () =>
    Effect.gen(function*() {
      const error = yield* failure(Extraction.extract(Person, "x"))
      assert.include(error.message, "the script has 0 replies, and this is request 1")
    }).pipe(Effect.provide(MockLlm.layer([]))))

  it.effect("serves several extractions from one layer", () =>
    Effect.gen(function*() {
      const [person, city] = yield* Effect.all([
        Extraction.extract(Person, "who"),
        Extraction.extract(Schema.Struct({ city: Schema.String }), "where")
      ], { concurrency: "unbounded" })
      assert.deepStrictEqual([person.name, city.city], ["Ada", "London"])
    }).pipe(Effect.provide(MockLlm.layer({ who: ada, where: { city: "London" } })), Effect.provide(Layer.empty)))
})

/** Whether the value of a spec is not an object, so that an answer wraps it. */
const isWrapped = (spec: { readonly _tag: string }): boolean => !["Struct", "Class", "Tree"].includes(spec._tag)

/** JSON, so that instances of generated classes compare by content. */
const comparable = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_, inner) => typeof inner === "bigint" ? `${inner}n` : inner) ?? "null")
