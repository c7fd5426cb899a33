import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Option, Result, Schema, Stream } from "effect"
import { Batch, Extraction, ExtractionStream, Journal, LlmCheck } from "effect-instructor"
import { MockLlm } from "effect-instructor/testing"

const Person = Schema.Struct({ name: Schema.String, age: Schema.Int })
const person = Extraction.make({ schema: Person })
const ada = { name: "Ada", age: 36 }

class Customers extends Context.Service<Customers, { readonly has: (name: string) => Effect.Effect<boolean> }>()(
  "test/Customers"
) {}

describe("check", () => {
  it.effect("asks again with the issue, its path and the default message", () =>
    Effect.gen(function*() {
      const adult = Extraction.check(person, ({ age }) => age >= 18, { path: ["age"], message: "is a child's" })
      assert.deepStrictEqual(yield* Extraction.extract(adult, "x"), ada)
      const [, second] = yield* MockLlm.requests
      assert.include(second!.messages.at(-1)!.content as string, "age: is a child's")
    }).pipe(Effect.provide(MockLlm.layer([{ name: "Ada", age: 3 }, ada]))))

  it.effect("takes every kind of output", () =>
    Effect.gen(function*() {
      const outputs: ReadonlyArray<readonly [Extraction.CheckOutput, number]> = [
        [true, 0],
        [undefined, 0],
        [[], 0],
        [false, 1],
        ["wrong", 1],
        [{ path: ["age"], message: "wrong" }, 1],
        [["wrong", { path: ["age"], message: "wrong" }], 2]
      ]
      for (const [output, count] of outputs) {
        for (const returned of [output, Effect.succeed(output)]) {
          const checked = Extraction.with(Extraction.check(person, () => returned), { maxAttempts: 1 })
          const result = yield* Effect.result(Extraction.extract(checked, "x"))
          const issues = Result.isFailure(result) && result.failure.reason._tag === "InvalidOutput"
            ? result.failure.reason.issues.length
            : 0
          assert.strictEqual(issues, count)
        }
      }
    }).pipe(Effect.provide(MockLlm.layer(() => ada))))

  it.effect("may need services, and may fail with an issue", () =>
    Effect.gen(function*() {
      const known = person.pipe(Extraction.check(({ name }: typeof Person.Type) =>
        Effect.flatMap(Customers, (customers) =>
          Effect.flatMap(customers.has(name), (has) =>
            has ? Effect.void : Effect.fail({ path: ["name"], message: "no such customer" })))
      ))
      const error = yield* Effect.flip(Extraction.extract(known, "x"))
      assert(error.reason._tag === "InvalidOutput")
      assert.deepStrictEqual(error.reason.issues, [{ path: ["name"], message: "no such customer" }])
      assert.strictEqual(error.attempts, 3)
    }).pipe(Effect.provide([
      MockLlm.layer(() =>
        ada
      ),
      Layer.succeed(Customers, { has: () => Effect.succeed(false) })
    ])))

  it.effect("fails its item and not the batch when it throws", () =>
    Effect.gen(function*() {
      const checked = Extraction.check(person, () => {
        throw new Error("boom")
      })
      const [result] = yield* Batch.results(Extraction.with(checked, { maxAttempts: 1 }), ["x"])
      assert(Result.isFailure(result!))
      assert.include(result.failure.message, "boom")
    }).pipe(Effect.provide(MockLlm.layer(() => ada))))

  it.effect("is applied to Some of an optional value", () =>
    Effect.gen(function*() {
      const checked = Extraction.option(Extraction.check(person, ({ age }) => age < 18))
      const none = yield* Extraction.extract(checked, "x")
      assert.isTrue(Option.isNone(none))
      const error = yield* Effect.flip(Extraction.extract(checked, "x"))
      assert.strictEqual(error.reason._tag, "InvalidOutput")
    }).pipe(Effect.provide(MockLlm.layer((_, call) => call === 0 ? { result: null } : { result: ada }))))

  it.effect("runs an item again that a new check refuses", () =>
    Effect.gen(function*() {
      const run = (self: Extraction.Extraction<typeof Person.Type, string>) =>
        Stream.runCollect(Batch.resumable(self, ["x"]))
      yield* run(person)
      const [item] = yield* run(Extraction.check(person, ({ age }) => age > 40))
      assert.isFalse(item!.restored)
      assert.deepStrictEqual(Result.getOrThrow(item!.result), { name: "Ada", age: 42 })
    }).pipe(Effect.provide([Journal.layerMemory, MockLlm.layer([ada, { name: "Ada", age: 42 }])])))

  it.effect("refuses to stream, instead of leaving checks out", () =>
    Effect.gen(function*() {
      const checked = Extraction.check(person, () => true)
      const error = yield* Effect.flip(Stream.runDrain(ExtractionStream.elements(checked, "x")))
      assert.strictEqual(error.reason._tag, "InvalidInput")
    }).pipe(Effect.provide(MockLlm.layer(() => ({ items: [] })))))
})

describe("LlmCheck", () => {
  it.effect("adds the usage of the judge, on its own model", () =>
    Effect.gen(function*() {
      const checked = Extraction.check(person, LlmCheck.make("The age is plausible", { model: "judge" }))
      const plain = yield* Extraction.extractDetailed(person, "Ada, 36")
      const { attempts, usage } = yield* Extraction.extractDetailed(checked, "Ada, 36")
      assert.strictEqual(attempts, 1)
      assert.isAbove(usage.outputTokens, plain.usage.outputTokens)
      const models = (yield* MockLlm.requests).map(({ model }) => model)
      assert.deepStrictEqual(models, ["mock", "mock", "judge"])
    }).pipe(Effect.provide(MockLlm.layer(({ model }) => model === "judge" ? { reason: "It is", holds: true } : ada))))

  it.effect("fails the extraction when the judge cannot answer", () =>
    Effect.gen(function*() {
      const checked = Extraction.check(person, LlmCheck.make("It is plausible", { model: "judge", maxAttempts: 1 }))
      const error = yield* Effect.flip(Extraction.extract(checked, "Ada, 36"))
      assert.strictEqual(error.reason._tag, "InvalidOutput")
      assert.strictEqual(error.extraction, "Response")
    }).pipe(Effect.provide(MockLlm.layer(({ model }) => model === "judge" ? "no idea" : ada))))

  it.effect("shows the judge the source only if asked to", () =>
    Effect.gen(function*() {
      const judge = (withSource: boolean) =>
        Extraction.check(person, LlmCheck.make("It is stated", { model: "judge", withSource }))
      yield* Extraction.extract(judge(false), "a secret")
      yield* Extraction.extract(judge(true), "a secret")
      const [without, given] = (yield* MockLlm.requests).filter(({ model }) => model === "judge")
      assert.notInclude(JSON.stringify(without), "a secret")
      assert.include(JSON.stringify(given), "a secret")
    }).pipe(Effect.provide(MockLlm.layer(({ model }) => model === "judge" ? { reason: "It is", holds: true } : ada))))
})
