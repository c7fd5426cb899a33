/** The account of a budget: what is spent, and what is reserved for requests in flight. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/** Dollars are counted in whole billionths, rounded up, so that sums of them are exact. */
export interface Sum {
  readonly nanoDollars: number
  readonly tokens: number
}

export const zero: Sum = { nanoDollars: 0, tokens: 0 }

export const toNanoDollars = (usd: number): number => Math.ceil(usd * 1e9)

const add = (a: Sum, b: Sum): Sum => ({ nanoDollars: a.nanoDollars + b.nanoDollars, tokens: a.tokens + b.tokens })

const subtract = (a: Sum, b: Sum): Sum => ({ nanoDollars: a.nanoDollars - b.nanoDollars, tokens: a.tokens - b.tokens })

export type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

export interface Account {
  readonly spent: () => Sum
  readonly reserved: () => Sum
  /**
   * Reserves a sum, and returns whether the budget covers it. Waits while requests in flight may leave enough. Call it
   * in an uninterruptible region: only what is inside `restore` can be interrupted.
   */
  readonly reserve: (sum: Sum, restore: Restore) => Effect.Effect<boolean>
  /** Replaces a reservation by what was spent. */
  readonly settle: (reserved: Sum, spent: Sum) => void
}

interface Waiting {
  readonly sum: Sum
  readonly admitted: Deferred.Deferred<boolean>
  state: "queued" | "holding" | "refused"
}

const covered = Effect.succeed(true)
const notCovered = Effect.succeed(false)

export const make = (budget: Sum): Account => {
  const queue: Array<Waiting> = []
  let spent = zero
  let reserved = zero
  let inFlight = 0

  const isCovered = (sum: Sum): boolean => {
    const total = add(add(spent, reserved), sum)
    return total.nanoDollars <= budget.nanoDollars && total.tokens <= budget.tokens
  }

  const hold = (sum: Sum): void => {
    reserved = add(reserved, sum)
    inFlight++
  }

  /** First come, first served. The first in the queue waits as long as a request in flight may leave enough for it. */
  const admit = (): void => {
    while (queue.length > 0) {
      const first = queue[0]!
      const isEnough = isCovered(first.sum)
      if (!isEnough && inFlight > 0) return
      queue.shift()
      first.state = isEnough ? "holding" : "refused"
      if (isEnough) hold(first.sum)
      Deferred.doneUnsafe(first.admitted, Exit.succeed(isEnough))
    }
  }

  const settle = (held: Sum, cost: Sum): void => {
    reserved = subtract(reserved, held)
    inFlight--
    spent = add(spent, cost)
    admit()
  }

  // The interruption may arrive after the decision and before the waiting fiber has seen it.
  const cancel = (waiting: Waiting): void => {
    if (waiting.state === "holding") return settle(waiting.sum, zero)
    if (waiting.state === "refused") return
    queue.splice(queue.indexOf(waiting), 1)
    admit()
  }

  return {
    spent: () => spent,
    reserved: () => reserved,
    settle,
    reserve: (sum, restore) =>
      Effect.suspend(() => {
        if (queue.length === 0) {
          if (isCovered(sum)) {
            hold(sum)
            return covered
          }
          if (inFlight === 0) return notCovered
        }
        const waiting: Waiting = { sum, admitted: Deferred.makeUnsafe(), state: "queued" }
        queue.push(waiting)
        return Effect.onInterrupt(
          restore(Deferred.await(waiting.admitted)),
          () => Effect.sync(() => cancel(waiting))
        )
      })
  }
}
