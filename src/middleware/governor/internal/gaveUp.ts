/** Errors of a governor that stopped waiting for the provider. They are unrecoverable: all requests would wait as long. */
import * as AiError from "effect/ai/AiError"
import type * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import { LlmError } from "../../../llm/LlmError.ts"
import type { Settings } from "./settings.ts"

/** The server asks for a longer delay than the governor may wait. */
export const serverDelay = (error: LlmError, millis: number, settings: Settings, clock: Clock.Clock): LlmError =>
  withGaveUp(error, `the server asks to wait ${longWait(millis, settings, clock)}`)

/** A quota is used up, and reset later than the governor may wait. */
export const quota = (settings: Settings, millis: number, clock: Clock.Clock): LlmError =>
  new LlmError({
    provider: settings.provider,
    reason: new AiError.RateLimitError({ retryAfter: Duration.millis(Math.ceil(millis)) }),
    gaveUp: `the quota is used up and resets in ${longWait(millis, settings, clock)}`
  })

/** The provider has answered nothing for as long as the governor may wait. */
export const noAnswer = (error: LlmError, { giveUpAfterMillis }: Settings): LlmError =>
  withGaveUp(error, `the provider has answered no request for ${format(giveUpAfterMillis)}, which is giveUpAfter`)

const longWait = (millis: number, { maxServerDelayMillis }: Settings, clock: Clock.Clock): string => {
  const until = DateTime.formatIso(DateTime.makeUnsafe(clock.currentTimeMillisUnsafe() + Math.ceil(millis)))
  return `${format(millis)}, until ${until}, longer than maxServerDelay (${format(maxServerDelayMillis)})`
}

const format = (millis: number): string => Duration.format(Duration.millis(Math.ceil(millis)))

const withGaveUp = (error: LlmError, gaveUp: string): LlmError => {
  const { code, limit, provider, rateLimits, reason, requestId, serverDelay, status, usage } = error
  return new LlmError({
    provider,
    reason,
    gaveUp,
    ...(status !== undefined && { status }),
    ...(code !== undefined && { code }),
    ...(requestId !== undefined && { requestId }),
    ...(serverDelay !== undefined && { serverDelay }),
    ...(limit !== undefined && { limit }),
    ...(rateLimits !== undefined && { rateLimits }),
    ...(usage !== undefined && { usage })
  })
}
