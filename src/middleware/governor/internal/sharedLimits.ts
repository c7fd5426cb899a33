/**
 * Limits that several processes keep together, in a store they share. Each takes what it needs for the next moment in
 * advance, with one request to the store for many of the provider's. A store that does not answer is done without until
 * it does.
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type * as RateLimiter from "effect/persistence/RateLimiter"

type Unit = "requests" | "tokens"

export interface SharedLimits {
  /** Whether so much may be taken. If not, it is asked for, and `onGranted` tells when it is there. */
  readonly has: (model: string, unit: Unit, limitPerMinute: number, amount: number) => boolean
  readonly take: (model: string, unit: Unit, amount: number) => void
  readonly onGranted: (listener: () => void) => void
}

interface Account {
  granted: number
  asking: boolean
}

/** What is taken in advance, and what the store's bucket holds, in time. */
const advanceMillis = 50
const depthMillis = 500
const answerWithin = "1 second"
const retryMillis = 5_000

export const make = (
  store: RateLimiter.RateLimiterStore["Service"],
  options: {
    readonly key: string
    readonly clock: Clock.Clock
    readonly fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
  }
): SharedLimits => {
  const { clock, fork, key } = options
  const accounts = new Map<string, Account>()
  const listeners: Array<() => void> = []
  let downUntil: number | undefined

  const accountOf = (name: string): Account => {
    let account = accounts.get(name)
    if (account === undefined) {
      account = { granted: 0, asking: false }
      accounts.set(name, account)
    }
    return account
  }

  const ask = (name: string, account: Account, limit: number, amount: number): Effect.Effect<void> => {
    const millisPerUnit = 60_000 / limit
    const tokens = Math.ceil(amount + advanceMillis / millisPerUnit)
    return store.tokenBucket({
      key: `${key}:${name}`,
      tokens,
      limit: Math.max(1, Math.floor(depthMillis / millisPerUnit)),
      refillRate: Duration.millis(millisPerUnit),
      // Taken from what is still to come, in the order of asking: nobody has to ask twice.
      allowOverflow: true
    }).pipe(
      Effect.timeout(answerWithin),
      Effect.flatMap(([remaining, elapsed]) =>
        Effect.as(Effect.sleep(Math.max(0, -remaining * millisPerUnit - elapsed)), tokens)
      ),
      Effect.tap(() =>
        downUntil === undefined ? Effect.void : Effect.logInfo("The shared store of rate limits is back")
      ),
      Effect.matchCauseEffect({
        onSuccess: (tokens) =>
          Effect.sync(() => {
            downUntil = undefined
            account.granted += tokens
          }),
        onFailure: (cause) => {
          const warning = downUntil === undefined
            ? Effect.logWarning(
              "The shared store of rate limits does not answer. Until it does, this process goes by its own count",
              cause
            )
            : Effect.void
          downUntil = clock.currentTimeMillisUnsafe() + retryMillis
          return warning
        }
      }),
      Effect.andThen(Effect.sync(() => {
        account.asking = false
        for (const listener of listeners) listener()
      }))
    )
  }

  return {
    has: (model, unit, limit, amount) => {
      const name = `${model}:${unit}`
      const account = accountOf(name)
      const isDown = downUntil !== undefined
      if (account.granted < amount && !account.asking && !(isDown && clock.currentTimeMillisUnsafe() < downUntil!)) {
        account.asking = true
        fork(ask(name, account, limit, amount - account.granted))
      }
      return isDown || account.granted >= amount
    },
    take: (model, unit, amount) => {
      const account = accountOf(`${model}:${unit}`)
      account.granted = Math.max(0, account.granted - amount)
    },
    onGranted: (listener) => {
      listeners.push(listener)
    }
  }
}
