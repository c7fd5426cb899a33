import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema, Stream } from "effect"
import { Batch, Extraction, Journal } from "effect-instructor"
import { MockLlm } from "effect-instructor/testing"

const Person = Schema.Struct({ name: Schema.String, city: Schema.NullOr(Schema.String) })
const person = Extraction.make({ schema: Person })

describe("grounded", () => {
  it.effect("has the value and a leaf for each of its parts", () =>
    Effect.gen(function*() {
      const { leaves, value } = yield* Extraction.extract(Extraction.grounded(person), "I am Ada")
      assert.deepStrictEqual(value, { name: "Ada", city: "Paris" })
      assert.deepStrictEqual(leaves, [
        { path: ["name"], value: "Ada", span: { start: 5, end: 8, quote: "Ada", match: "exact" } },
        { path: ["city"], value: "Paris", span: null }
      ])
    }).pipe(Effect.provide(MockLlm.layer([{ name: "Ada", city: "Paris" }]))))

  it.effect("sends the request of the extraction", () =>
    Effect.gen(function*() {
      yield* Extraction.extract(person, "I am Ada")
      yield* Extraction.extract(person.pipe(Extraction.grounded()), "I am Ada")
      const [plain, grounded] = yield* MockLlm.requests
      assert.deepStrictEqual(grounded, plain)
    }).pipe(Effect.provide(MockLlm.layer(() => ({ name: "Ada", city: null })))))

  it.effect("takes offsets in the text of the input, whatever the prompt adds to it", () =>
    Effect.gen(function*() {
      const prompted = Extraction.make({ schema: Person, prompt: (text: string) => `Read this: ${text}` })
      const ofRow = Extraction.mapInput(prompted, (row: { readonly bio: string }) => row.bio)
      const both = [
        Extraction.grounded(ofRow),
        Extraction.mapInput(Extraction.grounded(prompted), (row: {
          readonly bio: string
        }) => row.bio)
      ]
      for (const extraction of both) {
        const { leaves } = yield* Extraction.extract(extraction, { bio: "Ada" })
        assert.strictEqual(leaves[0]!.span?.start, 0)
      }
    }).pipe(Effect.provide(MockLlm.layer(() => ({ name: "Ada", city: null })))))

  it.effect("works with values that are not objects, and with transformations", () =>
    Effect.gen(function*() {
      const days = Extraction.grounded(Schema.Array(Schema.DateFromString))
      const { leaves, value } = yield* Extraction.extract(days, "from 3 March 2026")
      assert.deepStrictEqual(value, [new Date("2026-03-03")])
      assert.deepStrictEqual(leaves.map(({ path, span }) => [path, span?.quote]), [[[0], "3 March 2026"]])
    }).pipe(Effect.provide(MockLlm.layer([{ items: ["2026-03-03"] }]))))

  it.effect("asks for quotes, and keeps only those in the source", () =>
    Effect.gen(function*() {
      const { leaves, value } = yield* Extraction.extract(
        Extraction.grounded(person, { quotes: true }),
        "ADA of the city of light"
      )
      assert.deepStrictEqual(value, { name: "Augusta", city: "Paris" })
      assert.deepStrictEqual(leaves.map(({ span }) => span?.match), [undefined, "quoted"])
      assert.strictEqual(leaves[1]!.span!.quote, "the city of light")
    }).pipe(Effect.provide(MockLlm.layer([{
      value: { name: "Augusta", city: "Paris" },
      quotes: [{ path: "city", quote: "the city of light" }, { path: "name", quote: "Augusta" }]
    }]))))

  it.effect("resumes from a journal without asking again, and runs again when it is changed", () =>
    Effect.gen(function*() {
      const run = <A>(self: Extraction.Extraction<A, string>) =>
        Stream.runCollect(Batch.resumable(self, ["I am Ada"], { id: (text: string) => text }))
      const [first] = yield* run(Extraction.grounded(person))
      const [second] = yield* run(Extraction.grounded(person))
      assert.isTrue(second!.restored)
      assert.deepStrictEqual(Result.getOrThrow(second!.result), Result.getOrThrow(first!.result))
      const [plain] = yield* run(person)
      assert.isFalse(plain!.restored)
      assert.strictEqual((yield* MockLlm.requests).length, 2)
    }).pipe(Effect.provide([Journal.layerMemory, MockLlm.layer(() => ({ name: "Ada", city: null }))])))
})

describe("requireGrounding", () => {
  it.effect("asks again for a named field that the source does not state", () =>
    Effect.gen(function*() {
      const careful = Extraction.requireGrounding(person, ["city"])
      const { attempts, value } = yield* Extraction.extractDetailed(careful, "I am Ada")
      assert.deepStrictEqual(value, { name: "Augusta", city: null })
      assert.strictEqual(attempts, 2)
      const [, second] = yield* MockLlm.requests
      assert.include(second!.messages.at(-1)!.content as string, "city: The text does not contain \"Paris\"")
    }).pipe(Effect.provide(MockLlm.layer([{ name: "Augusta", city: "Paris" }, { name: "Augusta", city: null }]))))

  it.effect("fails with InvalidOutput when the model insists", () =>
    Effect.gen(function*() {
      const careful = Extraction.requireGrounding(Schema.Struct({ rows: Schema.Array(Person) }), ["rows[].city"])
      const error = yield* Effect.flip(Extraction.extract(careful, "I am Ada"))
      assert(error.reason._tag === "InvalidOutput")
      assert.deepStrictEqual(error.reason.issues.map(({ path }) => path), [["rows", 0, "city"]])
    }).pipe(Effect.provide(MockLlm.layer(() => ({ rows: [{ name: "Ada", city: "Paris" }] })))))

  it.effect("does not look at examples or instructions", () =>
    Effect.gen(function*() {
      const careful = Extraction.requireGrounding(
        Extraction.with(person, { instructions: "Paris is a city" }),
        ["city"]
      )
      const error = yield* Effect.flip(Extraction.extract(careful, "I am Ada"))
      assert.strictEqual(error.reason._tag, "InvalidOutput")
    }).pipe(Effect.provide(MockLlm.layer(() => ({ name: "Ada", city: "Paris" })))))
})
