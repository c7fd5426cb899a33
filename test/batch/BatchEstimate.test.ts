import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer, Option, Result, Stream } from "effect"
import { Batch, type BatchEstimate, Extraction, Llm, LlmCache, Pricing, Usage } from "effect-instructor"
import { MockLlm, Reply } from "effect-instructor/testing"
import { AiError } from "effect/ai"
import { Echo, run as runIn, texts } from "../support/echo.ts"

const echo = Extraction.make({ schema: Echo })
const sent = Effect.map(MockLlm.requests, (requests) => requests.length)

const prices = Layer.succeed(Pricing.CurrentPricing, {
  asOf: "2026-11-21",
  source: "test",
  models: { mock: { input: 1, output: 10, batch: 0.5 } }
})

const run = <A, E, R>(effect: Effect.Effect<A, E, R>) => runIn(effect, 10)

describe("Batch.estimate", () => {
  it.effect("estimates without a request", () =>
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

  it.effect("measures probes, and is then close to the figures of the batch", () =>
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
        // Every fifth item takes two attempts.
        const isReask = request.messages.length > 2
        const isBad = !isReask && Number(/\d+/.exec(request.messages[1]!.content as string)![0]) % 5 === 0
        return Reply.delayed(Reply.withUsage(isBad ? "no" : { echo: "x" }, tokens), "500 millis")
      }),
      prices
    ])))

  it.effect("takes its duration from the tightest limit", () =>
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
      const { minutes: limited, tokens } = yield* minutes({ tokensPerMinute: 10_000 })
      assert.closeTo(limited, tokens / 10_000, 0.001)
    }).pipe(Effect.provide([MockLlm.layer([]), prices])))

  it.effect("counts invalid inputs, reports an unknown price as unknown, and accepts an empty source", () =>
    Effect.gen(function*() {
      const ofRow = Extraction.mapInput(echo, (row: string) => row === "" ? Result.fail("The row is empty") : row)
      const half = yield* Batch.estimate(ofRow, Stream.make("a", "", "b", ""))
      assert.deepStrictEqual([half.items, half.invalid, half.requests], [4, 2, 2])
      const unknown = yield* Batch.estimate(Extraction.make({ schema: Echo, model: "mystery" }), ["a"])
      assert.deepStrictEqual(unknown.usd, Option.none())
      const none = yield* Batch.estimate(echo, [])
      assert.deepStrictEqual([none.items, none.requests, none.usd], [0, 0, Option.some(0)])
    }).pipe(Effect.provide([MockLlm.layer([]), prices])))

  it.effect("reads only the sample of a source whose number of items is given", () =>
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

  it.effect("fails when a probe fails and every item would fail in the same way", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Batch.estimate(echo, texts(3), { probe: 1 }))
      assert.strictEqual(error.reason._tag, "ProviderFailure")
    }).pipe(Effect.provide(MockLlm.layer(() => Effect.fail(new AiError.AuthenticationError({ kind: "InvalidKey" }))))))

  it.effect("leaves the answers of its probes in a cache for the batch", () =>
    Effect.gen(function*() {
      yield* Batch.estimate(echo, texts(10), { probe: 4 })
      yield* Stream.runDrain(Batch.stream(echo, texts(10)))
      assert.strictEqual(yield* sent, 10)
    }).pipe(
      Effect.provide(LlmCache.layer().pipe(Layer.provideMerge(MockLlm.layer(() => ({ echo: "x" })))))
    ))

  it.effect("leaves probes that a cache answered out of its measurements", () =>
    Effect.gen(function*() {
      const inputs = texts(8).map((text, i) => i % 2 === 0 ? text + " long".repeat(400) : text)
      const estimated = yield* run(Batch.estimate(echo, inputs, { probe: 8, concurrency: 1 }))
      assert.deepStrictEqual([estimated.items, estimated.probed, estimated.requests], [8, 8, 16])
      assert.strictEqual(estimated.outputTokens, 16 * 50)
      // The long texts would have more tokens than the short ones, which are the ones that were measured.
      assert.isAbove(estimated.inputTokens / 16, 300)
      assert.deepStrictEqual(estimated.duration, Duration.seconds(16))
    }).pipe(Effect.provide(layerOf((text, isReask) =>
      text.endsWith(" long")
        ? { text: `{"echo":"x"}`, usage: Usage.zero, delay: 0 }
        : { text: isReask ? `{"echo":"x"}` : "no", usage: { ...Usage.zero, inputTokens: 100, outputTokens: 50 } }
    ))))

  it.effect("estimates as without probes when a cache answered all of them", () =>
    Effect.gen(function*() {
      const guessed = yield* Batch.estimate(echo, texts(8))
      const probed = yield* run(Batch.estimate(echo, texts(8), { probe: 4 }))
      assert.deepStrictEqual({ ...probed, probed: 0 }, guessed)
      assert.deepStrictEqual(probed.probesUsd, Option.some(0))
    }).pipe(Effect.provide(layerOf(() => ({ text: `{"echo":"x"}`, usage: Usage.zero, delay: 0 })))))

  it.effect("reports the cost of probes as unknown when the usage of one is unknown", () =>
    Effect.gen(function*() {
      const { probesUsd } = yield* run(Batch.estimate(echo, texts(4), { probe: 2, concurrency: 1 }))
      assert.deepStrictEqual(probesUsd, Option.none())
    }).pipe(Effect.provide([
      layerOf((text) => ({
        text: `{"echo":"x"}`,
        usage: text === "text 0" ? Usage.unreported : { ...Usage.zero, inputTokens: 10, outputTokens: 5 }
      })),
      prices
    ])))
})

/** An `Llm` that answers each text with this usage, after a second unless it says otherwise. */
const layerOf = (
  answer: (text: string, isReask: boolean) => {
    readonly text: string
    readonly usage: Usage.Usage
    readonly delay?: number
  }
) =>
  Layer.succeed(
    Llm.Llm,
    Llm.make({
      provider: "mock",
      model: "mock",
      complete: ({ messages, model }) => {
        const { delay = 1000, text, usage } = answer(messages[1]!.content as string, messages.length > 2)
        return Effect.delay(
          Effect.succeed({ id: "1", model, text, toolCalls: [], finishReason: "stop", usage }),
          delay
        )
      }
    })
  )
