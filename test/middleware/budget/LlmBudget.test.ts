import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Result, Schema, Stream } from "effect"
import {
  Batch,
  Extraction,
  Journal,
  Llm,
  LlmBudget,
  LlmCache,
  type LlmRequest,
  Pricing,
  Usage
} from "effect-instructor"
import { MockLlm, Reply } from "effect-instructor/testing"
import { AiError } from "effect/ai"
import { TestClock } from "effect/testing"

const Echo = Schema.Struct({ echo: Schema.String })
const echo = Extraction.make({ schema: Echo, parameters: { maxTokens: 1000 } })

const prices = Layer.succeed(Pricing.CurrentPricing, {
  asOf: "2026-11-21",
  source: "test",
  models: { mock: { input: 1, output: 10 } }
})

const budgeted = <A, E>(llm: Layer.Layer<A | Llm.Llm, E>, options: LlmBudget.Options) =>
  LlmBudget.layer(options).pipe(Layer.provideMerge(llm), Layer.merge(prices))

const status = LlmBudget.LlmBudget.use((budget) => budget.status)
const sent = Effect.map(MockLlm.requests, (requests) => requests.length)

const request: LlmRequest.LlmRequest = {
  model: "mock",
  messages: [{ role: "user", content: "text" }],
  output: { mode: "json_schema", name: "Echo", jsonSchema: {} },
  parameters: { maxTokens: 1000 }
}

const overloaded = new AiError.InternalProviderError({ description: "overloaded" })
const lost = new AiError.NetworkError({ reason: "TransportError", method: "POST", url: "http://localhost" })

/** Runs an effect and lets time pass until it is done. */
const run = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(effect)
    while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("1 millis")
    return yield* Fiber.join(fiber)
  })

