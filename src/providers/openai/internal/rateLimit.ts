/** Reads the `x-ratelimit-*` and `retry-after*` headers. */
import * as Duration from "effect/Duration"
import type { RateLimitWindow } from "../../../llm/Completion.ts"

/** The part of the Fetch API's `Headers` that is read here. */
export interface ResponseHeaders {
  readonly get: (name: string) => string | null
}

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** A duration as Go prints it: `12ms`, `1.5s`, `6m0s`, `1h2m3s`. */
export const parseGoDuration = (text: string): Duration.Duration | undefined => {
  // Hot: the headers of every answer contain two of them.
  const part = /(\d+(?:\.\d+)?)(ms|[smhd])/y
  let millis = 0
  let end = 0
  for (let match = part.exec(text); match !== null; match = part.exec(text)) {
    millis += Number(match[1]) * units[match[2]!]!
    end = part.lastIndex
  }
  return end > 0 && end === text.length ? Duration.millis(millis) : undefined
}

/** The rate limits that the headers report, or `undefined` if they report none. OpenAI's limits are per minute. */
export const readWindows = (headers: ResponseHeaders): ReadonlyArray<RateLimitWindow> | undefined => {
  const requests = readWindow(headers, "requests")
  const tokens = readWindow(headers, "tokens")
  if (requests === undefined) return tokens === undefined ? undefined : [tokens]
  return tokens === undefined ? [requests] : [requests, tokens]
}

const readWindow = (headers: ResponseHeaders, unit: "requests" | "tokens"): RateLimitWindow | undefined => {
  const limit = number(headers.get(`x-ratelimit-limit-${unit}`))
  const remaining = number(headers.get(`x-ratelimit-remaining-${unit}`))
  // Some gateways send -1 or 0 for "no limit".
  if (limit === undefined || remaining === undefined || limit <= 0 || remaining < 0) return undefined
  const reset = headers.get(`x-ratelimit-reset-${unit}`) ?? ""
  const resetAfter = parseGoDuration(reset) ?? seconds(number(reset)) ?? Duration.zero
  return { unit, period: "minute", limit, remaining, resetAfter }
}

const number = (text: string | null): number | undefined => {
  if (text === null || text.trim() === "") return undefined
  const value = Number(text)
  return Number.isFinite(value) ? value : undefined
}

const seconds = (value: number | undefined): Duration.Duration | undefined =>
  value === undefined || value < 0 ? undefined : Duration.seconds(value)

/** The delay that the server asks for: `retry-after-ms`, or `retry-after` in seconds or as an HTTP date. */
export const readRetryAfter = (headers: ResponseHeaders, nowMillis: number): Duration.Duration | undefined => {
  const millis = number(headers.get("retry-after-ms"))
  if (millis !== undefined && millis >= 0) return Duration.millis(millis)
  const text = headers.get("retry-after")
  const delay = seconds(number(text))
  if (delay !== undefined || text === null) return delay
  const at = Date.parse(text)
  return Number.isNaN(at) ? undefined : Duration.millis(Math.max(0, at - nowMillis))
}
