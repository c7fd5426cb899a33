import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Result } from "effect"
import { AiError } from "effect/ai"
import { TestClock } from "effect/testing"
import { CurrentRequestObserver } from "../../internal/requestContext.ts"
import { all, completion, governed, many, numbers, overloaded, provider, request } from "./support.ts"

const network = new AiError.NetworkError({
  reason: "TransportError",
  method: "POST",
  url: "http://127.0.0.1",
  description: "connection refused"
})

describe("LlmGovernor", () => {
  describe("an outage", () => {
    it.effect("opens the circuit: requests wait, and one at a time probes whether it is over", () =>
      Effect.gen(function*() {
        const { llm: provided, sent } = provider(({ at }) =>
          at < 600_000 ? Effect.fail(network) : Effect.succeed(completion())
        )
        const { llm, snapshot } = yield* governed({ concurrency: 20 }, provided)
        const fiber = yield* all(numbers(100).map((i) => Effect.result(llm.complete(request(`${i}`)))))
        yield* TestClock.adjust("1 minute")
        const during = yield* snapshot
        assert.strictEqual(during.waiting?.reason, "circuit_open")
        assert.strictEqual(during.circuit.state, "open")
        assert.strictEqual(during.circuit.lastError?.reason, network)
        yield* TestClock.adjust("11 minutes")
        const results = yield* Fiber.join(fiber)
        assert.isTrue(results.every(Result.isSuccess))
        assert.isBelow(sent.filter(({ at }) => at > 10_000 && at < 600_000).length, 15)
        assert.deepStrictEqual((yield* snapshot).circuit, { state: "closed", lastError: undefined })
      }))

    it.effect("ends in an unrecoverable error after `giveUpAfter`", () =>
      Effect.gen(function*() {
        const { llm: provided } = provider(() => Effect.fail(network))
        const { llm } = yield* governed({ concurrency: 20, giveUpAfter: "5 minutes" }, provided)
        const fiber = yield* all(numbers(100).map((i) => Effect.result(llm.complete(request(`${i}`)))))
        yield* TestClock.adjust("4 minutes")
        assert.isUndefined(fiber.pollUnsafe())
        yield* TestClock.adjust("2 minutes")
        const results = yield* Fiber.join(fiber)
        assert.isTrue(results.every(Result.isFailure))
        const waited = results.at(-1)!
        if (Result.isFailure(waited)) {
          assert.isTrue(waited.failure.isUnrecoverable)
          assert.match(waited.failure.message, /connection refused.*answered no request for 5m/s)
        }
      }))

    it.effect("is reported to all that wait, with the time of the next probe", () =>
      Effect.gen(function*() {
        const { llm: provided } = provider(() => Effect.andThen(Effect.sleep("500 millis"), Effect.fail(network)))
        const { llm } = yield* governed({ concurrency: 20 }, provided)
        const seen = new Map<number, Array<string>>()
        const fiber = yield* all(
          numbers(100).map((i) =>
            Effect.provideService(Effect.result(llm.complete(request(`${i}`))), CurrentRequestObserver, {
              onRetry: (error) => seen.set(i, [...seen.get(i) ?? [], error.reason._tag]),
              onWait: (reason, wait) =>
                seen.set(i, [
                  ...seen.get(i) ?? [],
                  `${reason} ${wait !== undefined && Duration.toMillis(wait) > 1000}`
                ]),
              onSend: () => {}
            })
          )
        )
        yield* TestClock.adjust("4 seconds")
        assert.deepStrictEqual(seen.get(99), ["concurrency false", "circuit_open true"])
        assert.include(seen.get(0)!, "NetworkError")
        yield* Fiber.interrupt(fiber)
      }))

    it.effect("is not assumed when only one request keeps failing", () =>
      Effect.gen(function*() {
        const { llm: provided } = provider(({ text }) =>
          text === "poison" ? Effect.fail(network) : Effect.succeed(completion())
        )
        const { llm, snapshot } = yield* governed({ failureThreshold: 1 }, provided)
        yield* all([Effect.result(llm.complete(request("poison")))])
        yield* TestClock.adjust("5 seconds")
        assert.strictEqual((yield* snapshot).circuit.state, "closed")
        yield* llm.complete(request("other"))
      }))

    it.effect("ends although the request that probes always fails", () =>
      Effect.gen(function*() {
        const { llm: provided } = provider(({ at, text }) =>
          at < 60_000 || text === "0" ? Effect.fail(network) : Effect.succeed(completion())
        )
        const { llm } = yield* governed({ concurrency: 20 }, provided)
        const fiber = yield* all(numbers(50).map((i) => Effect.result(llm.complete(request(`${i}`)))))
        yield* TestClock.adjust("5 minutes")
        assert.strictEqual((yield* Fiber.join(fiber)).filter(Result.isSuccess).length, 49)
      }))

    it.effect("ends although a probe is never answered", () =>
      Effect.gen(function*() {
        let isHanging = true
        const { llm: provided } = provider(({ at }) => {
          if (at < 10_000) return Effect.fail(network)
          if (!isHanging) return Effect.succeed(completion())
          isHanging = false
          return Effect.never
        })
        const { llm } = yield* governed({ concurrency: 20 }, provided)
        const fiber = yield* all(numbers(50).map((i) => Effect.result(llm.complete(request(`${i}`)))))
        yield* TestClock.adjust("5 minutes")
        assert.strictEqual((yield* llm.complete(request("later"))).text, "{}")
        yield* Fiber.interrupt(fiber)
      }))

    it.effect("lets another request probe when the one that does is interrupted", () =>
      Effect.gen(function*() {
        const { llm: provided, sent } = provider(({ at, text }) =>
          at < 10_000 ? Effect.fail(network) : text === "last" ? Effect.succeed(completion()) : Effect.never
        )
        const { llm } = yield* governed({ concurrency: 20 }, provided)
        const fiber = yield* all(numbers(20).map((i) => Effect.result(llm.complete(request(`${i}`)))))
        const last = yield* all([llm.complete(request("last"))])
        yield* TestClock.adjust("20 seconds")
        yield* Fiber.interrupt(fiber)
        yield* Fiber.join(last)
        assert.strictEqual(sent.at(-1)!.text, "last")
      }))

    it.effect("does not count probes as retries", () =>
      Effect.gen(function*() {
        const { llm: provided } = provider(({ at }) =>
          at < 1_800_000 ? Effect.fail(network) : Effect.succeed(completion())
        )
        const { llm } = yield* governed({ concurrency: 6, failureThreshold: 5 }, provided)
        const fiber = yield* all(numbers(6).map((i) => Effect.result(llm.complete(request(`${i}`)))))
        yield* TestClock.adjust("40 minutes")
        assert.isTrue((yield* Fiber.join(fiber)).every(Result.isSuccess))
      }))

    it.effect("is over when the server refuses a request for its content or for a rate limit", () =>
      Effect.gen(function*() {
        const { llm: provided } = provider(({ at, text }) =>
          at < 30_000
            ? Effect.fail(network)
            : text === "0"
            ? Effect.fail(new AiError.InvalidRequestError({ description: "no" }))
            : Effect.succeed(completion())
        )
        const { llm } = yield* governed({ concurrency: 20 }, provided)
        const fiber = yield* all(numbers(30).map((i) => Effect.result(llm.complete(request(`${i}`)))))
        yield* TestClock.adjust("2 minutes")
        assert.strictEqual((yield* Fiber.join(fiber)).filter(Result.isSuccess).length, 29)
      }))

    it.effect("is not over when a budget refuses the request that would have probed", () =>
      Effect.gen(function*() {
        const { llm: provided } = provider(({ at, text }) =>
          at < 10_000 || text !== "poor" ? Effect.fail(overloaded) : Effect.fail(
            new AiError.NetworkError({
              reason: "InvalidUrlError",
              method: "POST",
              url: "x",
              description: "not a URL"
            })
          )
        )
        const { llm, snapshot } = yield* governed({ concurrency: 20 }, provided)
        const fiber = yield* all(numbers(20).map((i) => Effect.result(llm.complete(request(`${i}`)))))
        yield* all([Effect.result(llm.complete(request("poor")))])
        yield* TestClock.adjust("3 minutes")
        assert.notStrictEqual((yield* snapshot).circuit.state, "closed")
        yield* Fiber.interrupt(fiber)
      }))
  })

  it.effect("a failure of many requests at one moment is no outage", () =>
    Effect.gen(function*() {
      const { llm: provided, sent } = provider((_, call) =>
        call < 20 ? Effect.fail(overloaded) : Effect.succeed(completion())
      )
      const { llm } = yield* governed({ concurrency: 20 }, provided)
      const fiber = yield* many(llm, 20)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
      assert.strictEqual(sent.length, 40)
    }))
})
