/** One run at a time within a process. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { JournalError, Locked } from "../JournalError.ts"

export const make = (path: string): Effect.Effect<void, JournalError, Scope.Scope> => {
  let taken = false
  return Effect.acquireRelease(
    Effect.suspend(() => {
      if (taken) {
        return Effect.fail(new JournalError({ reason: new Locked({ path, holder: "another run of this process" }) }))
      }
      taken = true
      return Effect.void
    }),
    () => Effect.sync(() => taken = false)
  )
}
