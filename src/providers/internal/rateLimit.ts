/**
 * Reads the `x-ratelimit-*` and `retry-after*` headers.
 *
 * A server may send any number. Every value is clamped where it is read, so that no timer or counter gets one that it
 * cannot represent.
 */
import * as Duration from "effect/Duration"
import type { RateLimitWindow } from "../../llm/Completion.ts"
import type { Headers } from "../../transport/Transport.ts"

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** No rate limit is reset later than this. */
const maxDelay = 31 * 86_400_000

const delay = (millis: number): Duration.Duration => Duration.millis(Math.min(maxDelay, Math.max(0, millis)))

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
  return end > 0 && end === text.length ? delay(millis) : undefined
}

/**
 * The headers of one rate limit.
 *
 * @category models
 * @since 0.1.0
 */
export interface LimitHeaders {
  readonly unit: RateLimitWindow["unit"]
  readonly period: RateLimitWindow["period"]
  /** The header of the limit. */
  readonly limit: string
  /** The header of what is left of it. */
  readonly remaining: string
  /** The header of the time until the whole limit is available again, as a duration or in seconds. */
  readonly reset?: string | undefined
}

/** The rate limits that headers with other names report. */
const readNamed = (
  headers: Headers,
  names: ReadonlyArray<LimitHeaders>
): ReadonlyArray<RateLimitWindow> | undefined => {
  const windows = names.flatMap(({ limit: total, period, remaining: rest, reset, unit }) => {
    const limit = number(headers[total])
    const remaining = number(headers[rest])
    if (limit === undefined || remaining === undefined || limit <= 0 || remaining < 0) return []
    const resetAfter = reset === undefined ? undefined : readReset(headers[reset] ?? "")
    return [{ unit, period, ...clampLevel(limit, remaining), resetAfter: resetAfter ?? Duration.zero }]
  })
  return windows.length === 0 ? undefined : windows
}

/** The rate limits that the headers report, or `undefined` if they report none. OpenAI's limits are per minute. */
export const readWindows = (
  headers: Headers,
  names?: ReadonlyArray<LimitHeaders>
): ReadonlyArray<RateLimitWindow> | undefined => {
  if (names !== undefined) return readNamed(headers, names)
  const requests = readWindow(headers, "requests")
  const tokens = readWindow(headers, "tokens")
  if (requests === undefined) return tokens === undefined ? undefined : [tokens]
  return tokens === undefined ? [requests] : [requests, tokens]
}

const readWindow = (headers: Headers, unit: "requests" | "tokens"): RateLimitWindow | undefined => {
  const limit = number(headers[`x-ratelimit-limit-${unit}`])
  const remaining = number(headers[`x-ratelimit-remaining-${unit}`])
  // Some gateways send -1 or 0 for "no limit".
  if (limit === undefined || remaining === undefined || limit <= 0 || remaining < 0) return undefined
  const reset = headers[`x-ratelimit-reset-${unit}`] ?? ""
  return { unit, period: "minute", ...clampLevel(limit, remaining), resetAfter: readReset(reset) ?? Duration.zero }
}

const readReset = (text: string): Duration.Duration | undefined => {
  const duration = parseGoDuration(text)
  if (duration !== undefined) return duration
  const seconds = number(text)
  return seconds === undefined ? undefined : delay(seconds * 1000)
}

/** A limit and the rest of it, as numbers that can be added up. */
export const clampLevel = (limit: number, remaining: number) => {
  const clamped = Math.min(limit, Number.MAX_SAFE_INTEGER)
  return { limit: clamped, remaining: Math.min(clamped, Math.max(0, remaining)) }
}

const number = (text: string | undefined): number | undefined => {
  if (text === undefined || text.trim() === "") return undefined
  const value = Number(text)
  return Number.isNaN(value) ? undefined : value
}

/**
 * The delay that the server asks for: `retry-after-ms`, or `retry-after` in seconds or as an HTTP date. A delay that is
 * negative or a date that is past is no delay.
 */
export const readRetryAfter = (headers: Headers, nowMillis: number): Duration.Duration | undefined => {
  const millis = number(headers["retry-after-ms"])
  if (millis !== undefined) return delay(millis)
  const text = headers["retry-after"]
  const seconds = number(text)
  if (seconds !== undefined) return delay(seconds * 1000)
  const at = text === undefined ? NaN : Date.parse(text)
  return Number.isNaN(at) ? undefined : delay(at - nowMillis)
}
