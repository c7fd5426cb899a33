import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Pull, Random, Result, Schedule } from "effect"
import { LlmError } from "effect-instructor"
import * as Settings from "../../../src/middleware/governor/internal/settings.ts"

const error = new LlmError.LlmError({
  provider: "test",
  reason: new LlmError.OverloadedError({ description: "" })
})

/** The delays in milliseconds of a whole schedule. */
const delays = (schedule: Schedule.Schedule<unknown, LlmError.LlmError>, seed: number) =>
  Effect.gen(function*() {
    const step = yield* Schedule.toStep(schedule)
    const millis: Array<number> = []
    const next: Effect.Effect<void> = Pull.matchEffect(step(0, error), {
      onSuccess: ([, delay]) => {
        millis.push(Duration.toMillis(delay))
        return millis.length < 50 ? next : Effect.void
      },
      onDone: () => Effect.void,
      onFailure: Effect.failCause
    })
    yield* next
    return millis
  }).pipe(Random.withSeed(seed))

const defaults = Settings.make({}, { provider: "test", countText: () => 0 })

describe("settings", () => {
  it.effect("retry five times by default, with delays that double from half a second, and a jitter", () =>
    Effect.gen(function*() {
      const { retry } = yield* Effect.fromResult(defaults)
      const first = yield* delays(retry, 1)
      assert.strictEqual(first.length, 5)
      first.forEach((millis, i) => assert.isTrue(millis >= 400 * 2 ** i && millis <= 600 * 2 ** i, String(first)))
      assert.notDeepEqual(yield* delays(retry, 2), first)
    }))

  it("have the documented defaults", () => {
    const { maxServerDelayMillis, giveUpAfterMillis, failureThreshold, concurrency, adaptiveMaxTokens } = Result
      .getOrThrow(defaults)
    assert.deepStrictEqual(
      [maxServerDelayMillis, giveUpAfterMillis, failureThreshold, concurrency, adaptiveMaxTokens],
      [300_000, 3_600_000, 10, "adaptive", false]
    )
  })

  it("name the first option that is wrong", () => {
    const checked = Settings.make({ concurrency: 0, requestsPerMinute: -1 }, { provider: "test", countText: () => 0 })
    assert.deepStrictEqual(
      checked,
      Result.fail("LlmGovernor: requestsPerMinute must be a number above 0, but is -1")
    )
  })
})
