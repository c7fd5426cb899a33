import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, Schema, Stream } from "effect"
import { Batch, BatchProgress, Extraction, type Llm, LlmGovernor } from "effect-instructor"
import { MockLlm, Reply } from "effect-instructor/testing"
import { AiError } from "effect/ai"
import { TestClock } from "effect/testing"

const Echo = Schema.Struct({ echo: Schema.String })

const governed = <E>(mock: Layer.Layer<Llm.Llm | MockLlm.MockLlm, E>) =>
  Layer.provideMerge(LlmGovernor.layer({ baseDelay: "1 second" }), mock)

/** Lets time pass until the effect is done. */
const run = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(effect)
    while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("10 millis")
    return yield* Fiber.join(fiber)
  })

/** The events of an effect, which gets the progress to give to its batches. */
const eventsOf = <E, R>(f: (progress: BatchProgress.BatchProgress) => Effect.Effect<unknown, E, R>) =>
  Effect.gen(function*() {
    const progress = yield* BatchProgress.make
    const events: Array<BatchProgress.BatchEvent> = []
    const listener = yield* Effect.forkChild(
      Stream.runForEach(progress.events, (event) => Effect.sync(() => events.push(event)))
    )
    yield* Effect.yieldNow
    yield* run(f(progress))
    yield* TestClock.adjust("1 millis")
    yield* Fiber.interrupt(listener)
    return { events, snapshot: yield* progress.snapshot }
  })

describe("BatchProgress", () => {
  it.effect("tells of each item that it began and how it ended", () =>
    Effect.gen(function*() {
      const { events, snapshot } = yield* eventsOf((progress) =>
        Stream.runDrain(
          Batch.stream(Extraction.make({ schema: Echo, maxAttempts: 2 }), ["one", "bad"], {
            concurrency: 1,
            id: (text) => text.toUpperCase(),
            progress
          })
        )
      )
      assert.deepStrictEqual(
        events.map((event) => [event._tag, "id" in event ? event.id : undefined]),
        [["Started", "ONE"], ["Done", "ONE"], ["Started", "BAD"], ["Failed", "BAD"]]
      )
      const failed = events[3]!
      assert.isTrue(failed._tag === "Failed" && failed.reason === "InvalidOutput" && failed.attempts === 2)
      const { attempts, failures, inFlight, ok, retries, waiting } = snapshot
      assert.deepStrictEqual({ attempts, failures, inFlight, ok, retries, waiting }, {
        attempts: 3,
        failures: { InvalidOutput: 1 },
        inFlight: 0,
        ok: 1,
        retries: 0,
        waiting: undefined
      })
    }).pipe(Effect.provide(MockLlm.layer((request) => request.messages[1]!.content === "bad" ? "no" : { echo: "x" }))))

  it.effect("tells of retries, and that everything waits", () =>
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
      assert.strictEqual(snapshot.ok, 2)
    }).pipe(Effect.provide(governed(MockLlm.layer((_, call) =>
      call < 2
        ? Effect.fail(new AiError.RateLimitError({ retryAfter: Duration.seconds(5) }))
        : { echo: "x" }
    )))))

  it.effect("tells while it runs what is in flight, and what it waits for", () =>
    Effect.gen(function*() {
      const progress = yield* BatchProgress.make
      const batch = yield* Effect.forkChild(Stream.runDrain(Batch.stream(Echo, ["one", "two", "three"], { progress })))
      for (let second = 0; second < 20; second++) yield* TestClock.adjust("100 millis")
      const { inFlight, ok, waiting } = yield* progress.snapshot
      assert.strictEqual(ok, 0)
      // One was refused; the governor holds the other two back for as long.
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

  it.effect("a listener that sleeps holds up nothing", () =>
    Effect.gen(function*() {
      const progress = yield* BatchProgress.make
      const listener = yield* Effect.forkChild(Stream.runForEach(progress.events, () => Effect.never))
      yield* Effect.yieldNow
      const inputs = Array.from({ length: 10_000 }, (_, i) => `text ${i}`)
      assert.strictEqual(yield* Stream.runCount(Batch.stream(Echo, inputs, { progress })), 10_000)
      yield* Fiber.interrupt(listener)
    }).pipe(Effect.provide(MockLlm.layer(() => ({ echo: "x" })))))
})
