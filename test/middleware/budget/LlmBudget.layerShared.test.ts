import { NodeRedis } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Result } from "effect"
import { Llm, LlmBudget, LlmGovernor, Usage } from "effect-instructor"
import { RateLimiter } from "effect/persistence"
import { hasPostgres, hasRedis, Postgres, redisUrl, Sqlite, uniqueName } from "../../support/databases.ts"

const stores: ReadonlyArray<{
  readonly name: string
  readonly layer: Layer.Layer<RateLimiter.RateLimiterStore, unknown>
  readonly skip: boolean
}> = [
  { name: "memory", layer: RateLimiter.layerStoreMemory, skip: false },
  { name: "SQLite", layer: LlmGovernor.layerStoreSql.pipe(Layer.provide(Sqlite)), skip: false },
  { name: "PostgreSQL", layer: LlmGovernor.layerStoreSql.pipe(Layer.provide(Postgres)), skip: !hasPostgres },
  {
    name: "Redis",
    layer: RateLimiter.layerStoreRedis().pipe(Layer.provide(NodeRedis.layer({ url: redisUrl }))),
    skip: !hasRedis
  }
]

const request = {
  model: "m",
  messages: [{ role: "user", content: "x" }],
  output: { mode: "text" },
  parameters: { maxTokens: 50 }
} as const

for (const { layer, name, skip } of stores) {
  describe.skipIf(skip)(`LlmBudget.layerShared over ${name}`, () => {
    it.live(
      "is never exceeded by several processes together, and is used up to what they hold",
      () =>
        Effect.gen(function*() {
          const store = yield* Layer.build(layer)
          const key = uniqueName()
          let spent = 0
          let sent = 0
          const provider = Layer.succeed(
            Llm.Llm,
            Llm.make({
              provider: "test",
              model: "m",
              complete: () =>
                Effect.sleep("2 millis").pipe(Effect.map(() => {
                  const usage = { ...Usage.zero, inputTokens: 5, outputTokens: sent++ % 45 }
                  spent += usage.inputTokens + usage.outputTokens
                  return { id: "1", model: "m", text: "{}", toolCalls: [], finishReason: "stop" as const, usage }
                }))
            })
          )
          const budget = 2500
          const process = Effect.gen(function*() {
            const llm = Context.get(
              yield* Layer.build(
                Layer.fresh(LlmBudget.layerShared({ key, tokens: budget })).pipe(
                  Layer.provide([provider, Layer.succeedContext(store)])
                )
              ),
              Llm.Llm
            )
            return yield* Effect.forEach(Array.from({ length: 70 }), () => Effect.result(llm.complete(request)), {
              concurrency: 10
            })
          }).pipe(Effect.scoped)
          const results = (yield* Effect.all([process, process, process], { concurrency: 3 })).flat()
          const refused = results.filter(Result.isFailure)
          assert.isAtMost(spent, budget)
          assert.isAtLeast(spent, budget * 0.6)
          assert.isAbove(refused.length, 0)
          assert.isTrue(refused.every(({ failure }) => failure.reason._tag === "BudgetExceededError"))
          // What was given back can still be spent, by a process that begins later.
          const later = (yield* process).filter(Result.isSuccess)
          assert.isAtMost(spent, budget)
          assert.isAtLeast(spent, budget * 0.9, `${later.length} later`)
        }).pipe(Effect.scoped),
      30_000
    )
  })
}
