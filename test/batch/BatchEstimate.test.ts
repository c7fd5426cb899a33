import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, Option, Schema, Stream } from "effect"
import { Batch, type BatchEstimate, Extraction, ExtractionError, LlmCache, Pricing, Usage } from "effect-instructor"
import { MockLlm, Reply } from "effect-instructor/testing"
import { AiError } from "effect/ai"
import { TestClock } from "effect/testing"

const Echo = Schema.Struct({ echo: Schema.String })
const echo = Extraction.make({ schema: Echo })
const texts = (count: number) => Array.from({ length: count }, (_, i) => `text ${i}`)
const sent = Effect.map(MockLlm.requests, (requests) => requests.length)

const prices = Layer.succeed(Pricing.CurrentPricing, {
  asOf: "2026-11-21",
  source: "test",
  models: { mock: { input: 1, output: 10, batch: 0.5 } }
})

/** Runs an effect and lets time pass until it is done. */
const run = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(effect)
    while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("10 millis")
    return yield* Fiber.join(fiber)
  })

describe("Batch.estimate", () => {
  it.effect("guesses without sending anything", () =>
    Effect.gen(function*() {
      const { inputTokens, outputTokens, usd, ...rest } = yield* Batch.estimate(echo, texts(1000), { concurrency: 10 })
      assert.deepStrictEqual(rest, {
        items: 1000,
        invalid: 0,
        sampled: 100,
        probed: 0,
        requests: 1000,
        probesUsd: Option.some(0),
        duration: Duration.seconds(200)
      })
      assert.isTrue(inputTokens > 20_000 && inputTokens < 200_000)
      assert.isTrue(outputTokens > 5000 && outputTokens < 30_000)
      assert.closeTo(Option.getOrThrow(usd), (inputTokens + 10 * outputTokens) / 1e6, 1e-9)
      assert.strictEqual(yield* sent, 0)
    }).pipe(Effect.provide([MockLlm.layer([]), prices])))

  it.effect("measures what it is told to probe, and is then close to what the batch comes to", () =>
    Effect.gen(function*() {
      const source = texts(400)
      const estimated = yield* run(Batch.estimate(echo, source, { probe: 50, concurrency: 8 }))
      assert.strictEqual(estimated.probed, 50)
      assert.strictEqual(yield* sent, 60)
      const before = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
      const items = yield* run(Stream.runCollect(Batch.stream(echo, source, { concurrency: 8 })))
      const elapsed = (yield* Effect.clockWith((clock) => clock.currentTimeMillis)) - before
      const usage = items.reduce((sum, item) => Usage.add(sum, item.usage), Usage.zero)
      const within = (actual: number, expected: number) =>
        assert.isBelow(Math.abs(actual / expected - 1), 0.05, `${actual}, ${expected}`)
      within(estimated.requests, items.reduce((sum, { attempts }) => sum + attempts, 0))
      within(estimated.inputTokens, usage.inputTokens)
      within(estimated.outputTokens, usage.outputTokens)
      within(Option.getOrThrow(estimated.usd), usage.usd)
      within(Duration.toMillis(estimated.duration), elapsed)
    }).pipe(Effect.provide([
      MockLlm.layer((request) => {
        const tokens = { inputTokens: 3 * JSON.stringify(request.messages).length, outputTokens: 40 }
        // Every fifth item is asked for twice.
        const isReask = request.messages.length > 2
        const isBad = !isReask && Number(/\d+/.exec(request.messages[1]!.content as string)![0]) % 5 === 0
        return Reply.delayed(Reply.withUsage(isBad ? "no" : { echo: "x" }, tokens), "500 millis")
      }),
      prices
    ])))

  it.effect("is held up by whichever limit is the tightest", () =>
    Effect.gen(function*() {
      const minutes = (options: BatchEstimate.Options) =>
        Effect.map(
          Batch.estimate(echo, texts(1200), { concurrency: "unbounded", outputTokens: 10, ...options }),
          ({ duration, inputTokens, outputTokens }) => ({
            minutes: Duration.toMinutes(duration),
            tokens: inputTokens + outputTokens
          })
        )
      assert.closeTo((yield* minutes({ latency: "1 minute", requestsPerMinute: 6000 })).minutes, 1, 0.001)
      assert.closeTo((yield* minutes({ requestsPerMinute: 100 })).minutes, 12, 0.001)
      const { minutes: waited, tokens } = yield* minutes({ tokensPerMinute: 10_000 })
      assert.closeTo(waited, tokens / 10_000, 0.001)
    }).pipe(Effect.provide([MockLlm.layer([]), prices])))

  it.effect("knows of inputs that are no good, of prices it does not know, and of nothing at all", () =>
    Effect.gen(function*() {
      const bad = ExtractionError.beforeSending("x", new ExtractionError.InvalidInput({ description: "no" }))
      const half = yield* Batch.estimate(echo, Stream.make("a", bad, "b", bad))
      assert.deepStrictEqual([half.items, half.invalid, half.requests], [4, 2, 2])
      const unknown = yield* Batch.estimate(Extraction.make({ schema: Echo, model: "mystery" }), ["a"])
      assert.deepStrictEqual(unknown.usd, Option.none())
      const none = yield* Batch.estimate(echo, [])
      assert.deepStrictEqual([none.items, none.requests, none.usd], [0, 0, Option.some(0)])
    }).pipe(Effect.provide([MockLlm.layer([]), prices])))

  it.effect("reads no more of a source of known length than its sample", () =>
    Effect.gen(function*() {
      let drawn = 0
      const endless = Stream.fromIterable(
        (function*() {
          while (true) yield `text ${drawn++}`
        })(),
        { chunkSize: 1 }
      )
      const { items, requests, sampled } = yield* Batch.estimate(echo, endless, { items: 1_000_000, sample: 10 })
      assert.deepStrictEqual([items, requests, sampled], [1_000_000, 1_000_000, 10])
      assert.isAtMost(drawn, 11)
    }).pipe(Effect.provide([MockLlm.layer([]), prices])))

  it.effect("fails with what every item would fail with", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Batch.estimate(echo, texts(3), { probe: 1 }))
      assert.strictEqual(error.reason._tag, "ProviderFailure")
    }).pipe(Effect.provide(MockLlm.layer(() => Effect.fail(new AiError.AuthenticationError({ kind: "InvalidKey" }))))))

  it.effect("its probes are not paid for again by the batch, when there is a cache", () =>
    Effect.gen(function*() {
      yield* Batch.estimate(echo, texts(10), { probe: 4 })
      yield* Stream.runDrain(Batch.stream(echo, texts(10)))
      assert.strictEqual(yield* sent, 10)
    }).pipe(
      Effect.provide(LlmCache.layer().pipe(Layer.provideMerge(MockLlm.layer(() => ({ echo: "x" })))))
    ))
})
