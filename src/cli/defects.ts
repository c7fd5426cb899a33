/** What the command does when it has a bug: it says so on standard error, and its exit code is no other one's. */
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { printable } from "../internal/printable.ts"
import { type CommandFailure, exitCode, silently } from "./commandFailure.ts"

export const defectMessage = (trace: string): string =>
  printable(
    `effect-instructor has stopped because of a bug in it. Finished items are in the journal: the same command resumes.\n` +
      `Please report this:\n${trace}`
  )

/** Turns a defect into a failure that is reported already. */
export const reported = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | CommandFailure, R> =>
  Effect.catchCause(effect, (cause): Effect.Effect<never, E | CommandFailure> =>
    Cause.hasDies(cause)
      ? Effect.andThen(Console.error(defectMessage(Cause.pretty(cause))), Effect.fail(silently(exitCode.defect)))
      : Effect.failCause(cause))
