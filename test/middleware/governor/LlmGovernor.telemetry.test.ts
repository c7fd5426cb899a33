import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Metric, Ref } from "effect"
import { LlmGovernor } from "effect-instructor"
import { TestClock } from "effect/testing"
import { CurrentRequestObserver } from "../../internal/requestContext.ts"
import { all, completion, governed, many, numbers, provider, rateLimited, request } from "./support.ts"

describe("LlmGovernor", () => {
  it.effect("adds its retries and waits to the span of the request", () =>
    Effect.gen(function*() {
      const { llm: provided } = provider((_, call) =>
        call === 0 ? Effect.fail(rateLimited("2 seconds")) : Effect.succeed(completion())
      )
      const { llm } = yield* governed({}, provided)
      const events = yield* Ref.make<ReadonlyArray<string>>([])
      const fiber = yield* Effect.forkChild(
        Effect.useSpan("test", (span) => {
          const original = span.event.bind(span)
          span.event = (name, ...rest) => {
            Effect.runSync(Ref.update(events, (names) => [...names, name]))
            original(name, ...rest)
          }
          return Effect.withParentSpan(llm.complete(request("")), span)
        })
      )
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(yield* Ref.get(events), ["llm.retry", "llm.admitted"])
    }))

  it.effect("counts the requests that are sent and those that wait", () =>
    Effect.gen(function*() {
      const { llm: provided } = provider(() => Effect.succeed(completion()))
      const { llm } = yield* governed({ requestsPerMinute: 60 }, provided)
      const { admitted, queued, waits } = LlmGovernor.metrics
      const waitsForRequests = Metric.withAttributes(waits, { reason: "requests" })
      const before = [(yield* Metric.value(admitted)).count, (yield* Metric.value(waitsForRequests)).count]
      const fiber = yield* many(llm, 3)
      assert.strictEqual((yield* Metric.value(queued)).value, 2)
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fiber)
      const after = [(yield* Metric.value(admitted)).count, (yield* Metric.value(waitsForRequests)).count]
      assert.deepStrictEqual(after.map((count, i) => count - before[i]!), [3, 2])
      assert.strictEqual((yield* Metric.value(queued)).value, 0)
    }))

  describe("what a request waits for", () => {
    /** Records what the observers of some requests hear. */
    const observing = () => {
      const seen: Array<string> = []
      return {
        seen,
        observe: <A, E, R>(name: string, effect: Effect.Effect<A, E, R>) =>
          Effect.provideService(effect, CurrentRequestObserver, {
            onRetry: (error, delay) => seen.push(`${name}: retry ${error.reason._tag} ${Duration.format(delay)}`),
            onWait: (reason, wait) =>
              seen.push(`${name}: ${reason}${wait === undefined ? "" : ` ${Math.ceil(Duration.toSeconds(wait))}s`}`),
            onSend: () => seen.push(`${name}: sent`)
          })
      }
    }

    it.effect("is reported at once", () =>
      Effect.gen(function*() {
        const { llm: provided } = provider(() => Effect.succeed(completion()))
        const { llm } = yield* governed({ requestsPerMinute: 6 }, provided)
        const { observe, seen } = observing()
        yield* llm.complete(request("first"))
        const fiber = yield* all([observe("second", llm.complete(request("second")))])
        assert.deepStrictEqual(seen, ["second: requests 10s"])
        yield* TestClock.adjust("10 seconds")
        yield* Fiber.join(fiber)
        assert.deepStrictEqual(seen, ["second: requests 10s", "second: sent"])
      }))

    it.effect("is reported again to all that wait when a refusal pauses them", () =>
      Effect.gen(function*() {
        const { llm: provided } = provider(({ text }, call) =>
          text === "refused" && call === 0
            ? Effect.andThen(Effect.sleep("1 second"), Effect.fail(rateLimited("100 seconds")))
            : Effect.as(Effect.sleep("10 seconds"), completion())
        )
        const { llm } = yield* governed({ concurrency: 1 }, provided)
        const { observe, seen } = observing()
        const fiber = yield* all([
          llm.complete(request("refused")),
          ...numbers(3).map((i) => observe(`${i}`, llm.complete(request(`${i}`))))
        ])
        assert.deepStrictEqual(seen, ["0: concurrency", "1: concurrency", "2: concurrency"])
        yield* TestClock.adjust("1 second")
        const paused = seen.slice(3)
        assert.deepStrictEqual(paused.map((line) => line.replace(/ \d+s/, "")), [
          "0: rate_limited",
          "1: rate_limited",
          "2: rate_limited"
        ])
        for (const line of paused) assert.isTrue(/ 1(0\d|10)s/.test(line), line)
        yield* TestClock.adjust("2 minutes")
        // The refused one is in flight, and the others wait for it.
        assert.include(seen.slice(6), "2: concurrency")
        yield* TestClock.adjust("2 minutes")
        yield* Fiber.join(fiber)
      }))
  })
})
