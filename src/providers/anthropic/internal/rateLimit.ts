/** Reads the `anthropic-ratelimit-*` headers. All limits are per minute. */
import * as Duration from "effect/Duration"
import type { RateLimitWindow } from "../../../llm/Completion.ts"
import type { Headers as ResponseHeaders } from "../../../transport/Transport.ts"

const units = [
  ["requests", "requests"],
  ["tokens", "tokens"],
  ["input-tokens", "inputTokens"],
  ["output-tokens", "outputTokens"]
] as const

/** No rate limit is reset later than this. */
const maxDelay = 31 * 86_400_000

export const readWindows = (
  headers: ResponseHeaders,
  nowMillis: number
): ReadonlyArray<RateLimitWindow> | undefined => {
  const windows = units.flatMap(([name, unit]): ReadonlyArray<RateLimitWindow> => {
    const limit = number(headers[`anthropic-ratelimit-${name}-limit`])
    const remaining = number(headers[`anthropic-ratelimit-${name}-remaining`])
    if (limit === undefined || remaining === undefined || limit <= 0 || remaining < 0) return []
    const at = Date.parse(headers[`anthropic-ratelimit-${name}-reset`] ?? "")
    const resetMillis = Number.isNaN(at) ? 0 : Math.min(maxDelay, Math.max(0, at - nowMillis))
    return [{
      unit,
      period: "minute",
      limit: Math.min(limit, Number.MAX_SAFE_INTEGER),
      remaining: Math.min(limit, remaining, Number.MAX_SAFE_INTEGER),
      resetAfter: Duration.millis(resetMillis)
    }]
  })
  return windows.length === 0 ? undefined : windows
}

const number = (text: string | undefined): number | undefined => {
  const value = text === undefined || text.trim() === "" ? NaN : Number(text)
  return Number.isNaN(value) ? undefined : value
}
