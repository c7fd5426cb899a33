import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Metric, Result } from "effect"
import { LlmError, LlmGovernor } from "effect-instructor"
import { AiError } from "effect/ai"
import { TestClock } from "effect/testing"
import {
  all,
  completion,
  governed,
  many,
  numbers,
  overloaded,
  provider,
  rateLimited,
  request,
  window
} from "./support.ts"

const kind = (kind: string) => Metric.withAttributes(LlmGovernor.metrics.rateLimited, { kind })

describe("LlmGovernor", () => {
  describe("a refusal for a rate limit", () => {
    it.effect("pauses all requests for the delay of the server, and is sent first then", () =>
      Effect.gen(function*() {
        const { llm: provided, sent } = provider((_, call) =>
          call === 1 ? Effect.fail(rateLimited("10 seconds")) : Effect.as(Effect.sleep("1 second"), completion())
        )
        const { llm } = yield* governed({ requestsPerMinute: 600 }, provided)
        const fiber = yield* many(llm, 5)
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(fiber)
        assert.deepStrictEqual(sent.map(({ text }) => text), ["0", "1", "1", "2", "3", "4"])
        assert.isAtLeast(sent[2]!.at, 10_000)
        assert.isAtMost(sent[2]!.at, 12_000)
      }))

    it.effect("does not fail a request, however often it comes", () =>
      Effect.gen(function*() {
        const { llm: provided } = provider((_, call) =>
          call < 50 ? Effect.fail(rateLimited("1 second")) : Effect.succeed(completion())
        )
        const { llm } = yield* governed({}, provided)
        const fiber = yield* many(llm, 5)
        yield* TestClock.adjust("30 minutes")
        assert.strictEqual((yield* Fiber.join(fiber)).length, 5)
      }))

    it.effect("ends in an unrecoverable error after `giveUpAfter` without an answer", () =>
      Effect.gen(function*() {
        const { llm: provided } = provider(() => Effect.fail(rateLimited("1 second")))
        const { llm } = yield* governed({ giveUpAfter: "5 minutes" }, provided)
        const fiber = yield* Effect.forkChild(Effect.flip(llm.complete(request(""))))
        yield* TestClock.adjust("4 minutes")
        assert.isUndefined(fiber.pollUnsafe())
        yield* TestClock.adjust("2 minutes")
        const error = yield* Fiber.join(fiber)
        assert.strictEqual(error.reason._tag, "RateLimitError")
        assert.isTrue(error.isUnrecoverable)
        assert.match(error.message, /answered no request for 5m, which is giveUpAfter/)
      }))

    it.effect("that never ends also fails the requests that were never sent", () =>
      Effect.gen(function*() {
        const { llm: provided } = provider(() => Effect.fail(rateLimited("1 second")))
        const { llm } = yield* governed({ concurrency: 1, giveUpAfter: "5 minutes" }, provided)
        const fiber = yield* all(numbers(50).map((i) => Effect.flip(llm.complete(request(`${i}`)))))
        yield* TestClock.adjust("6 minutes")
        const errors = yield* Fiber.join(fiber)
        assert.isTrue(errors.every(({ isUnrecoverable }) => isUnrecoverable))
      }))

    it.effect("of one request only ends in its own error after `giveUpAfter`", () =>
      Effect.gen(function*() {
        const { llm: provided } = provider(({ text }) =>
          text === "poison" ? Effect.fail(rateLimited("1 second")) : Effect.succeed(completion())
        )
        const { llm } = yield* governed({ giveUpAfter: "5 minutes" }, provided)
        const poison = yield* Effect.forkChild(Effect.flip(llm.complete(request("poison"))))
        const others = yield* Effect.forkChild(
          Effect.forEach(numbers(600), (i) => Effect.andThen(Effect.sleep("1 second"), llm.complete(request(`${i}`))))
        )
        yield* TestClock.adjust("7 minutes")
        assert.isFalse((yield* Fiber.join(poison)).isUnrecoverable)
        yield* Fiber.interrupt(others)
      }))

    it.effect("of one request does not hold up the others for long", () =>
      Effect.gen(function*() {
        const { llm: provided, sent } = provider(({ text }) =>
          text === "poison" ? Effect.fail(rateLimited("1 second")) : Effect.succeed(completion())
        )
        const { llm } = yield* governed({ concurrency: 1 }, provided)
        yield* all([llm.complete(request("poison"))])
        const others = yield* many(llm, 100)
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(others)
        assert.isBelow(sent.filter(({ text }) => text === "poison").length, 12)
      }))

    it.effect("that reports no limit reduces the pace by a fifth for some minutes", () =>
      Effect.gen(function*() {
        const { llm: provided, sent } = provider((_, call) =>
          call === 0 ? Effect.fail(rateLimited("1 second")) : Effect.succeed(completion())
        )
        const { llm } = yield* governed({ requestsPerMinute: 60 }, provided)
        const fiber = yield* many(llm, 400)
        yield* TestClock.adjust("10 minutes")
        yield* Fiber.join(fiber)
        const gaps = sent.slice(2).map(({ at }, i) => at - sent[i + 1]!.at)
        assert.isAbove(gaps[0]!, 1200)
        assert.isAtMost(gaps.at(-1)!, 1000)
      }))

    it.effect("is counted by the limit that it names", () =>
      Effect.gen(function*() {
        const { llm: provided } = provider((_, call) =>
          call === 0 ? Effect.fail(rateLimited("1 second", { limit: "tokens" })) : Effect.succeed(completion())
        )
        const { llm } = yield* governed({}, provided)
        const before = (yield* Metric.value(kind("tokens"))).count
        const fiber = yield* many(llm, 1)
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(fiber)
        assert.strictEqual((yield* Metric.value(kind("tokens"))).count - before, 1)
      }))
  })

  describe("a server that asks for no delay", () => {
    const delays: Readonly<Record<string, Duration.Duration | undefined>> = {
      "no retry-after": undefined,
      "a retry-after of 0": Duration.zero,
      "a negative retry-after": Duration.seconds(-30),
      "a retry-after that is not a number": Duration.millis(Number.NaN)
    }
    for (const [name, delay] of Object.entries(delays)) {
      for (const concurrency of ["adaptive", 1, 256] as const) {
        it.effect(`gets ever fewer requests: ${name}, concurrency ${concurrency}`, () =>
          Effect.gen(function*() {
            const { llm: provided, sent } = provider(() =>
              Effect.andThen(Effect.sleep("5 millis"), Effect.fail(rateLimited(delay)))
            )
            const { llm } = yield* governed({ concurrency }, provided)
            const fiber = yield* many(llm, 300)
            yield* TestClock.adjust("10 seconds")
            // Two bursts, and then single ones
            assert.isAtMost(sent.length, 2 * (concurrency === "adaptive" ? 8 : concurrency) + 10)
            const before = sent.length
            yield* TestClock.adjust("5 minutes")
            assert.isAtMost(sent.length - before, 20)
            yield* Fiber.interrupt(fiber)
          }))
      }
    }

    it.effect("gets requests at different times from different governors", () =>
      Effect.gen(function*() {
        const times = new Set<number>()
        for (const _ of numbers(20)) {
          const { llm: provided, sent } = provider((_, call) =>
            call === 0 ? Effect.fail(rateLimited(Duration.zero)) : Effect.succeed(completion())
          )
          const { llm } = yield* governed({}, provided)
          const fiber = yield* many(llm, 1)
          yield* TestClock.adjust("10 seconds")
          yield* Fiber.join(fiber)
          times.add(sent[1]!.at - sent[0]!.at)
        }
        assert.isAbove(times.size, 5)
        for (const millis of times) assert.isTrue(millis >= 40 && millis <= 60, String(millis))
      }))
  })

  describe("a delay longer than `maxServerDelay`", () => {
    const refusals: Readonly<Record<string, LlmError.Reason | LlmError.LlmError>> = {
      "a 429": rateLimited("3 hours"),
      "a 429 whose reason has the delay": new AiError.RateLimitError({ retryAfter: Duration.hours(3) }),
      "a 503": new LlmError.LlmError({ provider: "test", reason: overloaded, serverDelay: Duration.hours(3) })
    }
    for (const [name, refusal] of Object.entries(refusals)) {
      it.effect(`fails all requests with an unrecoverable error, and sends none until it is over: ${name}`, () =>
        Effect.gen(function*() {
          let isOver = false
          const { llm: provided, sent } = provider(() =>
            isOver ? Effect.succeed(completion()) : Effect.andThen(Effect.sleep("1 second"), Effect.fail(refusal))
          )
          const { llm } = yield* governed({ concurrency: 2 }, provided)
          const fiber = yield* all(numbers(20).map((i) => Effect.result(llm.complete(request(`${i}`)))))
          yield* TestClock.adjust("1 second")
          const results = yield* Fiber.join(fiber)
          assert.strictEqual(sent.length, 2)
          for (const result of results) {
            if (Result.isSuccess(result)) return assert.fail("succeeded")
            assert.isTrue(result.failure.isUnrecoverable)
            assert.match(
              result.failure.message,
              /the server asks to wait 3h, until 1970-01-01T03:00:01.000Z, longer than maxServerDelay \(5m\)/
            )
          }
          // Later ones, too
          assert.isTrue((yield* Effect.flip(llm.complete(request("later")))).isUnrecoverable)
          assert.strictEqual(sent.length, 2)
          isOver = true
          yield* TestClock.adjust("3 hours")
          yield* llm.complete(request("much later"))
          assert.strictEqual(sent.length, 3)
        }))
    }

    it.effect("does not fail requests to other models", () =>
      Effect.gen(function*() {
        const { llm: provided } = provider(({ model }) =>
          model === "limited" ? Effect.fail(rateLimited("1 day")) : Effect.succeed(completion())
        )
        const { llm } = yield* governed({}, provided)
        yield* Effect.flip(llm.complete(request("", {}, "limited")))
        yield* llm.complete(request("", {}, "free"))
      }))

    it.effect("lets requests in flight finish", () =>
      Effect.gen(function*() {
        const { llm: provided } = provider(({ text }) =>
          text === "0"
            ? Effect.andThen(Effect.sleep("1 millis"), Effect.fail(rateLimited("1 day")))
            : Effect.as(Effect.sleep("1 second"), completion())
        )
        const { llm } = yield* governed({}, provided)
        const fiber = yield* all(numbers(3).map((i) => Effect.result(llm.complete(request(`${i}`)))))
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual((yield* Fiber.join(fiber)).map(Result.isSuccess), [false, true, true])
      }))

    for (const delay of [1e308, Infinity]) {
      it.effect(`may be ${delay}`, () =>
        Effect.gen(function*() {
          const { llm: provided } = provider(() => Effect.fail(rateLimited(Duration.millis(delay))))
          const { llm } = yield* governed({}, provided)
          assert.isTrue((yield* Effect.flip(llm.complete(request("")))).isUnrecoverable)
        }))
    }

    it.effect("may be anything when `maxServerDelay` is infinite", () =>
      Effect.gen(function*() {
        const { llm: provided } = provider((_, call) =>
          call === 0 ? Effect.fail(rateLimited("3 days")) : Effect.succeed(completion())
        )
        const { llm } = yield* governed({ maxServerDelay: "Infinity", giveUpAfter: "Infinity" }, provided)
        const fiber = yield* many(llm, 1)
        yield* TestClock.adjust("4 days")
        yield* Fiber.join(fiber)
      }))

    it.effect("applies to a quota that is used up as well", () =>
      Effect.gen(function*() {
        const { llm: provided, sent } = provider((_, call) =>
          Effect.succeed(completion({ rateLimits: [window("requests", 3, 2 - call, "9 hours", "day")] }))
        )
        const { llm } = yield* governed({}, provided)
        for (const _ of numbers(3)) yield* llm.complete(request(""))
        const error = yield* Effect.flip(llm.complete(request("")))
        assert.isTrue(error.isUnrecoverable)
        assert.match(error.message, /^test: Rate limit exceeded.*the quota is used up and resets in 9h, until/)
        assert.strictEqual(sent.length, 3)
        yield* TestClock.adjust("9 hours")
        yield* llm.complete(request(""))
      }))
  })

  it.effect("a quota that a refusal reports is tried again after the delay of the server, where that is shorter", () =>
    Effect.gen(function*() {
      const { llm: provided, sent } = provider((_, call) =>
        call === 0
          ? Effect.fail(rateLimited("20 seconds", { rateLimits: [window("requests", 100, 0, "9 hours", "day")] }))
          : Effect.succeed(completion())
      )
      const { llm } = yield* governed({}, provided)
      const fiber = yield* many(llm, 3)
      yield* TestClock.adjust("25 seconds")
      yield* Fiber.join(fiber)
      assert.strictEqual(sent.length, 4)
    }))

  describe("limits that only refusals report", () => {
    const chaos = (every: number) =>
      provider((_, call) =>
        Effect.andThen(
          Effect.sleep("20 millis"),
          call % every === every - 1
            ? Effect.fail(rateLimited("1 second", { rateLimits: [window("requests", 60, 0, "1 second")] }))
            : Effect.succeed(completion())
        )
      )

    it.effect("do not set the pace where their window is full again long before a minute", () =>
      Effect.gen(function*() {
        const { llm: provided, sent } = chaos(10)
        const { llm } = yield* governed({}, provided)
        const fiber = yield* many(llm, 50)
        yield* TestClock.adjust("10 seconds")
        yield* Fiber.join(fiber)
        assert.isBelow(sent.at(-1)!.at, 10_000)
      }))

    it.effect("do not set the pace of a long run either", () =>
      Effect.gen(function*() {
        const { llm: provided } = chaos(10)
        const { llm } = yield* governed({}, provided)
        const fiber = yield* many(llm, 2000)
        yield* TestClock.adjust("6 minutes")
        yield* Fiber.join(fiber)
      }))

    it.effect("do not set the pace where more was answered than they allow", () =>
      Effect.gen(function*() {
        const { llm: provided, sent } = provider((_, call) =>
          call === 200
            ? Effect.fail(rateLimited("1 second", { rateLimits: [window("requests", 60, 0)] }))
            : Effect.succeed(completion())
        )
        const { llm } = yield* governed({}, provided)
        yield* Effect.forEach(numbers(200), () => llm.complete(request("")))
        const fiber = yield* many(llm, 200)
        yield* TestClock.adjust("5 seconds")
        yield* Fiber.join(fiber)
        assert.strictEqual(sent.length, 401)
      }))

    it.effect("are forgotten when answers show that they are wrong", () =>
      Effect.gen(function*() {
        const { llm: provided, sent } = provider((_, call) =>
          call === 0
            ? Effect.andThen(
              Effect.sleep("1 millis"),
              Effect.fail(rateLimited("1 second", { rateLimits: [window("requests", 60, 0)] }))
            )
            : Effect.as(Effect.sleep("2 seconds"), completion())
        )
        const { llm, snapshot } = yield* governed({ concurrency: 100 }, provided)
        // 99 in flight when the first is refused, of which a limit of 60 allows 66
        const first = yield* many(llm, 100)
        yield* TestClock.adjust("1 millis")
        assert.strictEqual((yield* snapshot).models[0]!.limits.length, 1)
        yield* TestClock.adjust("2 seconds")
        assert.strictEqual((yield* snapshot).models[0]!.limits.length, 0)
        yield* TestClock.adjust("2 seconds")
        yield* Fiber.join(first)
        assert.strictEqual(sent.length, 101)
      }))

    it.effect("are believed and rise ever faster where nothing speaks against them", () =>
      Effect.gen(function*() {
        const { llm: provided, sent } = provider((_, call) =>
          call === 40
            ? Effect.fail(rateLimited("1 second", { rateLimits: [window("requests", 60, 0, "1 minute")] }))
            : Effect.succeed(completion())
        )
        const { llm } = yield* governed({}, provided)
        yield* Effect.forEach(numbers(40), () => llm.complete(request("")))
        const fiber = yield* many(llm, 1000)
        yield* TestClock.adjust("2 minutes")
        const early = sent.filter(({ at }) => at > 60_000).length
        assert.isTrue(early > 45 && early < 70, String(early))
        yield* TestClock.adjust("3 minutes")
        const late = sent.filter(({ at }) => at > 240_000).length
        assert.isTrue(late > 70 && late < 160, String(late))
        yield* Fiber.interrupt(fiber)
      }))
  })
})
