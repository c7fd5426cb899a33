import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Option, Stream } from "effect"
import { Llm, LlmGovernor } from "effect-instructor"
import { MockLlm, Reply } from "effect-instructor/testing"
import { AiError } from "effect/ai"
import { TestClock } from "effect/testing"
import { all, completion, governed, many, numbers, overloaded, provider, request } from "./support.ts"

describe("LlmGovernor", () => {
  describe("concurrency", () => {
    it.effect("limits the requests in flight to a number", () =>
      Effect.gen(function*() {
        const mock = MockLlm.layer(() => ({ name: "Ada" }), { delay: "1 second" })
        const layer = Layer.provideMerge(LlmGovernor.layer({ concurrency: 3 }), mock)
        yield* Effect.gen(function*() {
          const fiber = yield* many(yield* Llm.Llm, 10)
          yield* TestClock.adjust("1 minute")
          yield* Fiber.join(fiber)
          assert.strictEqual(yield* MockLlm.maxInFlight, 3)
        }).pipe(Effect.provide(layer))
      }))

    /** A server with room for so many requests, which turns the others away. */
    const small = (size: number) => {
      let inFlight = 0
      return provider(() =>
        inFlight >= size ? Effect.fail(overloaded) : Effect.suspend(() => {
          inFlight++
          return Effect.ensuring(Effect.as(Effect.sleep("1 second"), completion()), Effect.sync(() => inFlight--))
        })
      )
    }

    it.effect("grows while the server accepts requests, and is cut once by a burst of refusals", () =>
      Effect.gen(function*() {
        const { llm, snapshot } = yield* governed({}, small(40).llm)
        const fiber = yield* all(numbers(2000).map((i) => Effect.result(llm.complete(request(`${i}`)))))
        const sizes: Array<number> = []
        for (const _ of numbers(40)) {
          yield* TestClock.adjust("1 second")
          sizes.push((yield* snapshot).concurrency)
        }
        assert.isAbove((yield* snapshot).inFlight, 30)
        for (const size of sizes.slice(10)) assert.isTrue(size >= 30 && size <= 42, String(sizes))
        yield* Fiber.interrupt(fiber)
      }))

    it.effect("keeps growing on a server that fails one request in 50", () =>
      Effect.gen(function*() {
        const { llm: provided } = provider((_, call) =>
          Effect.andThen(
            Effect.sleep("1 second"),
            call % 50 === 49 ? Effect.fail(overloaded) : Effect.succeed(completion())
          )
        )
        const { llm, snapshot } = yield* governed({}, provided)
        const fiber = yield* many(llm, 3000)
        yield* TestClock.adjust("10 seconds")
        assert.isAtLeast((yield* snapshot).concurrency, 500)
        yield* Fiber.interrupt(fiber)
      }))

    it.effect("is cut on a server that refuses one request in 8", () =>
      Effect.gen(function*() {
        const { llm: provided } = provider((_, call) =>
          Effect.andThen(
            Effect.sleep("1 second"),
            call % 8 === 7 ? Effect.fail(overloaded) : Effect.succeed(completion())
          )
        )
        const { llm, snapshot } = yield* governed({}, provided)
        const fiber = yield* many(llm, 3000)
        yield* TestClock.adjust("10 seconds")
        assert.isBelow((yield* snapshot).concurrency, 100)
        yield* Fiber.interrupt(fiber)
      }))

    it.effect("is given back by requests that are interrupted, waiting or in flight", () =>
      Effect.gen(function*() {
        const { llm: provided, sent } = provider(() => Effect.as(Effect.sleep("1 second"), completion()))
        const { llm, snapshot } = yield* governed({ concurrency: 1 }, provided)
        const first = yield* all([llm.complete(request("first"))])
        const second = yield* all([llm.complete(request("second"))])
        const third = yield* all([llm.complete(request("third"))])
        yield* Effect.yieldNow
        assert.deepInclude(yield* snapshot, { inFlight: 1, queued: 2 })
        assert.deepStrictEqual((yield* snapshot).waiting, { reason: "concurrency", wait: undefined })
        yield* Fiber.interrupt(second)
        yield* Fiber.interrupt(first)
        yield* TestClock.adjust("1 second")
        yield* Fiber.join(third)
        assert.deepStrictEqual(sent.map(({ text }) => text), ["first", "third"])
        assert.deepInclude(yield* snapshot, { inFlight: 0, queued: 0 })
      }))

    it.effect("is given back by requests that die", () =>
      Effect.gen(function*() {
        const { llm: provided } = provider((_, call) =>
          call === 0 ? Effect.die(new Error("bug")) : Effect.succeed(completion())
        )
        const { llm, snapshot } = yield* governed({ concurrency: 1 }, provided)
        const exit = yield* Effect.exit(llm.complete(request("")))
        assert.strictEqual(exit._tag, "Failure")
        yield* llm.complete(request(""))
        assert.deepInclude(yield* snapshot, { inFlight: 0, queued: 0 })
      }))

    it.effect("is given back by requests that fail for good", () =>
      Effect.gen(function*() {
        const { llm: provided } = provider(() => Effect.fail(new AiError.InvalidRequestError({ description: "no" })))
        const { llm, snapshot } = yield* governed({ concurrency: 1 }, provided)
        for (const _ of numbers(3)) yield* Effect.flip(llm.complete(request("")))
        assert.deepInclude(yield* snapshot, { inFlight: 0, queued: 0 })
      }))

    it.effect("is held by a stream to its end", () =>
      Effect.gen(function*() {
        const mock = MockLlm.layer(() => ({ name: "a name of some length" }), { chunkDelay: "1 second" })
        const layer = Layer.provideMerge(LlmGovernor.layer({ concurrency: 1 }), mock)
        yield* Effect.gen(function*() {
          const llm = yield* Llm.Llm
          const fiber = yield* all(numbers(3).map((i) => Stream.runDrain(llm.stream(request(`${i}`)))))
          yield* TestClock.adjust("2 seconds")
          assert.strictEqual((yield* MockLlm.requests).length, 1)
          assert.deepInclude(yield* LlmGovernor.snapshot, { inFlight: 1, queued: 2 })
          yield* TestClock.adjust("1 minute")
          yield* Fiber.join(fiber)
          assert.strictEqual((yield* MockLlm.requests).length, 3)
          assert.deepInclude(yield* LlmGovernor.snapshot, { inFlight: 0, queued: 0 })
        }).pipe(Effect.provide(layer))
      }))

    it.effect("is given back by a stream that is abandoned", () =>
      Effect.gen(function*() {
        const mock = MockLlm.layer(() => Reply.text("a text of some length"))
        const layer = Layer.provideMerge(LlmGovernor.layer({ concurrency: 1 }), mock)
        yield* Effect.gen(function*() {
          const llm = yield* Llm.Llm
          const first = yield* Stream.runHead(Stream.rechunk(llm.stream(request("")), 1))
          assert.isTrue(Option.isSome(first))
          assert.deepInclude(yield* LlmGovernor.snapshot, { inFlight: 0, queued: 0 })
        }).pipe(Effect.provide(layer))
      }))
  })
})
