import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Result, Schema, Stream } from "effect"
import { Batch, Extraction, Journal } from "effect-instructor"
import { MockLlm, MockLlmBatch, Reply } from "effect-instructor/testing"
import { TestClock } from "effect/testing"

const Person = Schema.Struct({ name: Schema.String, age: Schema.Int })
const person = Extraction.make<typeof Person.Type, never, string>({ schema: Person })
const strong = Extraction.with(person, { model: "strong" })

/** Every combinator, and every two of them where that means something else. */
const combined: Readonly<Record<string, Extraction.Extraction<unknown, string>>> = {
  check: Extraction.check(person, ({ age }) => age > 0),
  requireGrounding: Extraction.requireGrounding(person, ["name"]),
  grounded: Extraction.grounded(person),
  confidence: Extraction.confidence(person),
  vote: Extraction.vote(person, { models: ["a", "b", "c"] }),
  "vote by answer": Extraction.vote(person, { samples: 3, by: "answer" }),
  cascade: Extraction.cascade([person, strong], { escalate: { confidence: 0.9 } }),
  "cascade by share": Extraction.cascade([person, strong], { escalate: { share: 0.5 } }),
  long: Extraction.long(person, { split: { maxTokens: 100 } }),
  split: Extraction.split(person, [["name"]]),
  maxContinuations: Extraction.with(person, { maxContinuations: 2 }),
  tables: Extraction.with(person, { tables: true }),
  patch: Extraction.with(person, { patch: true }),
  mapInput: Extraction.mapInput(person, (text: string) => text),
  withExamples: Extraction.withExamples(person, [{ input: "Ida, 3", output: { name: "Ida", age: 3 } }]),
  "grounded vote": Extraction.grounded(Extraction.vote(person, { models: ["a", "b", "c"] })),
  "confidence of a vote of checked values": Extraction.confidence(
    Extraction.vote(Extraction.check(person, ({ age }) => age > 0), { models: ["a", "b"] })
  ),
  "cascade to a vote": Extraction.cascade([person, Extraction.vote(person, { models: ["a", "b", "c"] })], {
    escalate: { confidence: 0.9 }
  })
}

const texts = ["Ada, 36", "Alan, 41", "Grace, 85"]
const handler: MockLlm.Handler = ({ messages }) => {
  const text = messages.findLast(({ role }) => role === "user")!.content as string
  const [name, age] = text.split(", ")
  return { name: name!, age: Number(age) }
}
const model = MockLlm.layer(handler)

describe("in every engine", () => {
  for (const [name, extraction] of Object.entries(combined)) {
    it.effect(name, () =>
      Effect.gen(function*() {
        const alone = yield* Effect.forEach(texts, (text) => Extraction.extract(extraction, text))
        const options = { concurrency: 2, ordered: true }
        assert.deepStrictEqual(yield* Batch.all(extraction, texts), alone)
        const streamed = yield* Stream.runCollect(Batch.stream(extraction, texts, options))
        assert.deepStrictEqual(streamed.map(({ result }) => Result.getOrThrow(result)), alone)
        const run = Effect.map(Stream.runCollect(Batch.resumable(extraction, texts, options)), (items) =>
          items.map(({ restored, result, usage }) => [restored, Result.getOrThrow(result), usage]))
        const first = yield* run
        const sent = (yield* MockLlm.requests).length
        const second = yield* run
        assert.deepStrictEqual(
          first.map(([, value]) =>
            value
          ),
          alone
        )
        assert.deepStrictEqual(second, first.map(([, ...rest]) => [true, ...rest]))
        assert.strictEqual((yield* MockLlm.requests).length, sent)
        const rows = Extraction.mapInput(extraction, (row: { readonly text: string }) => row.text)
        assert.deepStrictEqual(yield* Batch.all(rows, texts.map((text) => ({ text }))), alone)
        const other = Extraction.with(extraction, { instructions: "Find the person." })
        assert.deepStrictEqual(yield* Batch.all(other, texts), alone)
        assert.strictEqual((yield* MockLlm.requests).at(-1)!.messages[0]!.content, "Find the person.")
      }).pipe(Effect.provide([Journal.layerMemory, model])))
  }
})

