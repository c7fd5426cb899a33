import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Result, Schema, Stream } from "effect"
import { Batch, BatchSummary, Usage } from "effect-instructor"
import { MockLlm, Reply } from "effect-instructor/testing"
import { Echo, run, texts } from "../support/echo.ts"

const item = (latency: Duration.Input, failure?: string): BatchSummary.FinishedItem => ({
  result: failure === undefined ? Result.succeed(1) : Result.fail({ reason: { _tag: failure } }),
  attempts: failure === undefined ? 1 : 3,
  usage: { ...Usage.zero, inputTokens: 10, outputTokens: 2 },
  latency: Duration.fromInputUnsafe(latency),
  restored: false
})

const summarise = (items: ReadonlyArray<BatchSummary.FinishedItem>) =>
  Stream.run(Stream.fromIterable(items), BatchSummary.sink)

describe("BatchSummary", () => {
  it.effect("counts items by outcome and reason, with their attempts and usage", () =>
    Effect.gen(function*() {
      const summary = yield* summarise([
        item(1),
        item(1, "Refused"),
        item(1, "InvalidOutput"),
        item(1, "Refused"),
        { ...item(1), restored: true }
      ])
      assert.strictEqual(summary.succeeded, 1)
      assert.strictEqual(summary.failed, 3)
      assert.strictEqual(summary.restored, 1)
      assert.deepStrictEqual(summary.failures, { Refused: 2, InvalidOutput: 1 })
      assert.strictEqual(summary.attempts, 10)
      assert.strictEqual(summary.usage.inputTokens, 40)
      assert.strictEqual(summary.usage.outputTokens, 8)
    }))

  it.effect("is zero without items", () =>
    Effect.gen(function*() {
      const { elapsed, failed, itemsPerSecond, latency, succeeded } = yield* summarise([])
      assert.strictEqual(Duration.toMillis(elapsed), 0)
      assert.deepStrictEqual({ failed, itemsPerSecond, succeeded }, { failed: 0, itemsPerSecond: 0, succeeded: 0 })
      assert.deepStrictEqual(Object.values(latency).map((value) => Duration.toMillis(value)), [0, 0, 0, 0])
    }))

  const Latency = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 3_000_000 }))

  it.effect.prop(
    "reports percentiles within 2.5 %",
    [Schema.NonEmptyArray(Latency)],
    ([latencies]) =>
      Effect.gen(function*() {
        const { latency } = yield* summarise(latencies.map((millis) => item(millis)))
        const sorted = latencies.toSorted((a, b) => a - b)
        for (const [share, given] of [[0.5, latency.p50], [0.9, latency.p90], [0.99, latency.p99]] as const) {
          const exact = sorted[Math.ceil(share * sorted.length) - 1]!
          assert.closeTo(Duration.toMillis(given), exact, exact * 0.0251)
        }
        assert.strictEqual(Duration.toMillis(latency.max), sorted.at(-1))
      })
  )

  it.effect("reports percentiles of many latencies, and latencies of 1 ms exactly", () =>
    Effect.gen(function*() {
      const { latency } = yield* summarise([...Array.from({ length: 198 }, () => item(1)), item(1000), item(1000)])
      assert.deepStrictEqual(
        [latency.p50, latency.p90, latency.p99, latency.max].map(Duration.toMillis),
        [1, 1, 1, 1000]
      )
    }))

  it.effect("measures throughput and time with the clock", () =>
    Effect.gen(function*() {
      const { elapsed, itemsPerSecond, latency } = yield* run(
        Stream.run(Batch.stream(Echo, texts(40), { concurrency: 4 }), BatchSummary.sink),
        10
      )
      // The start takes a step or two of the test clock.
      assert.closeTo(Duration.toMillis(elapsed), 5050, 50)
      assert.strictEqual(itemsPerSecond, 40 / Duration.toSeconds(elapsed))
      assert.strictEqual(Duration.toMillis(latency.max), 500)
    }).pipe(Effect.provide(MockLlm.layer(() => Reply.delayed({ echo: "x" }, "500 millis")))))
})
