import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Result } from "effect"
import { AiError } from "effect/ai"
import { TestClock } from "effect/testing"
import { all, completion, governed, many, numbers, provider, rateLimited, request } from "./support.ts"

const hour = 3_600_000

/** The clock of the test, with a wall clock that can be set. */
const jumping = Effect.map(Clock.Clock, (clock) => {
  let offset = 0
  const jumping: Clock.Clock = {
    ...clock,
    currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + offset,
    currentTimeMillis: Effect.sync(() => clock.currentTimeMillisUnsafe() + offset),
    currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe() + BigInt(offset) * 1_000_000n,
    currentTimeNanos: Effect.sync(() => clock.currentTimeNanosUnsafe() + BigInt(offset) * 1_000_000n)
  }
  return {
    clock: jumping,
    jump: (millis: number) => {
      offset += millis
    }
  }
})

const jumps = { back: -hour, ahead: hour, "back to 1970": -1e12, "ahead by years": 1e12 }

describe("LlmGovernor", () => {
  for (const [name, by] of Object.entries(jumps)) {
    describe(`when the wall clock jumps ${name}`, () => {
      it.effect("keeps the pace", () =>
        Effect.gen(function*() {
          const { clock, jump } = yield* jumping
          const { llm: provided, sent } = provider(() => Effect.succeed(completion()))
          yield* Effect.gen(function*() {
            const { llm } = yield* governed({ requestsPerMinute: 60 }, provided)
            const fiber = yield* many(llm, 21)
            yield* TestClock.adjust("10 seconds")
            assert.strictEqual(sent.length, 11)
            jump(by)
            yield* TestClock.adjust("10 seconds")
            assert.strictEqual(sent.length, 21)
            yield* Fiber.join(fiber)
          }).pipe(Effect.provideService(Clock.Clock, clock))
        }))

      it.effect("keeps the end of a pause", () =>
        Effect.gen(function*() {
          const { clock, jump } = yield* jumping
          const { llm: provided, sent } = provider((_, call) =>
            call === 0 ? Effect.fail(rateLimited("100 seconds")) : Effect.succeed(completion())
          )
          yield* Effect.gen(function*() {
            const { llm } = yield* governed({}, provided)
            const fiber = yield* many(llm, 5)
            yield* TestClock.adjust("10 seconds")
            jump(by)
            yield* TestClock.adjust("89 seconds")
            assert.strictEqual(sent.length, 1)
            yield* TestClock.adjust("12 seconds")
            yield* Fiber.join(fiber)
          }).pipe(Effect.provideService(Clock.Clock, clock))
        }))

      it.effect("keeps the time of the next probe of an outage, and fails no request for its wait", () =>
        Effect.gen(function*() {
          const { clock, jump } = yield* jumping
          const base = yield* Clock.Clock
          const { llm: provided } = provider(() =>
            base.currentTimeMillisUnsafe() < 30_000
              ? Effect.fail(new AiError.InternalProviderError({ description: "down" }))
              : Effect.succeed(completion())
          )
          yield* Effect.gen(function*() {
            const { llm, snapshot } = yield* governed({ concurrency: 20, giveUpAfter: "10 minutes" }, provided)
            const fiber = yield* all(numbers(50).map((i) => Effect.result(llm.complete(request(`${i}`)))))
            yield* TestClock.adjust("10 seconds")
            assert.notStrictEqual((yield* snapshot).circuit.state, "closed")
            jump(by)
            yield* TestClock.adjust("90 seconds")
            assert.isTrue((yield* Fiber.join(fiber)).every(Result.isSuccess))
          }).pipe(Effect.provideService(Clock.Clock, clock))
        }))
    })
  }
})
