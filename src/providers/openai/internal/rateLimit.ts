/** The `x-ratelimit-*` and `retry-after*` headers. */
import * as Duration from "effect/Duration"
import type { RateLimit, RateLimitWindow } from "../../../llm/Completion.ts"

/** The part of the Fetch API's `Headers` that is read here. */
export interface ResponseHeaders {
  readonly get: (name: string) => string | null
}

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** A duration as Go prints it: `12ms`, `1.5s`, `6m0s`, `1h2m3s`. */
export const parseGoDuration = (text: string): Duration.Duration | undefined => {
  // Hot: two of them stand in the headers of every answer.
  const part = /(\d+(?:\.\d+)?)(ms|[smhd])/y
  let millis = 0
  let end = 0
  for (let match = part.exec(text); match !== null; match = part.exec(text)) {
    millis += Number(match[1]) * units[match[2]!]!
    end = part.lastIndex
  }
  return end > 0 && end === text.length ? Duration.millis(millis) : undefined
}

export const parseRateLimit = (headers: ResponseHeaders): RateLimit | undefined => {
  const requests = parseWindow(headers, "requests")
  const tokens = parseWindow(headers, "tokens")
  return requests === undefined && tokens === undefined
    ? undefined
    : { ...(requests !== undefined && { requests }), ...(tokens !== undefined && { tokens }) }
}

const parseWindow = (headers: ResponseHeaders, kind: "requests" | "tokens"): RateLimitWindow | undefined => {
  const limit = number(headers.get(`x-ratelimit-limit-${kind}`))
  const remaining = number(headers.get(`x-ratelimit-remaining-${kind}`))
  // Some gateways send -1 or 0 for "no limit".
  if (limit === undefined || remaining === undefined || limit <= 0 || remaining < 0) return undefined
  const reset = headers.get(`x-ratelimit-reset-${kind}`) ?? ""
  const resetAfter = parseGoDuration(reset) ?? seconds(number(reset)) ?? Duration.zero
  return { limit, remaining, resetAfter }
}

const number = (text: string | null): number | undefined => {
  if (text === null || text.trim() === "") return undefined
  const value = Number(text)
  return Number.isFinite(value) ? value : undefined
}

const seconds = (value: number | undefined): Duration.Duration | undefined =>
  value === undefined || value < 0 ? undefined : Duration.seconds(value)

/** How long the server asks to wait: `retry-after-ms`, or `retry-after` as seconds or as an HTTP date. */
export const parseRetryAfter = (headers: ResponseHeaders, nowMillis: number): Duration.Duration | undefined => {
  const millis = number(headers.get("retry-after-ms"))
  if (millis !== undefined && millis >= 0) return Duration.millis(millis)
  const text = headers.get("retry-after")
  const wait = seconds(number(text))
  if (wait !== undefined || text === null) return wait
  const at = Date.parse(text)
  return Number.isNaN(at) ? undefined : Duration.millis(Math.max(0, at - nowMillis))
}
