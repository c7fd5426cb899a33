import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Effect, Fiber, Layer, Logger, Ref } from "effect"
import { Llm, LlmGovernor, Usage } from "effect-instructor"
import { RateLimiter } from "effect/persistence"
import { TestClock } from "effect/testing"
import { completion, provider, window } from "./support.ts"

const request = {
  model: "m",
  messages: [{ role: "user", content: "" }],
  output: { mode: "text" },
  parameters: {}
} as const

const recording = (sent: Array<number>) =>
  Layer.succeed(
    Llm.Llm,
    Llm.make({
      provider: "test",
      model: "m",
      complete: () =>
        Effect.map(Clock.currentTimeMillis, (at) => {
          sent.push(at)
          return {
            id: "1",
            model: "m",
            text: "{}",
            toolCalls: [],
            finishReason: "stop" as const,
            usage: Usage.zero
          }
        })
    })
  )

const requestsPerMinute = 600

const governor = (sent: Array<number>, store: RateLimiter.RateLimiterStore["Service"]) =>
  Layer.build(
    LlmGovernor.layerShared({ requestsPerMinute }).pipe(
      Layer.provide([recording(sent), Layer.succeed(RateLimiter.RateLimiterStore, store)])
    )
  ).pipe(Effect.map(Context.get(Llm.Llm)))

const memory = Layer.build(RateLimiter.layerStoreMemory).pipe(Effect.map(Context.get(RateLimiter.RateLimiterStore)))

const many = (llm: Llm.Llm["Service"], count: number) =>
  Effect.forkChild(
    Effect.forEach(Array.from({ length: count }), () => llm.complete(request), {
      concurrency: "unbounded",
      discard: true
    }),
    { startImmediately: true }
  )

describe("LlmGovernor.layerShared", () => {
  it.effect("keeps several governors within the limit together, in equal shares", () =>
    Effect.gen(function*() {
      const store = yield* memory
      const sent: [Array<number>, Array<number>] = [[], []]
      const fibers = [
        yield* many(yield* governor(sent[0], store), 300),
        yield* many(yield* governor(sent[1], store), 300)
      ]
      yield* TestClock.adjust("40 seconds")
      for (const fiber of fibers) yield* Fiber.interrupt(fiber)
      const counts = sent.map(({ length }) => length)
      const total = counts[0]! + counts[1]!
      assert.isAtLeast(total, 0.98 * 400)
      assert.isAtMost(total, 1.02 * 400 + 5)
      for (const count of counts) assert.isAtLeast(count, 0.4 * total)
      const all = sent.flat().toSorted((a, b) => a - b)
      for (let i = 20; i < all.length; i++) assert.isAtLeast(all[i]! - all[i - 20]!, 1000)
    }))

  it.effect("shares each limit of each model under a name of its own", () =>
    Effect.gen(function*() {
      const working = yield* memory
      const keys = new Set<string>()
      const store = RateLimiter.RateLimiterStore.of({
        ...working,
        tokenBucket: (options) => {
          keys.add(options.key)
          return working.tokenBucket(options)
        }
      })
      const { llm: provided } = provider(() =>
        Effect.succeed(completion({
          rateLimits: [window("requests", 10, 9, 100, "second"), window("inputTokens", 6e6, 3e6)]
        }))
      )
      const llm = yield* Layer.build(
        LlmGovernor.layerShared({ requestsPerMinute, key: "team" }).pipe(
          Layer.provide([provided, Layer.succeed(RateLimiter.RateLimiterStore, store)])
        )
      ).pipe(Effect.map(Context.get(Llm.Llm)))
      const fiber = yield* many(llm, 5)
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(Array.from(keys).toSorted(), [
        "team:m:inputTokens",
        "team:m:requests",
        "team:m:requests:second"
      ])
    }))

  it.effect("keeps to the concurrency while a store grants at once", () =>
    Effect.gen(function*() {
      const store = yield* memory
      let inFlight = 0
      let most = 0
      const { llm: provided } = provider(() =>
        Effect.suspend(() => {
          most = Math.max(most, ++inFlight)
          return Effect.ensuring(Effect.as(Effect.sleep("100 millis"), completion()), Effect.sync(() => inFlight--))
        })
      )
      const llm = yield* Layer.build(
        LlmGovernor.layerShared({ requestsPerMinute: 60_000, concurrency: 2 }).pipe(
          Layer.provide([provided, Layer.succeed(RateLimiter.RateLimiterStore, store)])
        )
      ).pipe(Effect.map(Context.get(Llm.Llm)))
      const fiber = yield* many(llm, 100)
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fiber)
      assert.strictEqual(most, 2)
    }))

  it.effect("keeps to the limits on its own while the store does not answer, and warns once", () =>
    Effect.gen(function*() {
      const working = yield* memory
      let calls = 0
      let broken = false
      const store = RateLimiter.RateLimiterStore.of({
        ...working,
        tokenBucket: (options) =>
          Effect.suspend(() => {
            calls++
            return broken ? Effect.never : working.tokenBucket(options)
          })
      })
      const said = yield* Ref.make<ReadonlyArray<string>>([])
      const logger = Logger.make(({ message }) => {
        Effect.runSync(Ref.update(said, (all) => [...all, String(Array.isArray(message) ? message[0] : message)]))
      })
      const sent: Array<number> = []
      yield* Effect.gen(function*() {
        const fiber = yield* many(yield* governor(sent, store), 400)
        yield* TestClock.adjust("10 seconds")
        broken = true
        yield* TestClock.adjust("10 seconds")
        assert.isAtLeast(sent.length, 180)
        broken = false
        const before = calls
        yield* TestClock.adjust("21 seconds")
        yield* Fiber.join(fiber)
        assert.isAbove(calls - before, 10)
        assert.strictEqual(sent.length, 400)
        assert.deepStrictEqual(yield* Ref.get(said), [
          "The shared rate limit store does not answer. Until it does, this process keeps to the limits on its own",
          "The shared rate limit store answers again"
        ])
      }).pipe(Effect.provide(Logger.layer([logger])))
    }))
})
