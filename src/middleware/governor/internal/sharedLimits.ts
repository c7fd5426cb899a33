/**
 * Limits that several processes keep together, in a store they share. Each process takes what it needs for the next
 * moment in advance, so that one request to the store covers many to the provider. While the store does not answer, each
 * process keeps to the limits on its own.
 *
 * `effect/persistence/RateLimiter` consumes one limit for one request and sleeps. Here the check is synchronous, covers
 * several limits at once, and takes in advance; only its store is used.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type * as RateLimiter from "effect/persistence/RateLimiter"

interface Account {
  granted: number
  isAsking: boolean
}

export interface SharedLimits {
  readonly store: RateLimiter.RateLimiterStore["Service"]
  readonly key: string
  /** Monotonic, in milliseconds. */
  readonly now: () => number
  readonly fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
  readonly accounts: Map<string, Account>
  /** When a store that did not answer is asked again. */
  downUntil: number | undefined
  /** Called when something was granted, or the store turned out to be down. */
  onGranted: () => void
}

/** What is taken in advance, and what the store's bucket holds, in time. */
const advanceMillis = 50
const depthMillis = 500
const answerWithin = "1 second"
const retryMillis = 5_000

export const make = (
  options: Pick<SharedLimits, "store" | "key" | "now" | "fork">
): SharedLimits => ({ ...options, accounts: new Map(), downUntil: undefined, onGranted: () => {} })

const accountOf = ({ accounts }: SharedLimits, name: string): Account => {
  let account = accounts.get(name)
  if (account === undefined) {
    account = { granted: 0, isAsking: false }
    accounts.set(name, account)
  }
  return account
}

/** Whether so much may be taken. If not, the store is asked for it, and `onGranted` is called when it is there. */
export const has = (self: SharedLimits, name: string, limitPerMinute: number, amount: number): boolean => {
  const account = accountOf(self, name)
  const isDown = self.downUntil !== undefined
  if (account.granted < amount && !account.isAsking && !(isDown && self.now() < self.downUntil!)) {
    account.isAsking = true
    self.fork(ask(self, name, account, limitPerMinute, amount - account.granted))
  }
  return isDown || account.granted >= amount
}

export const take = (self: SharedLimits, name: string, amount: number): void => {
  const account = accountOf(self, name)
  account.granted = Math.max(0, account.granted - amount)
}

/**
 * Makes every process wait, because the provider has refused a request of this one. The wait is a debt of the bucket: what
 * would come in during the wait is taken in advance, unless another process has done so already.
 */
export const pause = (self: SharedLimits, name: string, limitPerMinute: number, millis: number): void => {
  const options = bucketOf(self, name, limitPerMinute)
  const millisPerUnit = Duration.toMillis(options.refillRate)
  const take = (tokens: number) => self.store.tokenBucket({ ...options, tokens })
  self.fork(
    Effect.andThen(Effect.yieldNow, take(0)).pipe(
      Effect.flatMap(([remaining]) => {
        const missing = Math.ceil(millis / millisPerUnit + remaining)
        return missing > 0 ? Effect.asVoid(take(missing)) : Effect.void
      }),
      Effect.timeout(answerWithin),
      // A store that does not answer is noticed by the next request.
      Effect.ignore
    )
  )
}

const bucketOf = ({ key }: SharedLimits, name: string, limitPerMinute: number) => {
  // Effect counts in nanoseconds: no finer rate has a duration.
  const millisPerUnit = Math.max(60_000 / limitPerMinute, 1e-6)
  return {
    key: `${key}:${name}`,
    limit: Math.max(1, Math.floor(depthMillis / millisPerUnit)),
    refillRate: Duration.millis(millisPerUnit),
    // Taken from what is still to come, in the order of asking, so that no process has to ask twice.
    allowOverflow: true
  }
}

const ask = (
  self: SharedLimits,
  name: string,
  account: Account,
  limitPerMinute: number,
  amount: number
): Effect.Effect<void> => {
  const options = bucketOf(self, name, limitPerMinute)
  const millisPerUnit = Duration.toMillis(options.refillRate)
  const tokens = Math.ceil(amount + advanceMillis / millisPerUnit)
  const asked = self.store.tokenBucket({ ...options, tokens })
  // Later, because the caller of `has` is in the middle of a decision that a grant would change.
  return Effect.andThen(Effect.yieldNow, asked).pipe(
    Effect.timeout(answerWithin),
    Effect.flatMap(([remaining, elapsed]) =>
      Effect.sleep(Duration.millis(Math.max(0, -remaining * millisPerUnit - elapsed)))
    ),
    Effect.tap(() =>
      self.downUntil === undefined ? Effect.void : Effect.logInfo("The shared rate limit store answers again")
    ),
    Effect.matchCauseEffect({
      onSuccess: () =>
        Effect.sync(() => {
          self.downUntil = undefined
          account.granted += tokens
        }),
      onFailure: (cause) => {
        const warning = self.downUntil === undefined
          ? Effect.logWarning(
            "The shared rate limit store does not answer. Until it does, this process keeps to the limits on its own",
            cause
          )
          : Effect.void
        self.downUntil = self.now() + retryMillis
        return warning
      }
    }),
    Effect.andThen(Effect.sync(() => {
      account.isAsking = false
      self.onGranted()
    }))
  )
}
