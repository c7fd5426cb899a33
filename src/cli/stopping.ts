/** Whether the user has asked the command to stop, which it does once the items in flight have finished. */
import * as Context from "effect/Context"
import * as Latch from "effect/Latch"

/** Opens at the first signal. */
export const Stopping: Context.Reference<Latch.Latch> = Context.Reference("effect-instructor/cli/Stopping", {
  defaultValue: () => Latch.makeUnsafe(false)
})
