/**
 * Timeouts of a stream: an idle timeout for each wait, and a timeout for all of them. `Effect.timeout` would start a timer
 * for every piece, which costs more than reading it. Here one fiber checks from time to time whether a wait is too long.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"

export interface IdleTimeout<in out E0> {
  /** Runs an effect until it ends or a timeout passes. */
  readonly over: <A, E, R>(run: Effect.Effect<A, E, R>) => Effect.Effect<A, E | E0, R>
  /** Starts the idle timeout. */
  readonly start: () => void
  /** Stops the idle timeout. Only `timeout` applies until the next `start`. */
  readonly stop: () => void
}

export const make = <E0>(options: {
  /** The idle timeout in milliseconds. */
  readonly idle: number
  readonly onIdle: () => E0
  /** The timeout for all waits together, in milliseconds. */
  readonly timeout: number
  readonly onTimeout: () => E0
}): Effect.Effect<IdleTimeout<E0>, never, Scope.Scope> => {
  const { idle, onIdle, onTimeout, timeout } = options
  if (idle === Infinity && timeout === Infinity) {
    return Effect.succeed({ over: (run) => run, start: () => {}, stop: () => {} })
  }
  return Effect.gen(function*() {
    const clock = yield* Clock.Clock
    const now = (): number => clock.currentTimeMillisUnsafe()
    const deadline = now() + timeout
    let until = deadline
    let giveUp: ((error: E0) => void) | undefined

    const check = Effect.suspend(() => {
      const at = now()
      if (giveUp !== undefined && at >= until) giveUp(at >= deadline ? onTimeout() : onIdle())
      const next = Math.min(giveUp === undefined ? Infinity : until, at + idle, deadline > at ? deadline : Infinity)
      return Effect.sleep(Math.max(1, Math.min(next - at, 2 ** 31 - 1)))
    })
    yield* Effect.forkScoped(Effect.forever(check))

    const over = <A, E, R>(run: Effect.Effect<A, E, R>): Effect.Effect<A, E | E0, R> =>
      Effect.contextWith((context) =>
        Effect.callback<A, E | E0, R>((resume) => {
          if (now() >= deadline) return resume(Effect.fail(onTimeout()))
          const fiber = Effect.runForkWith(context)(run)
          const done = fiber.pollUnsafe()
          if (done !== undefined) return resume(done)
          giveUp = (error) => {
            giveUp = undefined
            resume(Effect.andThen(Fiber.interrupt(fiber), Effect.fail(error)))
          }
          fiber.addObserver((exit) => {
            if (giveUp === undefined) return
            giveUp = undefined
            resume(exit)
          })
          return Effect.suspend(() => {
            giveUp = undefined
            return Fiber.interrupt(fiber)
          })
        })
      )
    return {
      over,
      start: () => {
        until = Math.min(now() + idle, deadline)
      },
      stop: () => {
        until = deadline
      }
    }
  })
}
