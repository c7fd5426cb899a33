import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber } from "effect"
import { Usage } from "effect-instructor"
import { TestClock } from "effect/testing"
import { all, completion, governed, many, numbers, provider, rateLimited, request, window } from "./support.ts"

describe("LlmGovernor", () => {
  describe("requestsPerMinute", () => {
    it.effect("spaces requests evenly", () =>
      Effect.gen(function*() {
        const { llm: provided, sent } = provider(() => Effect.succeed(completion()))
        const { llm } = yield* governed({ requestsPerMinute: 60 }, provided)
        const fiber = yield* many(llm, 10)
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(fiber)
        assert.deepStrictEqual(sent.map(({ at }) => at), numbers(10).map((i) => i * 1000))
        assert.deepStrictEqual(sent.map(({ text }) => text), numbers(10).map(String))
      }))

    it.effect("limits each model separately", () =>
      Effect.gen(function*() {
        const { llm: provided, sent } = provider(() => Effect.succeed(completion()))
        const { llm } = yield* governed({ requestsPerMinute: 60 }, provided)
        const fiber = yield* all(
          ["a", "b"].flatMap((model) => numbers(3).map(() => llm.complete(request("", {}, model))))
        )
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(fiber)
        for (const model of ["a", "b"]) {
          assert.deepStrictEqual(sent.filter((one) => one.model === model).map(({ at }) => at), [0, 1000, 2000])
        }
      }))

    it.effect("applies where the provider reports a higher limit", () =>
      Effect.gen(function*() {
        const { llm: provided, sent } = provider(() =>
          Effect.succeed(completion({ rateLimits: [window("requests", 6000, 5999)] }))
        )
        const { llm } = yield* governed({ requestsPerMinute: 60 }, provided)
        const fiber = yield* many(llm, 5)
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(fiber)
        assert.deepStrictEqual(sent.map(({ at }) => at / 1000), [0, 1, 2, 3, 4])
      }))
  })

  describe("tokensPerMinute", () => {
    it.effect("counts the prompt and the most the answer may have", () =>
      Effect.gen(function*() {
        const { llm: provided, sent } = provider(() => Effect.succeed(completion()))
        const { llm } = yield* governed({ tokensPerMinute: 60_000, countTokens: () => 493 }, provided)
        // 493 and 7 around the message make 500, and 500 for the answer: one second each
        const fiber = yield* many(llm, 4, { maxTokens: 500 })
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(fiber)
        const gaps = sent.slice(1).map(({ at }, i) => at - sent[i]!.at)
        assert.deepStrictEqual(gaps.slice(1), [1000, 1000])
      }))

    it.effect("sends a request that is larger than the limit when nothing else is in the way", () =>
      Effect.gen(function*() {
        const { llm: provided, sent } = provider(() => Effect.succeed(completion()))
        const { llm } = yield* governed({ tokensPerMinute: 6_000 }, provided)
        const fiber = yield* many(llm, 2, { maxTokens: 8_000 })
        yield* TestClock.adjust("10 minutes")
        yield* Fiber.join(fiber)
        assert.strictEqual(sent.length, 2)
        assert.isAtLeast(sent[1]!.at, 60_000)
      }))
  })

  describe("limits that answers report", () => {
    it.effect("are followed from the first answer on", () =>
      Effect.gen(function*() {
        const { llm: provided, sent } = provider(() =>
          Effect.succeed(completion({ rateLimits: [window("requests", 60, 20, "40 seconds")] }))
        )
        const { llm, snapshot } = yield* governed({}, provided)
        yield* llm.complete(request("first"))
        const fiber = yield* many(llm, 5)
        assert.deepStrictEqual((yield* snapshot).models, [
          { model: "m", limits: [{ unit: "requests", period: "minute", limit: 60, remaining: 20 }], queued: 5 }
        ])
        assert.deepInclude((yield* snapshot).waiting, { reason: "requests" })
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(fiber)
        assert.deepStrictEqual(sent.map(({ at }) => at / 1000), [0, 1, 2, 3, 4, 5])
      }))

    it.effect("are used faster while more than half is left", () =>
      Effect.gen(function*() {
        const { llm: provided, sent } = provider((_, call) =>
          Effect.succeed(completion({ rateLimits: [window("requests", 60, 59 - call)] }))
        )
        const { llm } = yield* governed({}, provided)
        yield* llm.complete(request("first"))
        const fiber = yield* many(llm, 20)
        yield* TestClock.adjust("10 seconds")
        yield* Fiber.join(fiber)
        assert.strictEqual(sent.length, 21)
      }))

    it.effect("pace requests per second", () =>
      Effect.gen(function*() {
        const { llm: provided, sent } = provider(() =>
          Effect.succeed(completion({ rateLimits: [window("requests", 2, 2, 0, "second")] }))
        )
        const { llm, snapshot } = yield* governed({}, provided)
        yield* llm.complete(request("first"))
        const fiber = yield* many(llm, 8)
        yield* TestClock.adjust("10 seconds")
        yield* Fiber.join(fiber)
        assert.deepStrictEqual(sent.slice(1).map(({ at }) => at), numbers(8).map((i) => (i + 1) * 500))
        assert.deepStrictEqual((yield* snapshot).models[0]!.limits, [
          { unit: "requests", period: "second", limit: 2, remaining: 2 }
        ])
      }))

    for (const unit of ["inputTokens", "outputTokens"] as const) {
      it.effect(`pace ${unit} per minute by those of the request alone`, () =>
        Effect.gen(function*() {
          const { llm: provided, sent } = provider(() =>
            Effect.succeed(completion({ rateLimits: [window(unit, 60_000, 30_000)] }))
          )
          const { llm, snapshot } = yield* governed({ countTokens: () => 993 }, provided)
          // 1,000 tokens for the prompt and 500 for the answer
          const millis = unit === "inputTokens" ? 1000 : 500
          yield* llm.complete(request("first", { maxTokens: 500 }))
          const fiber = yield* many(llm, 4, { maxTokens: 500 })
          assert.strictEqual(
            (yield* snapshot).waiting?.reason,
            unit === "inputTokens" ? "input_tokens" : "output_tokens"
          )
          yield* TestClock.adjust("1 minute")
          yield* Fiber.join(fiber)
          const gaps = sent.slice(2).map(({ at }, i) => at - sent[i + 1]!.at)
          assert.deepStrictEqual(gaps, [millis, millis, millis])
        }))
    }

    it.effect("count what was sent before they were reported", () =>
      Effect.gen(function*() {
        const { llm: provided } = provider(({ text }) =>
          text === "first"
            ? Effect.as(Effect.sleep("1 second"), completion({ rateLimits: [window("inputTokens", 60_000, 59_000)] }))
            : Effect.as(Effect.sleep("1 hour"), completion())
        )
        const { llm, snapshot } = yield* governed({ countTokens: () => 993 }, provided)
        const fiber = yield* all([
          llm.complete(request("first")),
          ...numbers(5).map((i) => llm.complete(request(`${i}`)))
        ])
        yield* TestClock.adjust("1 second")
        // 59,000 after the first, 1,000 refilled, and 5,000 for those in flight
        assert.strictEqual((yield* snapshot).models[0]!.limits[0]!.remaining, 55_000)
        yield* Fiber.interrupt(fiber)
      }))

    for (const period of ["hour", "day"] as const) {
      it.effect(`do not pace a quota per ${period}, and stop requests when it is used up until its reset`, () =>
        Effect.gen(function*() {
          let left = 10
          const { llm: provided, sent } = provider(() =>
            Effect.succeed(completion({ rateLimits: [window("requests", 1000, --left, "3 minutes", period)] }))
          )
          const { llm, snapshot } = yield* governed({ concurrency: 100 }, provided)
          yield* llm.complete(request("first"))
          const fiber = yield* many(llm, 12)
          assert.strictEqual(sent.length, 10)
          const waiting = (yield* snapshot).waiting
          assert.strictEqual(waiting?.reason, "quota")
          assert.strictEqual(Duration.toMillis(waiting!.wait!), 180_000)
          yield* TestClock.adjust("179 seconds")
          assert.strictEqual(sent.length, 10)
          left = 1000
          yield* TestClock.adjust("1 second")
          yield* Fiber.join(fiber)
          assert.strictEqual(sent.length, 13)
        }))
    }

    it.effect("do not send more than a quota covers while no answer has come", () =>
      Effect.gen(function*() {
        const { llm: provided, sent } = provider((_, call) =>
          call === 0
            ? Effect.succeed(completion({ rateLimits: [window("tokens", 10_000, 3_500, "2 minutes", "day")] }))
            : Effect.as(Effect.sleep("1 hour"), completion())
        )
        const { llm } = yield* governed({ concurrency: 100, countTokens: () => 493 }, provided)
        yield* llm.complete(request("first", { maxTokens: 500 }))
        const fiber = yield* many(llm, 10, { maxTokens: 500 })
        assert.strictEqual(sent.length, 4)
        yield* Fiber.interrupt(fiber)
      }))

    it.effect("take a window that resets after minutes for a quota, whatever period it claims", () =>
      Effect.gen(function*() {
        const { llm: provided, sent } = provider((_, call) =>
          Effect.succeed(completion({ rateLimits: [window("requests", 200, 199 - call, "7 minutes")] }))
        )
        const { llm } = yield* governed({ concurrency: 100 }, provided)
        yield* llm.complete(request("first"))
        yield* Fiber.join(yield* many(llm, 50))
        assert.strictEqual(sent.length, 51)
      }))

    it.effect("ignore numbers that make no sense", () =>
      Effect.gen(function*() {
        const { llm: provided } = provider(() =>
          Effect.succeed(
            completion({
              rateLimits: [
                window("requests", Number.NaN, 1),
                window("requests", 0, 0),
                window("requests", -5, 3),
                window("tokens", Number.POSITIVE_INFINITY, 1),
                window("tokens", 1e308, 1e308, Duration.infinity),
                window("inputTokens", 100, Number.NaN, Duration.millis(Number.NaN))
              ]
            })
          )
        )
        const { llm, snapshot } = yield* governed({}, provided)
        const fiber = yield* many(llm, 50)
        yield* TestClock.adjust("1 second")
        yield* Fiber.join(fiber)
        assert.deepStrictEqual((yield* snapshot).models[0]!.limits, [
          { unit: "tokens", period: "minute", limit: 1e12, remaining: 1e12 }
        ])
      }))

    it.effect("clamp what remains to the limit", () =>
      Effect.gen(function*() {
        const { llm: provided } = provider(() =>
          Effect.succeed(completion({ rateLimits: [window("requests", 60, 1e9), window("tokens", 600, -5)] }))
        )
        const { llm, snapshot } = yield* governed({}, provided)
        yield* llm.complete(request("first"))
        assert.deepStrictEqual((yield* snapshot).models[0]!.limits.map(({ remaining }) => remaining), [60, 0])
      }))
  })

  it.effect("forgets limits that answers do not report any more", () =>
    Effect.gen(function*() {
      const { llm: provided, sent } = provider((_, call) =>
        Effect.succeed(call === 0 ? completion({ rateLimits: [window("requests", 1, 0)] }) : completion())
      )
      const { llm } = yield* governed({}, provided)
      yield* llm.complete(request("first"))
      const fiber = yield* many(llm, 100)
      yield* TestClock.adjust("6 minutes")
      yield* Fiber.join(fiber)
      assert.strictEqual(sent.length, 101)
    }))

  it.effect("tries a request after a minute, whatever answers report", () =>
    Effect.gen(function*() {
      const { llm: provided, sent } = provider(() =>
        Effect.succeed(completion({ rateLimits: [window("tokens", 10, 0), window("requests", 1, 0)] }))
      )
      const { llm } = yield* governed({}, provided)
      const fiber = yield* many(llm, 5, { maxTokens: 5000 })
      yield* TestClock.adjust("5 minutes")
      yield* Fiber.join(fiber)
      for (const [i, { at }] of sent.slice(1).entries()) {
        assert.isTrue(at - sent[i]!.at >= 50_000 && at - sent[i]!.at <= 60_001)
      }
    }))

  it.effect("keeps to the limit of the options after such a minute", () =>
    Effect.gen(function*() {
      const { llm: provided, sent } = provider(() =>
        Effect.succeed(completion({ rateLimits: [window("tokens", 10, 0)] }))
      )
      const { llm } = yield* governed({ tokensPerMinute: 2_000, countTokens: () => 0 }, provided)
      const fiber = yield* many(llm, 4, { maxTokens: 4_000 })
      yield* TestClock.adjust("10 minutes")
      yield* Fiber.join(fiber)
      for (const [i, { at }] of sent.slice(1).entries()) assert.isAtLeast(at - sent[i]!.at, 118_000)
    }))

  it.effect("is not slowed down by a window that is full again in a second", () =>
    Effect.gen(function*() {
      const { llm: provided, sent } = provider(() =>
        Effect.succeed(completion({ rateLimits: [window("requests", 60, 0, "1 second")] }))
      )
      const { llm } = yield* governed({}, provided)
      yield* llm.complete(request("first"))
      const fiber = yield* many(llm, 60)
      yield* TestClock.adjust("62 seconds")
      yield* Fiber.join(fiber)
      assert.strictEqual(sent.length, 61)
    }))

  describe("adaptiveMaxTokens", () => {
    const outputs = (tokens: number) => ({ ...Usage.zero, inputTokens: 10, outputTokens: tokens })

    it.effect("sends what answers need, and the original size where that was too little", () =>
      Effect.gen(function*() {
        const asked = request("", { maxTokens: 4096 })
        const { llm: provided, sent } = provider(({ maxTokens = 0 }, call) => {
          const needs = call === 30 ? 1000 : 100
          return Effect.succeed(
            needs > maxTokens
              ? completion({ text: "{", finishReason: "length", usage: outputs(maxTokens) })
              : completion({ usage: outputs(needs) })
          )
        })
        const { llm } = yield* governed({ adaptiveMaxTokens: true }, provided)
        for (const _ of numbers(30)) yield* llm.complete(asked)
        const cut = yield* llm.complete(asked)
        assert.deepStrictEqual(sent.slice(29).map(({ maxTokens }) => maxTokens), [4096, 150, 4096])
        assert.strictEqual(cut.finishReason, "stop")
        assert.strictEqual(cut.usage.outputTokens, 250)
      }))

    it.effect("is off by default", () =>
      Effect.gen(function*() {
        const { llm: provided, sent } = provider(() => Effect.succeed(completion({ usage: outputs(100) })))
        const { llm } = yield* governed({}, provided)
        const asked = request("", { maxTokens: 4096 })
        for (const _ of numbers(40)) yield* llm.complete(asked)
        assert.isTrue(sent.every(({ maxTokens }) => maxTokens === 4096))
      }))
  })

  it.effect("halves the pace after a refusal for growing too fast", () =>
    Effect.gen(function*() {
      const { llm: provided, sent } = provider((_, call) =>
        call === 0 ? Effect.fail(rateLimited("1 second", { limit: "growth" })) : Effect.succeed(completion())
      )
      const { llm } = yield* governed({ requestsPerMinute: 60 }, provided)
      const fiber = yield* many(llm, 5)
      yield* TestClock.adjust("10 minutes")
      yield* Fiber.join(fiber)
      assert.isAbove(sent[3]!.at - sent[2]!.at, 1900)
    }))
})
