/** Who a run waits for: a server that gives no answers looks like a command that hangs. */
import * as Duration from "effect/Duration"
import type { BatchSnapshot } from "../../batch/BatchProgress.ts"
import { printableLine } from "../../internal/printable.ts"
import * as Format from "./format.ts"

/** The end of a message about a failure says what to do, which is too long for a line that is shown again and again. */
const maxMessage = 160

export const waitsFor = (
  { count, message, reason, wait }: NonNullable<BatchSnapshot["waiting"]>
): string => {
  const time = wait === undefined ? "" : ` ${Format.duration(wait)}`
  const last = message === undefined ? "" : `: ${printableLine(message).slice(0, maxMessage)}`
  return `${Format.count(count)} waiting${time} (${reason}${last})`
}

/** Says since when no item has finished, from the snapshots that it is given. */
export const makeSilence = (server: string): (snapshot: BatchSnapshot) => string | undefined => {
  let finished = 0
  let since = 0
  return ({ elapsed, failed, inFlight, restored, succeeded, waiting }) => {
    const now = Duration.toSeconds(elapsed)
    if (succeeded + failed + restored !== finished || inFlight === 0 || waiting !== undefined) {
      finished = succeeded + failed + restored
      since = now
      return undefined
    }
    return now - since < 3
      ? undefined
      : `no answer from ${server} for ${Format.duration(Duration.seconds(now - since))}`
  }
}
