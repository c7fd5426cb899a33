import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Duration, Effect, Fiber, Layer } from "effect"
import { Llm, LlmError, LlmGovernor, Usage } from "effect-instructor"
import { AiError } from "effect/ai"
import { RateLimiter } from "effect/persistence"
import { TestClock } from "effect/testing"
import { hasPostgres, Postgres, Sqlite, uniqueName } from "../../support/databases.ts"

const databases = [
  { name: "SQLite", layer: Sqlite, skip: false },
  { name: "PostgreSQL", layer: Postgres, skip: !hasPostgres }
]

for (const { layer, name, skip } of databases) {
  describe.skipIf(skip)(`LlmGovernor.layerStoreSql in ${name}`, () => {
    it.live("takes from a bucket as the store in memory does, and from many fibers exactly what there is", () =>
      Effect.gen(function*() {
        const store = Context.get(
          yield* Layer.build(LlmGovernor.layerStoreSql.pipe(Layer.provide(layer))),
          RateLimiter.RateLimiterStore
        )
        const options = { key: uniqueName(), limit: 10, refillRate: Duration.hours(1), allowOverflow: false }
        const take = (tokens: number, allowOverflow = false) =>
          Effect.map(store.tokenBucket({ ...options, tokens, allowOverflow }), ([remaining]) => remaining)
        assert.deepStrictEqual(yield* Effect.all([take(4), take(7), take(6), take(0)]), [6, -1, 0, 0])
        assert.deepStrictEqual(yield* Effect.all([take(5, true), take(1), take(0)]), [-5, -6, -5])
        const many = { ...options, key: uniqueName(), limit: 50, tokens: 1 }
        const taken = yield* Effect.forEach(Array.from({ length: 80 }), () => store.tokenBucket(many), {
          concurrency: "unbounded"
        })
        assert.strictEqual(taken.filter(([remaining]) => remaining >= 0).length, 50)
        const refilled = { ...options, key: uniqueName(), refillRate: Duration.millis(20), tokens: 10 }
        yield* store.tokenBucket(refilled)
        yield* Effect.sleep("100 millis")
        const [remaining, elapsed] = yield* store.tokenBucket({ ...refilled, tokens: 0 })
        assert.isAtLeast(remaining, 4)
        assert.isBelow(elapsed, 20)
      }).pipe(Effect.scoped))
  })
}

describe("LlmGovernor.layerShared", () => {
  it.effect("makes every process wait when the provider asks one of them to", () =>
    Effect.gen(function*() {
      const store = Context.get(yield* Layer.build(RateLimiter.layerStoreMemory), RateLimiter.RateLimiterStore)
      let refuses = true
      const sent: Array<number> = []
      const provider = (refusing: boolean) =>
        Layer.succeed(
          Llm.Llm,
          Llm.make({
            provider: "test",
            model: "m",
            complete: () =>
              Effect.flatMap(Clock.currentTimeMillis, (at) => {
                if (refusing && refuses) {
                  refuses = false
                  return Effect.fail(
                    new LlmError.LlmError({
                      provider: "test",
                      reason: new AiError.RateLimitError({ retryAfter: Duration.seconds(20) })
                    })
                  )
                }
                sent.push(at)
                return Effect.succeed({
                  id: "1",
                  model: "m",
                  text: "{}",
                  toolCalls: [],
                  finishReason: "stop" as const,
                  usage: Usage.zero
                })
              })
          })
        )
      const governor = (refusing: boolean) =>
        Effect.map(
          Layer.build(
            Layer.fresh(LlmGovernor.layerShared({ requestsPerMinute: 600 })).pipe(
              Layer.provide([provider(refusing), Layer.succeed(RateLimiter.RateLimiterStore, store)])
            )
          ),
          Context.get(Llm.Llm)
        )
      const request = { model: "m", messages: [], output: { mode: "text" }, parameters: {} } as const
      const [one, other] = [yield* governor(true), yield* governor(false)]
      const first = yield* Effect.forkChild(one.complete(request), { startImmediately: true })
      yield* TestClock.adjust("1 second")
      const second = yield* Effect.forkChild(
        Effect.forEach(Array.from({ length: 20 }), () => other.complete(request), { concurrency: "unbounded" }),
        { startImmediately: true }
      )
      yield* TestClock.adjust("15 seconds")
      assert.deepStrictEqual(sent, [])
      yield* TestClock.adjust("15 seconds")
      yield* Fiber.join(first)
      yield* Fiber.join(second)
      assert.isAtLeast(Math.min(...sent), 20_000)
      assert.strictEqual(sent.length, 21)
    }).pipe(Effect.scoped))
})