describe("in offline batches", () => {
  for (const [name, extraction] of Object.entries(combined)) {
    it.effect(`${name} is the same as online, or refused before anything is submitted`, () =>
      Effect.gen(function*() {
        const fiber = yield* Effect.forkChild(
          Effect.result(Stream.runCollect(Batch.offline(extraction, texts, { ordered: true })))
        )
        yield* Effect.forkChild(Effect.forever(Effect.andThen(Effect.yieldNow, TestClock.adjust("1 minute"))))
        const outcome = yield* Fiber.join(fiber)
        if (Result.isFailure(outcome)) {
          assert.isDefined(extraction.derivation)
          assert.strictEqual(outcome.failure._tag, "BatchError")
          assert.deepStrictEqual(yield* MockLlmBatch.batches, [])
        } else {
          const alone = yield* Effect.forEach(texts, (text) => Extraction.extract(extraction, text))
          assert.deepStrictEqual(outcome.success.map(({ result }) => Result.getOrThrow(result)), alone)
        }
      }).pipe(Effect.provide([MockLlmBatch.layer(handler), model])))
  }
})

describe("vote", () => {
  it.effect("elects from the valid answers, and sums up what all have used", () =>
    Effect.gen(function*() {
      const voted = Extraction.vote(Extraction.with(person, { maxAttempts: 1 }), { models: ["a", "b", "c"] })
      const { agreement, attempts, usage, value } = yield* Extraction.extractDetailed(voted, "Ada, 36")
      assert.deepStrictEqual(value, { name: "Ada", age: 36 })
      assert.strictEqual(attempts, 3)
      assert.strictEqual(usage.inputTokens, 30)
      assert.deepStrictEqual(agreement?.map(({ share }) => share), [1, 0.5])
    }).pipe(Effect.provide(MockLlm.layer(({ model }) =>
      Reply.withUsage(
        model === "a" ? "no" : { name: "Ada", age: model === "b" ? 63 : 36 },
        { inputTokens: 10, outputTokens: 1 }
      )
    ))))

  it.effect("fails with the usage of all if no answer is valid", () =>
    Effect.gen(function*() {
      const voted = Extraction.vote(Extraction.with(person, { maxAttempts: 2 }), { samples: 3 })
      const error = yield* Effect.flip(Extraction.extract(voted, "Ada, 36"))
      assert.strictEqual(error.reason._tag, "InvalidOutput")
      assert.strictEqual(error.attempts, 6)
    }).pipe(Effect.provide(MockLlm.layer(() => "no"))))

  it.effect("takes one answer whole where the elected one fails a check", () =>
    Effect.gen(function*() {
      const Sum = Schema.Struct({ a: Schema.Int, b: Schema.Int, sum: Schema.Int })
      const summed = Extraction.check(Sum, ({ a, b, sum }) => a + b === sum)
      const value = yield* Extraction.extract(Extraction.vote(summed, { models: ["x", "y", "z"] }), "no numbers")
      assert.strictEqual(value.a + value.b, value.sum)
    }).pipe(Effect.provide(MockLlm.layer(({ model }) =>
      model === "x" ? { a: 1, b: 1, sum: 2 } : model === "y" ? { a: 1, b: 2, sum: 3 } : { a: 2, b: 1, sum: 3 }
    ))))
})

describe("cascade", () => {
  const models = Effect.map(MockLlm.requests, (requests) => requests.map(({ model }) => model))

  it.effect("goes on after a failure only, by default", () =>
    Effect.gen(function*() {
      const cascade = Extraction.cascade([Extraction.with(person, { maxAttempts: 1 }), strong])
      const { attempts, value } = yield* Extraction.extractDetailed(cascade, "Ada, 36")
      assert.deepStrictEqual(value, { name: "Ida", age: 36 })
      assert.strictEqual(attempts, 2)
      assert.deepStrictEqual(yield* models, ["mock", "strong"])
    }).pipe(Effect.provide(MockLlm.layer(["no", { name: "Ida", age: 36 }]))))

  it.effect("keeps the value of the cheap model where the strong one fails", () =>
    Effect.gen(function*() {
      const cascade = Extraction.cascade([person, strong], { escalate: { confidence: 1 } })
      assert.deepStrictEqual(yield* Extraction.extract(cascade, "Ada, 36"), { name: "Ida", age: 36 })
      assert.deepStrictEqual(yield* models, ["mock", "strong"])
    }).pipe(Effect.provide(MockLlm.layer([{ name: "Ida", age: 36 }, Reply.refusal("No")]))))

  it.effect("sends about the share that is the worst", () =>
    Effect.gen(function*() {
      const cascade = Extraction.cascade([person, strong], { escalate: { share: 0.3 } })
      const inputs = Array.from({ length: 200 }, (_, i) => `${i % 2 === 0 ? "Ada" : "Ida"}, ${i}`)
      yield* Batch.all(cascade, inputs)
      const escalated = (yield* models).filter((model) => model === "strong").length
      assert.isTrue(escalated >= 50 && escalated <= 61, String(escalated))
    }).pipe(Effect.provide(MockLlm.layer(({ messages }) => ({
      name: "Ada",
      age: Number(/\d+/.exec(messages.at(-1)!.content as string)![0])
    })))))
})
