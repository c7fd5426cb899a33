import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Result, Schema, Stream } from "effect"
import { Batch, BatchSummary, Extraction, Usage } from "effect-instructor"
import { MockLlm, Reply } from "effect-instructor/testing"
import { TestClock } from "effect/testing"

const Echo = Schema.Struct({ echo: Schema.String })

const item = (latency: Duration.Input, failure?: string): BatchSummary.EndedItem => ({
  result: failure === undefined ? Result.succeed(1) : Result.fail({ reason: { _tag: failure } }),
  attempts: failure === undefined ? 1 : 3,
  usage: { ...Usage.zero, inputTokens: 10, outputTokens: 2 },
  latency: Duration.fromInputUnsafe(latency),
  restored: false
})

const summarise = (items: ReadonlyArray<BatchSummary.EndedItem>) =>
  Stream.run(Stream.fromIterable(items), BatchSummary.sink)

describe("BatchSummary", () => {
  it.effect("counts outcomes by reason, attempts and tokens", () =>
    Effect.gen(function*() {
      const summary = yield* summarise([
        item(1),
        item(1, "Refused"),
        item(1, "InvalidOutput"),
        item(1, "Refused"),
        { ...item(1), restored: true }
      ])
      assert.strictEqual(summary.ok, 1)
      assert.strictEqual(summary.failed, 3)
      assert.strictEqual(summary.restored, 1)
      assert.deepStrictEqual(summary.failures, { Refused: 2, InvalidOutput: 1 })
      assert.strictEqual(summary.attempts, 10)
      assert.strictEqual(summary.usage.inputTokens, 40)
      assert.strictEqual(summary.usage.outputTokens, 8)
    }))

  it.effect("is all zeros for nothing", () =>
    Effect.gen(function*() {
      const { failed, itemsPerSecond, latency, ok } = yield* summarise([])
      assert.deepStrictEqual({ failed, itemsPerSecond, ok }, { failed: 0, itemsPerSecond: 0, ok: 0 })
      assert.deepStrictEqual(Object.values(latency).map((value) => Duration.toMillis(value)), [0, 0, 0, 0])
    }))

  const Latency = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 3_000_000 }))

  it.effect.prop(
    "percentiles are within 2.5 %",
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

  it.effect("tells throughput and time from the clock", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(Stream.run(
        Batch.stream(Extraction.make({ schema: Echo }), Array.from({ length: 40 }, String), { concurrency: 4 }),
        BatchSummary.sink
      ))
      while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("10 millis")
      const { elapsed, itemsPerSecond, latency } = yield* Fiber.join(fiber)
      // Beginning takes a step of the test's clock or two.
      assert.closeTo(Duration.toMillis(elapsed), 5050, 50)
      assert.strictEqual(itemsPerSecond, 40 / Duration.toSeconds(elapsed))
      assert.strictEqual(Duration.toMillis(latency.max), 500)
    }).pipe(Effect.provide(MockLlm.layer(() => Reply.delayed({ echo: "x" }, "500 millis")))))
})
