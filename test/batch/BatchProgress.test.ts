import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, Stream } from "effect"
import { Batch, BatchProgress, Journal, type Llm, LlmGovernor } from "effect-instructor"
import { MockLlm, Reply } from "effect-instructor/testing"
import { AiError } from "effect/ai"
import { TestClock } from "effect/testing"
import { Echo, echo, run, texts } from "../support/echo.ts"

const governed = <E>(mock: Layer.Layer<Llm.Llm | MockLlm.MockLlm, E>) => Layer.provideMerge(LlmGovernor.layer(), mock)

/** The events that an effect reports to the progress it gets, and the last snapshot. */
const eventsOf = <E, R>(f: (progress: BatchProgress.BatchProgress) => Effect.Effect<unknown, E, R>) =>
  Effect.gen(function*() {
    const progress = yield* BatchProgress.make
    const events: Array<BatchProgress.BatchEvent> = []
    const listener = yield* Effect.forkChild(
      Stream.runForEach(progress.events, (event) => Effect.sync(() => events.push(event)))
    )
    yield* Effect.yieldNow
    yield* run(f(progress), 10)
    yield* TestClock.adjust("1 millis")
    yield* Fiber.interrupt(listener)
    return { events, snapshot: yield* progress.snapshot }
  })

describe("BatchProgress", () => {
  it.effect("reports the start and the end of each item", () =>
    Effect.gen(function*() {
      const { events, snapshot } = yield* eventsOf((progress) =>
        Stream.runDrain(
          Batch.stream(echo, ["one", "bad"], {
            concurrency: 1,
            id: (text) => text.toUpperCase(),
            progress
          })
        )
      )
      assert.deepStrictEqual(
        events.map((event) => [event._tag, "id" in event ? event.id : undefined]),
        [["Started", "ONE"], ["Succeeded", "ONE"], ["Started", "BAD"], ["Failed", "BAD"]]
      )
      const failed = events[3]!
      assert.isTrue(failed._tag === "Failed" && failed.reason === "InvalidOutput" && failed.attempts === 2)
      const { attempts, failures, inFlight, retries, succeeded, waiting } = snapshot
      assert.deepStrictEqual({ attempts, failures, inFlight, retries, succeeded, waiting }, {
        attempts: 3,
        failures: { InvalidOutput: 1 },
        inFlight: 0,
        retries: 0,
        succeeded: 1,
        waiting: undefined
      })
    }).pipe(Effect.provide(MockLlm.layer((request) => request.messages[1]!.content === "bad" ? "no" : { echo: "x" }))))

  it.effect("reports retries, and that all items in flight wait", () =>
    Effect.gen(function*() {
      const { events, snapshot } = yield* eventsOf((progress) =>
        Stream.runDrain(Batch.stream(Echo, ["one", "two"], { progress }))
      )
      const retried = events.filter(({ _tag }) => _tag === "Retried")
      assert.strictEqual(retried.length, 2)
      assert.isTrue(retried.every((event) => event._tag === "Retried" && event.reason === "RateLimitError"))
      const paused = events.find((event) => event._tag === "Paused")!
      assert.isTrue(events.indexOf(paused) > events.indexOf(retried[0]!))
      assert.isAtLeast(Duration.toMillis(paused.wait ?? Duration.zero), 5000)
      assert.strictEqual(snapshot.retries, 2)
      assert.strictEqual(snapshot.succeeded, 2)
    }).pipe(Effect.provide(governed(MockLlm.layer((_, call) =>
      call < 2
        ? Effect.fail(new AiError.RateLimitError({ retryAfter: Duration.seconds(5) }))
        : { echo: "x" }
    )))))

  it.effect("has a snapshot of the items in flight and the reason they wait", () =>
    Effect.gen(function*() {
      const progress = yield* BatchProgress.make
      const batch = yield* Effect.forkChild(Stream.runDrain(Batch.stream(Echo, ["one", "two", "three"], { progress })))
      for (let second = 0; second < 20; second++) yield* TestClock.adjust("100 millis")
      const { inFlight, succeeded, waiting } = yield* progress.snapshot
      assert.strictEqual(succeeded, 0)
      // One was refused, and the governor delays the other two for as long.
      assert.strictEqual(inFlight, 3)
      assert.strictEqual(waiting?.count, 3)
      assert.strictEqual(waiting?.reason, "rate_limited")
      assert.isAbove(Duration.toMillis(waiting?.wait ?? Duration.zero), 8000)
      assert.isAtMost(Duration.toMillis(waiting?.wait ?? Duration.zero), 9000)
      yield* Fiber.interrupt(batch)
      assert.strictEqual((yield* progress.snapshot).inFlight, 0)
    }).pipe(Effect.provide(governed(MockLlm.layer((_, call) =>
      call === 0
        ? Effect.fail(new AiError.RateLimitError({ retryAfter: Duration.seconds(10) }))
        : Reply.delayed({ echo: "x" }, call === 1 ? "1 second" : "1 hour")
    )))))

  it.effect("must be made by BatchProgress.make, because another one would stay empty", () =>
    Effect.gen(function*() {
      const { events, snapshot } = yield* BatchProgress.make
      const other = { events, snapshot } as never
      const exit = yield* Effect.exit(Stream.runDrain(Batch.stream(echo, ["text 1"], { progress: other })))
      assert.include(String(exit), "progress must be made by BatchProgress.make")
    }).pipe(Effect.provide(MockLlm.layer([]))))

  it.effect("never waits for a slow listener", () =>
    Effect.gen(function*() {
      const progress = yield* BatchProgress.make
      const listener = yield* Effect.forkChild(Stream.runForEach(progress.events, () => Effect.never))
      yield* Effect.yieldNow
      assert.strictEqual(yield* Stream.runCount(Batch.stream(Echo, texts(10_000), { progress })), 10_000)
      yield* Fiber.interrupt(listener)
    }).pipe(Effect.provide(MockLlm.layer(() => ({ echo: "x" })))))

  it.effect("reports restored items, and counts them apart", () =>
    Effect.gen(function*() {
      yield* run(Stream.runDrain(Batch.resumable(echo, texts(2))))
      const { events, snapshot } = yield* eventsOf((progress) =>
        Stream.runDrain(Batch.resumable(echo, texts(3), { concurrency: 1, id: (text) => text, progress })).pipe(
          Effect.andThen(Stream.runDrain(Batch.resumable(echo, texts(2), { progress })))
        )
      )
      assert.deepStrictEqual(
        events.map((event) => event._tag).filter((tag) => tag !== "Started"),
        ["Succeeded", "Succeeded", "Succeeded", "Restored", "Restored"]
      )
      assert.deepStrictEqual([snapshot.succeeded, snapshot.restored], [3, 2])
    }).pipe(Effect.provide([MockLlm.layer(() => ({ echo: "x" })), Journal.layerMemory])))

  it.effect("counts the usage of an item that stays pending, without the item", () =>
    Effect.gen(function*() {
      const { events, snapshot } = yield* eventsOf((progress) =>
        Effect.flip(Stream.runDrain(Batch.stream(echo, ["one"], { progress })))
      )
      assert.deepStrictEqual(events.map(({ _tag }) => _tag), ["Started"])
      const { attempts, failed, inFlight, succeeded, usage } = snapshot
      assert.deepStrictEqual({ attempts, failed, inFlight, succeeded }, {
        attempts: 1,
        failed: 0,
        inFlight: 0,
        succeeded: 0
      })
      assert.isAbove(usage.inputTokens, 0)
    }).pipe(
      Effect.provide(MockLlm.layer((_, call) => call === 0 ? "no" : Effect.fail(new AiError.QuotaExhaustedError({}))))
    ))
})
