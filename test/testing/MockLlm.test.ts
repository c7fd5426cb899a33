import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schema, Stream } from "effect"
import { Extraction, Llm } from "effect-instructor"
import { MockLlm, Reply } from "effect-instructor/testing"
import { AiError } from "effect/ai"
import { TestClock } from "effect/testing"

const Echo = Schema.Struct({ echo: Schema.String })
const extract = (text: string) => Effect.map(Extraction.extract(Echo, text), ({ echo }) => echo)

describe("MockLlm", () => {
  it.effect("answers from a list, in order", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* extract("x"), "one")
      assert.strictEqual(yield* extract("x"), "two")
      assert.include((yield* Effect.flip(extract("x"))).message, "the script has 2 replies, and this is request 3")
    }).pipe(Effect.provide(MockLlm.layer([{ echo: "one" }, "{\"echo\": \"two\"}"]))))

  it.effect("answers from a table by the user's text, also when asked again", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* extract("a"), "A")
      assert.strictEqual((yield* Effect.flip(extract("wrong"))).attempts, 3)
      assert.include((yield* Effect.flip(extract("c"))).message, "no reply for \"c\"")
      assert.include((yield* Effect.flip(extract("toString"))).message, "no reply for \"toString\"")
    }).pipe(Effect.provide(MockLlm.layer({ a: { echo: "A" }, wrong: { echo: 1 } }))))

  it.effect("answers from a function, with an effect or without", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* extract("x"), "m0")
      assert.strictEqual(yield* extract("x"), "m1")
      const error = yield* Effect.flip(extract("x"))
      assert.strictEqual(error.reason._tag, "ProviderFailure")
    }).pipe(
      Effect.provide(MockLlm.layer(({ model }, call) =>
        call === 0
          ? { echo: `${model}${call}` }
          : call === 1
          ? Effect.succeed({ echo: `${model}${call}` })
          : Effect.fail(new AiError.RateLimitError({})), { model: "m" }))
    ))

  it.effect("takes its time from the clock", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(extract("x"))
      yield* TestClock.adjust("2999 millis")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* Fiber.join(fiber), "late")
    }).pipe(Effect.provide(MockLlm.layer([Reply.delayed({ echo: "late" }, "1 seconds")], { delay: "2 seconds" }))))

  it.effect("streams in pieces, paced by the clock", () =>
    Effect.gen(function*() {
      const llm = yield* Llm.Llm
      const arrived: Array<string> = []
      const fiber = yield* Effect.forkChild(Stream.runForEach(
        llm.stream({
          model: "m",
          messages: [{ role: "user", content: "x" }],
          output: { mode: "json_schema", name: "Echo", jsonSchema: {} },
          parameters: {}
        }),
        (part) => Effect.sync(() => arrived.push(part._tag === "TextDelta" ? part.delta : part._tag))
      ))
      yield* TestClock.adjust("1 seconds")
      assert.deepStrictEqual(arrived, ["{\"ec"])
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(arrived, ["{\"ec", "ho\":", "\"x\"}", "Finish"])
    }).pipe(Effect.provide(MockLlm.layer([{ echo: "x" }], { chunkSize: 4, chunkDelay: "1 seconds" }))))

  it.effect("remembers what it was asked, and by how many at once", () =>
    Effect.gen(function*() {
      const fibers = yield* Effect.forEach(["a", "b", "c"], (text) => Effect.forkChild(extract(text)))
      yield* TestClock.adjust("1 millis")
      yield* Fiber.interrupt(fibers[0]!)
      assert.strictEqual((yield* MockLlm.requests).length, 3)
      assert.strictEqual(yield* MockLlm.maxInFlight, 3)
      assert.strictEqual(yield* MockLlm.interrupted, 1)
    }).pipe(Effect.provide(MockLlm.layer(() => ({ echo: "x" }), { delay: "1 seconds" }))))
})
