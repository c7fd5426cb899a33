/**
 * The account of a budget that several processes share. A process takes amounts out of the store in advance, and gives
 * back what it does not need. What it holds when it dies counts as spent, so the budget is never exceeded.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as RateLimiter from "effect/persistence/RateLimiter"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { type Account, type Sum, zero } from "./account.ts"

type Store = RateLimiter.RateLimiterStore["Service"]

/** How many amounts like the one needed are taken at once. */
const advance = 8

/** A bucket that refills in about 300,000 years, which is less than a hundred-thousandth in three years. */
const refillMillis = 1e16
const refilledShare = 1e-5

const storeIsBack = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("3 seconds")]).pipe(
  Schedule.upTo({ duration: "60 seconds" })
)

const add = (a: Sum, b: Sum): Sum => ({ nanoDollars: a.nanoDollars + b.nanoDollars, tokens: a.tokens + b.tokens })
const subtract = (a: Sum, b: Sum): Sum => ({ nanoDollars: a.nanoDollars - b.nanoDollars, tokens: a.tokens - b.tokens })
const times = (a: Sum, n: number): Sum => ({ nanoDollars: a.nanoDollars * n, tokens: a.tokens * n })
const covers = (a: Sum, b: Sum): boolean => a.nanoDollars >= b.nanoDollars && a.tokens >= b.tokens

export const make = Effect.fnUntraced(function*(
  store: Store,
  key: string,
  budget: Sum
): Effect.fn.Return<Account, never, Scope.Scope> {
  const take = takeFrom(store, key, budget)
  const turn = Semaphore.makeUnsafe(1)
  const settled = Latch.makeUnsafe(false)
  /** Taken from the store and neither reserved nor spent. */
  let free = zero
  let reserved = zero
  let spent = zero
  let inFlight = 0

  const hold = (sum: Sum): boolean => {
    if (!covers(free, sum)) return false
    free = subtract(free, sum)
    reserved = add(reserved, sum)
    inFlight++
    return true
  }

  const holdMore = (sum: Sum): Effect.Effect<boolean> => {
    const lease = (amount: Sum): Effect.Effect<boolean> =>
      Effect.map(take(amount), (isGranted) => {
        if (isGranted) free = add(free, amount)
        return isGranted && hold(sum)
      })
    return Effect.flatMap(lease(times(sum, advance)), (isHeld) => isHeld ? Effect.succeed(true) : lease(sum))
  }

  const giveBack = Effect.suspend(() => {
    const rest = free
    free = zero
    return rest.nanoDollars === 0 && rest.tokens === 0 ? Effect.void : Effect.asVoid(take(times(rest, -1)))
  })
  yield* Effect.addFinalizer(() => giveBack)

  return {
    spent: () => spent,
    reserved: () => reserved,
    reserve: (sum, restore) =>
      Effect.suspend(() => {
        if (hold(sum)) return Effect.succeed(true)
        const attempt: Effect.Effect<boolean> = Effect.suspend(() => {
          if (hold(sum)) return Effect.succeed(true)
          settled.closeUnsafe()
          return Effect.flatMap(holdMore(sum), (isHeld) => {
            if (isHeld) return Effect.succeed(true)
            // A request in flight may cost less than is reserved for it.
            return inFlight > 0 ? Effect.andThen(restore(settled.await), attempt) : Effect.succeed(false)
          })
        })
        return Effect.flatMap(
          restore(turn.take(1)),
          () => Effect.ensuring(attempt, turn.release(1))
        )
      }),
    settle: (held, cost) => {
      reserved = subtract(reserved, held)
      inFlight--
      spent = add(spent, cost)
      free = add(free, subtract(held, cost))
      settled.openUnsafe()
    }
  }
})

/** Takes an amount, or gives it back if it is negative. A store that does not answer for a minute gives nothing. */
const takeFrom = (store: Store, key: string, budget: Sum) => (sum: Sum): Effect.Effect<boolean> => {
  const takeUnit = (unit: keyof Sum, amount: number): Effect.Effect<boolean> => {
    const limit = Math.floor(budget[unit] * (1 - refilledShare))
    if (amount === 0 || budget[unit] === Infinity) return Effect.succeed(true)
    if (limit < 1) return Effect.succeed(false)
    return store.tokenBucket({
      key: `${key}:budget:${unit}`,
      tokens: amount,
      limit,
      refillRate: Duration.millis(refillMillis / limit),
      allowOverflow: false
    }).pipe(
      Effect.map(([remaining]) => remaining >= 0),
      Effect.retry(storeIsBack),
      Effect.catch((error) => Effect.as(Effect.logWarning("The store of the budget does not answer", error), false))
    )
  }
  return Effect.flatMap(takeUnit("nanoDollars", sum.nanoDollars), (isGranted) => {
    if (!isGranted) return Effect.succeed(false)
    return Effect.flatMap(takeUnit("tokens", sum.tokens), (isGranted) =>
      isGranted
        ? Effect.succeed(true)
        : Effect.as(takeUnit("nanoDollars", -sum.nanoDollars), false))
  })
}