describe("LlmBudget", () => {
  const Case = Schema.Struct({
    seed: Schema.Int,
    concurrency: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100 })),
    unit: Schema.Literals(["usd", "tokens"]),
    failures: Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 0.5 }))
  })

  it.effect.prop(
    "is never overspent, and used up to 95 % where there is enough to do, whatever requests cost and whichever fail",
    [Case],
    ([{ concurrency, failures, seed, unit }]) => {
      // The largest reservation is a twentieth of the budget at most.
      const options = unit === "usd" ? { usd: 0.24 } : { tokens: 24_000 }
      let random = Math.abs(seed) % 2 ** 31
      const next = () => (random = (random * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31
      const llm = MockLlm.layer((request) => {
        const delay = Math.floor(next() * 50)
        if (next() < failures) return Effect.delay(Effect.fail(overloaded), delay)
        const outputTokens = 1 + Math.floor(next() * request.parameters.maxTokens!)
        return Reply.delayed(
          Reply.withUsage({ echo: "x" }, { inputTokens: 1 + Math.floor(next() * 60), outputTokens }),
          delay
        )
      }, { model: "mock" })
      return Effect.gen(function*() {
        const provider = yield* Llm.Llm
        let usage = Usage.zero
        let exceeded = 0
        let highest = 0
        const one = Effect.gen(function*() {
          const result = yield* Effect.result(provider.complete(request))
          if (Result.isSuccess(result)) usage = Usage.add(usage, result.success.usage)
          else if (result.failure.reason._tag === "QuotaExhaustedError") exceeded++
          const { reserved, spent } = yield* status
          highest = Math.max(highest, unit === "usd" ? spent.usd + reserved.usd : spent.tokens + reserved.tokens)
        })
        yield* run(Effect.forEach(Array.from({ length: 400 }), () => one, { concurrency, discard: true }))
        const budget = unit === "usd" ? 0.24 : 24_000
        const spent = unit === "usd" ? usage.usd : Usage.totalTokens(usage)
        assert.isAtMost(spent, budget)
        assert.isAtMost(highest, budget)
        assert.isAbove(exceeded, 0)
        assert.isAtLeast(spent, budget * 0.95)
        const end = yield* status
        assert.deepStrictEqual(end.reserved, { usd: 0, tokens: 0 })
        assert.closeTo(unit === "usd" ? end.spent.usd : end.spent.tokens, spent, 1e-6)
      }).pipe(Effect.provide(budgeted(llm, options)))
    },
    { arbitrary: { runs: 30 } }
  )

  it.effect("ends what it cannot pay for as BudgetExceeded, which stops a batch", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Extraction.extract(echo, "x"))
      assert.strictEqual(error.reason._tag, "BudgetExceeded")
      assert.isTrue(error.isRunFatal)
      assert.include(error.message, "budget of $0.001")
      assert.strictEqual(yield* sent, 0)
      const results = yield* Batch.results(echo, ["a", "b", "c"])
      assert.deepStrictEqual(
        results.map((result) => Result.isFailure(result) ? result.failure.reason._tag : ""),
        ["BudgetExceeded", "BudgetExceeded", "BudgetExceeded"]
      )
    }).pipe(Effect.provide(budgeted(MockLlm.layer(() => ({ echo: "x" })), { usd: 0.001 }))))

  it.effect("leaves what it cannot pay for pending, for a larger budget to go on with", () =>
    Effect.gen(function*() {
      const texts = Array.from({ length: 20 }, (_, i) => `text ${i}`)
      const llm = MockLlm.layer(
        (request) =>
          Reply.withUsage({ echo: request.messages[1]?.content as string }, { inputTokens: 100, outputTokens: 900 }),
        { model: "mock" }
      )
      const attempt = (usd: number) =>
        Effect.gen(function*() {
          const items: Array<Batch.Item<typeof Echo.Type, string>> = []
          const end = yield* Batch.resumable(echo, texts, { concurrency: 4 }).pipe(
            Stream.runForEach((item) => Effect.sync(() => items.push(item))),
            Effect.result
          )
          return { items, end, sent: yield* sent }
        }).pipe(Effect.provide(budgeted(llm, { usd })))
      const first = yield* attempt(0.1)
      assert.isTrue(Result.isFailure(first.end) && first.end.failure.reason._tag === "RunFatal")
      assert.isAbove(first.sent, 5)
      assert.isBelow(first.sent, 12)
      assert.isTrue(first.items.every(({ result }) => Result.isSuccess(result)))
      const second = yield* attempt(1)
      assert.isTrue(Result.isSuccess(second.end))
      assert.strictEqual(second.items.length, 20)
      assert.strictEqual(first.sent + second.sent, 20)
      assert.strictEqual(second.items.filter(({ restored }) => restored).length, first.sent)
    }).pipe(Effect.provide(Journal.layerMemory)))

  it.effect("bounds the answers of requests that have no bound, and leaves the others alone", () =>
    Effect.gen(function*() {
      yield* Extraction.extract(Echo, "x")
      yield* Extraction.extract(echo, "x")
      const requests = yield* MockLlm.requests
      assert.deepStrictEqual(requests.map(({ parameters }) => parameters), [{ maxTokens: 77 }, { maxTokens: 1000 }])
    }).pipe(
      Effect.provide(budgeted(MockLlm.layer(() => ({ echo: "x" })), { tokens: 10_000, maxOutputTokens: 77 }))
    ))

  it.effect("sends nothing to a model without a known price when it is one of dollars", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Extraction.extract(Extraction.make({ schema: Echo, model: "mystery" }), "x"))
      assert.strictEqual(error.reason._tag, "BudgetExceeded")
      assert.include(error.message, "price of mystery is not known")
      assert.strictEqual(yield* sent, 0)
    }).pipe(Effect.provide(budgeted(MockLlm.layer(() => ({ echo: "x" })), { usd: 5 }))))

  it.effect("counts what broke off or was abandoned as spent, and what was refused as free", () =>
    Effect.gen(function*() {
      const llm = yield* Llm.Llm
      yield* Effect.flip(llm.complete(request))
      assert.deepStrictEqual((yield* status).spent, { usd: 0, tokens: 0 })
      yield* Effect.flip(llm.complete(request))
      const { spent } = yield* status
      assert.isAtLeast(spent.tokens, 1000)
      const fiber = yield* Effect.forkChild(llm.complete(request))
      yield* TestClock.adjust("1 second")
      assert.isAtLeast((yield* status).reserved.tokens, 1000)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* status, {
        spent: { usd: spent.usd * 2, tokens: spent.tokens * 2 },
        reserved: { usd: 0, tokens: 0 }
      })
    }).pipe(
      Effect.provide(budgeted(
        MockLlm.layer((_, call) =>
          call === 0 ? Effect.fail(overloaded) : call === 1 ? Effect.fail(lost) : Effect.never
        ),
        { usd: 1 }
      ))
    ))

  it.effect("gives up the place of one who waits and is interrupted", () =>
    Effect.gen(function*() {
      const llm = yield* Llm.Llm
      const first = yield* Effect.forkChild(llm.complete(request))
      yield* TestClock.adjust("1 second")
      const second = yield* Effect.forkChild(llm.complete(request))
      const third = yield* Effect.forkChild(llm.complete(request))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* sent, 1)
      yield* Fiber.interrupt(second)
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(first)
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(third)
      assert.strictEqual(yield* sent, 2)
    }).pipe(
      Effect.provide(budgeted(MockLlm.layer(() => Reply.delayed({ echo: "x" }, "1 minute")), { tokens: 2000 }))
    ))

  it.effect("holds for streams too", () =>
    Effect.gen(function*() {
      const llm = yield* Llm.Llm
      const parts = yield* Stream.runCollect(llm.stream(request))
      assert.strictEqual(parts.at(-1)?._tag, "Finish")
      assert.deepStrictEqual(yield* status, { spent: { usd: 0.005_05, tokens: 550 }, reserved: { usd: 0, tokens: 0 } })
      // Who leaves before the end is billed for what was set aside.
      yield* llm.stream(request).pipe(Stream.take(1), Stream.runDrain)
      const { reserved, spent } = yield* status
      assert.isAtLeast(spent.tokens, 1550)
      assert.deepStrictEqual(reserved, { usd: 0, tokens: 0 })
      const error = yield* Effect.flip(Stream.runDrain(llm.stream(request)))
      assert.strictEqual(error.reason._tag, "QuotaExhaustedError")
    }).pipe(
      Effect.provide(budgeted(
        MockLlm.layer(() => Reply.withUsage({ echo: "some text" }, { inputTokens: 50, outputTokens: 500 })),
        { usd: 0.02 }
      ))
    ))

  it.effect("has nothing to do with what a cache answers", () =>
    Effect.gen(function*() {
      const values = yield* Effect.forEach(Array.from({ length: 50 }), () => Extraction.extract(echo, "x"))
      assert.strictEqual(values.length, 50)
      assert.strictEqual(yield* sent, 1)
    }).pipe(
      Effect.provide(
        LlmCache.layer().pipe(
          Layer.provideMerge(budgeted(MockLlm.layer(() => ({ echo: "x" })), { tokens: 2000 }))
        )
      )
    ))
})
