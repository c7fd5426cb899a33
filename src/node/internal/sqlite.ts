/** What the users of `node:sqlite` share. */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type * as Sqlite from "node:sqlite"

/** Loaded when it is needed, because some versions of Node print a warning when they load it. */
export const load: Effect.Effect<typeof Sqlite, Cause.UnknownError> = Effect.tryPromise(() => import("node:sqlite"))

/** Whether another connection holds the lock of the file. */
export const isLocked = (cause: unknown): boolean =>
  Predicate.hasProperty(cause, "errcode") && Predicate.isNumber(cause.errcode) && lockedCodes.has(cause.errcode & 0xff)

/** `SQLITE_BUSY` and `SQLITE_LOCKED`; the higher bits say more about the circumstances. */
const lockedCodes = new Set([5, 6])
