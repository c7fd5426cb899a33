import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Schema } from "effect"
import { Batch, Extraction, Llm, LlmGovernor } from "effect-instructor"
import { MockLlm } from "effect-instructor/testing"
import { TestClock } from "effect/testing"
import { CurrentFlow } from "../../internal/requestContext.ts"
import { all, completion, governed, numbers, overloaded, provider, rateLimited, request } from "./support.ts"

describe("LlmGovernor", () => {
  it.effect("sends requests of a higher priority first", () =>
    Effect.gen(function*() {
      const { llm: provided, sent } = provider(() => Effect.succeed(completion()))
      const { llm } = yield* governed({ requestsPerMinute: 60 }, provided)
      const fiber = yield* all([
        llm.complete(request("first")),
        Llm.withPriority(llm.complete(request("low")), "low"),
        llm.complete(request("normal")),
        Llm.withPriority(llm.complete(request("high")), "high")
      ])
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(sent.map(({ text }) => text), ["first", "high", "normal", "low"])
    }))

  it.effect("lets batches take turns, however long one of them is", () =>
    Effect.gen(function*() {
      const Name = Schema.Struct({ name: Schema.String })
      const layer = Layer.provideMerge(
        LlmGovernor.layer({ requestsPerMinute: 60 }),
        MockLlm.layer(() => ({ name: "Ada" }))
      )
      yield* Effect.gen(function*() {
        const long = yield* Effect.forkChild(
          Batch.results(Name, numbers(100).map((i) => `long ${i}`), { concurrency: 100 }),
          { startImmediately: true }
        )
        yield* TestClock.adjust("10 seconds")
        const short = yield* Effect.forkChild(
          Batch.results(Name, numbers(5).map((i) => `short ${i}`), { concurrency: 5 }),
          { startImmediately: true }
        )
        yield* TestClock.adjust("12 seconds")
        assert.strictEqual((yield* Fiber.join(short)).length, 5)
        assert.isUndefined(long.pollUnsafe())
        yield* Fiber.interrupt(long)
      }).pipe(Effect.provide(layer))
    }))

  it.effect("sends reasks before first requests", () =>
    Effect.gen(function*() {
      const Age = Schema.Struct({ age: Schema.Int })
      const layer = Layer.provideMerge(
        LlmGovernor.layer({ requestsPerMinute: 60 }),
        MockLlm.layer((_, call) => call === 0 ? { age: "old" } : { age: 1 })
      )
      yield* Effect.gen(function*() {
        const fiber = yield* all(numbers(5).map((i) => Extraction.extract(Age, `text ${i}`)))
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(fiber)
        const texts = (yield* MockLlm.requests).map(({ messages }) => messages.length > 2 ? "reask" : "first")
        assert.deepStrictEqual(texts, ["first", "reask", "first", "first", "first", "first"])
      }).pipe(Effect.provide(layer))
    }))

  it.effect.prop(
    "answers every request once, whatever their priorities, flows and failures",
    [Schema.Array(Schema.Struct({
      flow: Schema.Literals(["a", "b", "c"]),
      priority: Schema.Literals(["high", "normal", "low"]),
      failures: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 3 })),
      refused: Schema.Boolean
    }))],
    ([items]) =>
      Effect.gen(function*() {
        const left = new Map(items.map(({ failures }, i) => [String(i), failures]))
        const { llm: provided } = provider(({ text }) => {
          const failures = left.get(text)!
          if (failures === 0) return Effect.as(Effect.sleep("100 millis"), completion({ text }))
          left.set(text, failures - 1)
          return Effect.fail(items[Number(text)]!.refused ? rateLimited("1 second") : overloaded)
        })
        const { llm, snapshot } = yield* governed({ concurrency: 4, requestsPerMinute: 6000 }, provided)
        const fiber = yield* all(items.map(({ flow, priority }, i) =>
          llm.complete(request(`${i}`)).pipe(
            Llm.withPriority(priority),
            Effect.provideService(CurrentFlow, flow)
          )
        ))
        yield* TestClock.adjust("30 minutes")
        assert.deepStrictEqual((yield* Fiber.join(fiber)).map(({ text }) => text), items.map((_, i) => String(i)))
        assert.deepInclude(yield* snapshot, { inFlight: 0, queued: 0 })
      }).pipe(Effect.scoped),
    { arbitrary: { runs: 50 } }
  )
})
