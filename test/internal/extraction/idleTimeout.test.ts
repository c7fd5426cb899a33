import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as IdleTimeout from "../../../src/extraction/internal/idleTimeout.ts"

const make = (options: { readonly idle?: number; readonly timeout?: number }) =>
  IdleTimeout.make<"idle" | "timeout">({
    idle: options.idle ?? Infinity,
    onIdle: () => "idle",
    timeout: options.timeout ?? Infinity,
    onTimeout: () => "timeout"
  })

/** Runs an effect in the background under a timeout, and returns its fiber. */
const under = <A, E>(timeout: IdleTimeout.IdleTimeout<E>, run: Effect.Effect<A>) =>
  Effect.forkChild(Effect.result(timeout.over(run)), { startImmediately: true })

const isRunning = (fiber: Fiber.Fiber<unknown>) => fiber.pollUnsafe() === undefined

describe("idleTimeout", () => {
  it.effect("ends a wait that takes longer than `idle`, and interrupts it", () =>
    Effect.gen(function*() {
      const timeout = yield* make({ idle: 1000 })
      let interrupted = false
      timeout.start()
      const fiber = yield* under(timeout, Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted = true)))
      yield* TestClock.adjust(999)
      assert.isTrue(isRunning(fiber))
      yield* TestClock.adjust(1)
      const result = yield* Fiber.join(fiber)
      assert.isTrue(result._tag === "Failure" && result.failure === "idle")
      assert.isTrue(interrupted)
    }))

  it.effect("counts nothing between `stop` and the next `start`", () =>
    Effect.gen(function*() {
      const timeout = yield* make({ idle: 1000 })
      timeout.start()
      const fiber = yield* under(timeout, Effect.never)
      yield* TestClock.adjust(900)
      timeout.stop()
      yield* TestClock.adjust("1 hour")
      assert.isTrue(isRunning(fiber))
      timeout.start()
      yield* TestClock.adjust(900)
      assert.isTrue(isRunning(fiber))
      yield* TestClock.adjust(1100)
      assert.isFalse(isRunning(fiber))
    }))

  it.effect("counts each wait from its own start", () =>
    Effect.gen(function*() {
      const timeout = yield* make({ idle: 1000 })
      const fiber = yield* under(timeout, Effect.never)
      for (let i = 0; i < 10; i++) {
        timeout.start()
        yield* TestClock.adjust(900)
        timeout.stop()
      }
      assert.isTrue(isRunning(fiber))
    }))

  it.effect("ends everything after `timeout`, waiting or not", () =>
    Effect.gen(function*() {
      const timeout = yield* make({ idle: 1000, timeout: 2500 })
      timeout.stop()
      const fiber = yield* under(timeout, Effect.never)
      yield* TestClock.adjust(2499)
      assert.isTrue(isRunning(fiber))
      yield* TestClock.adjust(1)
      const result = yield* Fiber.join(fiber)
      assert.isTrue(result._tag === "Failure" && result.failure === "timeout")
      // A run that begins later fails at once.
      assert.deepStrictEqual(yield* Effect.flip(timeout.over(Effect.never)), "timeout")
    }))

  it.effect("does not count the time between runs as a wait", () =>
    Effect.gen(function*() {
      const timeout = yield* make({ idle: 1000 })
      timeout.start()
      assert.strictEqual(yield* timeout.over(Effect.succeed(1)), 1)
      // A slow consumer takes its time before it asks for more.
      yield* TestClock.adjust("1 hour")
      timeout.start()
      const fiber = yield* under(timeout, Effect.as(Effect.sleep(900), 2))
      yield* TestClock.adjust(900)
      const result = yield* Fiber.join(fiber)
      assert.isTrue(result._tag === "Success" && result.success === 2)
    }))

  it.effect("passes on results, failures and interruption", () =>
    Effect.gen(function*() {
      const timeout = yield* make({ idle: 1000, timeout: 10_000 })
      assert.strictEqual(yield* timeout.over(Effect.succeed("now")), "now")
      assert.strictEqual(yield* timeout.over(Effect.as(Effect.yieldNow, "later")), "later")
      assert.strictEqual(yield* Effect.flip(timeout.over(Effect.fail("broken"))), "broken")
      const interrupted = yield* Deferred.make<void>()
      const fiber = yield* Effect.forkChild(
        timeout.over(Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined))),
        { startImmediately: true }
      )
      yield* Fiber.interrupt(fiber)
      yield* Deferred.await(interrupted)
    }))

  it.effect("needs no fiber and no clock without timeouts", () =>
    Effect.gen(function*() {
      const timeout = yield* make({})
      const never = Effect.never
      assert.strictEqual(timeout.over(never), never)
    }))
})
