/** A server that answers so many requests at a time, lets a few more wait, and turns the rest away, as Ollama does. */
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import * as Fault from "../../Fault.ts"

export interface Slots {
  /** Holds a slot for as long as the effect takes, or tells that there is no room to wait for one. */
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
