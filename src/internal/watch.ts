/**
 * Watches over the waits of a stream: how long each may take, and when the last must be over. A timer for every piece
 * would cost more than the piece, so there is one fiber, which looks again when a wait may have become too long.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"

/** Runs a wait, to its end or to that of the watch's patience. What does not `idle` may last until the deadline. */
export type Watch<E0> = <A, E, R>(wait: Effect.Effect<A, E, R>, idles: boolean) => Effect.Effect<A, E | E0, R>

export const make = <E0>(options: {
  /** The longest a wait may take, in milliseconds. */
  readonly idle: number
  readonly onIdle: () => E0
  /** How long all waits may take together, in milliseconds. */
  readonly timeout: number
  readonly onTimeout: () => E0
}): Effect.Effect<Watch<E0>, never, Scope.Scope> => {
  const { idle, onIdle, onTimeout, timeout } = options
  if (idle === Infinity && timeout === Infinity) return Effect.succeed((wait) => wait)
  return Effect.gen(function*() {
    const clock = yield* Clock.Clock
    const now = (): number => clock.currentTimeMillisUnsafe()
    const deadline = now() + timeout
    let until = Infinity
    let giveUp: ((error: E0) => void) | undefined

    const look = Effect.suspend(() => {
      const at = now()
      if (giveUp !== undefined && at >= until) giveUp(at >= deadline ? onTimeout() : onIdle())
      const next = Math.min(giveUp === undefined ? at + idle : until, at + idle, deadline > at ? deadline : Infinity)
      return Effect.sleep(Math.max(1, Math.min(next - at, 2 ** 31 - 1)))
    })
    yield* Effect.forkScoped(Effect.forever(look))

    return <A, E, R>(wait: Effect.Effect<A, E, R>, idles: boolean) =>
      Effect.withFiber<A, E | E0, R>((self) =>
        Effect.callback<A, E | E0, R>((resume) => {
          const at = now()
          if (at >= deadline) return resume(Effect.fail(onTimeout()))
          const fiber = Effect.runForkWith(self.context as never)(wait as Effect.Effect<A, E>)
          const done = fiber.pollUnsafe()
          if (done !== undefined) return resume(done)
          until = idles ? Math.min(at + idle, deadline) : deadline
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
  })
}
