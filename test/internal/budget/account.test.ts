import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as Account from "../../../src/middleware/budget/internal/account.ts"

const tokens = (tokens: number): Account.Sum => ({ nanoDollars: 0, tokens })

/** Holds the fiber between the decision of the account and its own next step. */
const held: Account.Restore = (effect) => Effect.interruptible(Effect.tap(effect, () => Effect.never))

const interruptedAfter = (budget: number, next: number) =>
  Effect.gen(function*() {
    const account = Account.make(tokens(budget))
    assert.isTrue(yield* account.reserve(tokens(60), (effect) => effect))
    const waiting = yield* Effect.forkChild(Effect.uninterruptible(account.reserve(tokens(next), held)))
    yield* TestClock.adjust(1)
    account.settle(tokens(60), tokens(10))
    const reserved = account.reserved()
    yield* Fiber.interrupt(waiting)
    assert.deepStrictEqual(account.reserved(), Account.zero)
    assert.deepStrictEqual(account.spent(), tokens(10))
    return reserved.tokens
  })

describe("account", () => {
  it.effect("returns the reservation of a fiber that is interrupted before it has seen that it was admitted", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* interruptedAfter(100, 80), 80)
    }))

  it.effect("changes nothing for a fiber that is interrupted before it has seen that it was refused", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* interruptedAfter(100, 95), 0)
    }))

  it.effect("lets the next one pass when the first in the queue is interrupted", () =>
    Effect.gen(function*() {
      const account = Account.make(tokens(100))
      const reserve = (sum: number) =>
        Effect.uninterruptible(account.reserve(tokens(sum), (effect) => Effect.interruptible(effect)))
      assert.isTrue(yield* reserve(60))
      const large = yield* Effect.forkChild(reserve(90))
      yield* TestClock.adjust(1)
      const small = yield* Effect.forkChild(reserve(40))
      yield* TestClock.adjust(1)
      assert.isUndefined(small.pollUnsafe())
      yield* Fiber.interrupt(large)
      assert.isTrue(yield* Fiber.join(small))
      assert.deepStrictEqual(account.reserved(), tokens(100))
    }))
})
