import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Stream } from "effect"
import { Batch, BatchProgress, LlmError } from "effect-instructor"
import { MockLlm } from "effect-instructor/testing"
import { TestClock } from "effect/testing"
import { CurrentRequestObserver } from "../../../src/llm/RequestObserver.ts"
import { Echo, run } from "../../support/echo.ts"

const overloaded = new LlmError.LlmError({
  provider: "mock",
  reason: new LlmError.OverloadedError({ description: "busy" })
})

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

describe("feed", () => {
  it.effect("reports retries and waits of any middleware, to an outer observer as well", () =>
    Effect.gen(function*() {
      const outer: Array<string> = []
      const { events, snapshot } = yield* eventsOf((progress) =>
        Stream.runDrain(Batch.stream(Echo, ["one"], { progress })).pipe(
          Effect.provideService(CurrentRequestObserver, {
            onRetry: ({ reason }) => outer.push(reason._tag),
            onWait: (reason) => outer.push(reason),
            onSend: () => outer.push("sent")
          })
        )
      )
      assert.deepStrictEqual(events.map(({ _tag }) => _tag), ["Started", "Paused", "Retried", "Paused", "Succeeded"])
      const [, waiting, retried, paused] = events
      assert.isTrue(waiting?._tag === "Paused" && waiting.reason === "quiet hours" && waiting.wait === undefined)
      assert.isTrue(retried?._tag === "Retried" && Duration.toMillis(retried.delay) === 5000)
      assert.isTrue(paused?._tag === "Paused" && paused.reason === "OverloadedError")
      assert.deepStrictEqual([snapshot.retries, snapshot.waiting], [1, undefined])
      assert.deepStrictEqual(outer, ["quiet hours", "sent", "OverloadedError"])
    }).pipe(Effect.provide(MockLlm.layer(() =>
      Effect.gen(function*() {
        const observer = yield* CurrentRequestObserver
        observer.onWait("quiet hours", undefined)
        yield* Effect.sleep("1 second")
        observer.onSend()
        observer.onRetry(overloaded, Duration.seconds(5))
        yield* Effect.sleep("5 seconds")
        return { echo: "x" }
      })
    ))))

  it.effect("ignores a request that is sent after its item has ended", () =>
    Effect.gen(function*() {
      const progress = yield* BatchProgress.make
      let late: (() => void) | undefined
      yield* Stream.runDrain(Batch.stream(Echo, ["one"], { progress })).pipe(
        Effect.provide(MockLlm.layer(() =>
          Effect.map(CurrentRequestObserver, (observer) => {
            late = observer.onSend
            return { echo: "x" }
          })
        ))
      )
      late!()
      assert.strictEqual((yield* progress.snapshot).inFlight, 0)
    }))
})
