import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Effect, FiberSet, Layer } from "effect"
import { RateLimiter } from "effect/persistence"
import { TestClock } from "effect/testing"
import * as Dispatch from "../../../src/middleware/governor/internal/dispatch.ts"
import * as SharedLimits from "../../../src/middleware/governor/internal/sharedLimits.ts"

/** Shared limits on a store that records what it is asked, and answers like this. */
const make = (answer: () => Effect.Effect<readonly [remaining: number, elapsed: number]>) =>
  Effect.gen(function*() {
    const clock = yield* Clock.Clock
    const asked: Array<{ readonly key: string; readonly tokens: number; readonly limit: number }> = []
    const memory = Context.get(yield* Layer.build(RateLimiter.layerStoreMemory), RateLimiter.RateLimiterStore)
    const store = RateLimiter.RateLimiterStore.of({
      ...memory,
      tokenBucket: ({ key, limit, tokens }) =>
        Effect.suspend(() => {
          asked.push({ key, tokens, limit })
          return answer()
        })
    })
    const shared = SharedLimits.make({
      store,
      key: "account",
      now: () => Dispatch.monotonicMillis(clock),
      fork: yield* FiberSet.makeRuntime<never, void>()
    })
    let granted = 0
    shared.onGranted = () => {
      granted++
    }
    return { shared, asked, granted: () => granted }
  })

describe("sharedLimits", () => {
  it.effect("ask the store for an amount and that of the next 50 milliseconds, and keep what is left", () =>
    Effect.gen(function*() {
      const { asked, granted, shared } = yield* make(() => Effect.succeed([0, 0]))
      assert.isFalse(SharedLimits.has(shared, "m:requests", 6000, 1))
      yield* TestClock.adjust(0)
      // 100 a second: 5 in 50 milliseconds, and a bucket of half a second
      assert.deepStrictEqual(asked, [{ key: "account:m:requests", tokens: 6, limit: 50 }])
      assert.strictEqual(granted(), 1)
      for (let i = 0; i < 6; i++) {
        assert.isTrue(SharedLimits.has(shared, "m:requests", 6000, 1))
        SharedLimits.take(shared, "m:requests", 1)
      }
      assert.isFalse(SharedLimits.has(shared, "m:requests", 6000, 1))
    }))

  it.effect("ask once at a time, and for what is missing", () =>
    Effect.gen(function*() {
      const { asked, shared } = yield* make(() => Effect.as(Effect.sleep("100 millis"), [0, 0] as const))
      for (let i = 0; i < 3; i++) SharedLimits.has(shared, "m:tokens", 600, 10)
      yield* TestClock.adjust("100 millis")
      assert.strictEqual(asked.length, 1)
      assert.isFalse(SharedLimits.has(shared, "m:tokens", 600, 100))
      yield* TestClock.adjust("100 millis")
      assert.deepStrictEqual(asked.map(({ tokens }) => tokens), [11, 90])
    }))

  it.effect("wait until what was taken in advance has come in", () =>
    Effect.gen(function*() {
      // 10 a second: 20 too many are there in two seconds, of which half a second has passed
      const { shared } = yield* make(() => Effect.succeed([-20, 500]))
      SharedLimits.has(shared, "m:requests", 600, 1)
      yield* TestClock.adjust("1499 millis")
      assert.isFalse(SharedLimits.has(shared, "m:requests", 600, 1))
      yield* TestClock.adjust("1 millis")
      assert.isTrue(SharedLimits.has(shared, "m:requests", 600, 1))
    }))

  it.effect("keep accounts apart", () =>
    Effect.gen(function*() {
      const { shared } = yield* make(() => Effect.succeed([0, 0]))
      SharedLimits.has(shared, "a:requests", 600, 1)
      yield* TestClock.adjust(0)
      assert.isTrue(SharedLimits.has(shared, "a:requests", 600, 1))
      assert.isFalse(SharedLimits.has(shared, "b:requests", 600, 1))
    }))

  it.effect("grant everything while the store does not answer, and ask it again after five seconds", () =>
    Effect.gen(function*() {
      let isDown = true
      const { asked, granted, shared } = yield* make(() => isDown ? Effect.never : Effect.succeed([0, 0]))
      SharedLimits.has(shared, "m:requests", 600, 1)
      yield* TestClock.adjust("999 millis")
      assert.isFalse(SharedLimits.has(shared, "m:requests", 600, 1))
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(granted(), 1)
      assert.isTrue(SharedLimits.has(shared, "m:requests", 600, 1))
      yield* TestClock.adjust("4999 millis")
      SharedLimits.has(shared, "m:requests", 600, 1)
      assert.strictEqual(asked.length, 1)
      isDown = false
      yield* TestClock.adjust("1 millis")
      assert.isTrue(SharedLimits.has(shared, "m:requests", 600, 1))
      yield* TestClock.adjust(0)
      assert.strictEqual(asked.length, 2)
      assert.isUndefined(shared.downUntil)
    }))

  it.effect("never owe more than nothing", () =>
    Effect.gen(function*() {
      const { shared } = yield* make(() => Effect.never)
      SharedLimits.take(shared, "m:requests", 100)
      assert.strictEqual(shared.accounts.get("m:requests")!.granted, 0)
    }))
})
