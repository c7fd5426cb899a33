/** Admits one holder at a time within a process, for the lifetime of its scope. Others fail instead of waiting. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

export const make = <E>(onTaken: () => E): Effect.Effect<void, E, Scope.Scope> => {
  let isTaken = false
  return Effect.acquireRelease(
    Effect.suspend(() => {
      if (isTaken) return Effect.fail(onTaken())
      isTaken = true
      return Effect.void
    }),
    () =>
      Effect.sync(() => {
        isTaken = false
      })
  )
}
