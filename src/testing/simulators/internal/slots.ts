/** Limits the requests that are answered and that wait at one time, and refuses all others, as Ollama does. */
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import * as Fault from "../../Fault.ts"

export interface Slots {
  /** Runs an effect in a slot, or returns a 503 if the queue for one is full. */
  readonly hold: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A | Fault.Respond, E, R>
}

const busy = Fault.error(503, {
  message: "server busy, please try again. maximum pending requests exceeded",
  type: "api_error"
})

export const make = (options: { readonly count: number; readonly queue: number }): Slots => {
  const slots = Semaphore.makeUnsafe(options.count)
  let present = 0
  return {
    hold: <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      Effect.suspend((): Effect.Effect<A | Fault.Respond, E, R> => {
        if (present >= options.count + options.queue) return Effect.succeed(busy)
        present++
        return Effect.ensuring(slots.withPermit(effect), Effect.sync(() => present--))
      })
  }
}
