/**
 * All rate limits of one model: those per second and minute are paced by a mirror each, those per hour and day are
 * quotas. One set of totals of what was sent and answered serves them all, so that a limit reported late knows what was
 * sent before.
 */
import * as Duration from "effect/Duration"
import type { RateLimitWindow } from "../../../llm/Completion.ts"
import * as Quota from "./quota.ts"
import * as RateMirror from "./rateMirror.ts"

/** What a request is expected to use. */
export interface Cost {
  readonly inputTokens: number
  readonly outputTokens: number
}

/** What was sent or answered up to a time. */
export interface Totals extends Cost {
  readonly at: number
  readonly requests: number
}

export interface RateLimits {
  readonly mirrors: Array<RateMirror.RateMirror>
  readonly quotas: Array<Quota.Quota>
  /** All that was sent so far, and when the first request was. */
  readonly sent: { requests: number; inputTokens: number; outputTokens: number }
  firstAt: number | undefined
  /** All that was answered so far, and what had been one to two minutes ago, and at most a minute ago. */
  readonly answered: { requests: number; inputTokens: number; outputTokens: number }
  past: Totals
  recent: Totals
  /** Answers in a row without a report. */
  silent: number
}

/** After so many answers without a report, what was reported before is forgotten. */
const maxSilent = 5

/** Numbers from servers are clamped: ten years, and a limit that no account has. */
const maxMillis = 10 * 365 * 86_400_000
const maxLimit = 1e12
/** A window that claims to reset later than this does not say when it is reset. */
const maxResetMillis = 31 * 86_400_000

const periodMillis = { second: 1_000, minute: 60_000, hour: 3_600_000, day: 86_400_000 }
/** How far an invented limit may be exceeded before it is refuted. Our count of tokens may exceed the server's. */
const requestTolerance = 1.1
const tokenTolerance = 2

export const make = (configured: {
  readonly requestsPerMinute: number | undefined
  readonly tokensPerMinute: number | undefined
}, at: number): RateLimits => {
  const { requestsPerMinute, tokensPerMinute } = configured
  const mirrors: Array<RateMirror.RateMirror> = []
  if (requestsPerMinute !== undefined) {
    mirrors.push(RateMirror.make({ unit: "requests", period: "minute", configured: requestsPerMinute }))
  }
  if (tokensPerMinute !== undefined) {
    mirrors.push(RateMirror.make({ unit: "tokens", period: "minute", configured: tokensPerMinute }))
  }
  const nothing = { at, requests: 0, inputTokens: 0, outputTokens: 0 }
  return {
    mirrors,
    quotas: [],
    sent: { requests: 0, inputTokens: 0, outputTokens: 0 },
    firstAt: undefined,
    answered: { requests: 0, inputTokens: 0, outputTokens: 0 },
    past: nothing,
    recent: nothing,
    silent: 0
  }
}

/** How many units of a limit this is. */
export const amount = (unit: RateMirror.Unit, requests: number, { inputTokens, outputTokens }: Cost): number => {
  switch (unit) {
    case "requests":
      return requests
    case "tokens":
      return inputTokens + outputTokens
    case "inputTokens":
      return inputTokens
    case "outputTokens":
      return outputTokens
  }
}

/** Whether limits set the pace, so that the time answers take says nothing about the server's load. */
export const isPaced = ({ mirrors }: RateLimits): boolean => {
  for (const mirror of mirrors) if (RateMirror.limit(mirror) !== Infinity) return true
  return false
}

/** Moves the limits on to this time. `share` is the part of them that is used. */
export const advance = ({ mirrors }: RateLimits, at: number, share: number): void => {
  for (const mirror of mirrors) RateMirror.advance(mirror, at, share)
}

export interface Wait {
  readonly limit: RateMirror.Unit | "quota"
  readonly until: number
}

/** The limit that has no room for a request of this cost for the longest time, if any. Only right after `advance`. */
export const wait = (self: RateLimits, cost: Cost, at: number): Wait | undefined => {
  let longest = 0
  let limit: Wait["limit"] = "requests"
  for (const mirror of self.mirrors) {
    const millis = RateMirror.wait(mirror, amount(mirror.unit, 1, cost))
    if (millis > longest) {
      longest = millis
      limit = mirror.unit
    }
  }
  for (const quota of self.quotas) {
    const millis = Quota.wait(quota, amount(quota.unit, 1, cost), sentOf(self, quota.unit), at)
    if (millis > longest) {
      longest = millis
      limit = "quota"
    }
  }
  return longest === 0 ? undefined : { limit, until: at + longest }
}

const sentOf = ({ sent }: RateLimits, unit: RateMirror.Unit): number => amount(unit, sent.requests, sent)

/** Counts a request as sent. Only right after `wait`. */
export const spend = (self: RateLimits, cost: Cost, at: number): void => {
  const { mirrors, recent, sent } = self
  self.firstAt ??= at
  for (const mirror of mirrors) RateMirror.spend(mirror, amount(mirror.unit, 1, cost), at)
  sent.requests++
  sent.inputTokens += cost.inputTokens
  sent.outputTokens += cost.outputTokens
  if (at - recent.at > periodMillis.minute) {
    self.past = recent
    self.recent = { at, ...self.answered }
  }
}

/** Counts a request as answered, after its reports were observed. */
export const answered = (self: RateLimits, cost: Cost, at: number, hasReports: boolean): void => {
  self.answered.requests++
  self.answered.inputTokens += cost.inputTokens
  self.answered.outputTokens += cost.outputTokens
  self.silent = hasReports ? 0 : self.silent + 1
  if (self.silent === maxSilent) return forget(self)
  for (const mirror of self.mirrors) {
    if (mirror.isProvisional && isRefuted(self, mirror.unit, mirror.reported!, at)) RateMirror.forget(mirror)
  }
}

/** Forgets what answers reported. What refusals reported stands until it is refuted. */
const forget = (self: RateLimits): void => {
  for (const mirror of self.mirrors) if (!mirror.isProvisional) RateMirror.forget(mirror)
  self.quotas.length = 0
}

/** Learns from a report in the answer to the request that this mark belongs to. Only right after `advance`. */
export const observe = (self: RateLimits, window: RateLimitWindow, mark: Totals, at: number): void => {
  const report = toReport(window)
  if (report === undefined) return
  const quota = quotaOf(self, report)
  if (quota !== undefined) return Quota.observe(quota, report, spentOf(report, mark), at)
  const mirror = mirrorOf(self, report, at)
  mirror.isProvisional = false
  RateMirror.observe(mirror, report, mark.at, spentOf(report, mark))
}

/**
 * Learns from a report in the refusal of a request, which may be tried again after `retryMillis`. Returns whether the
 * report explains the refusal: it is credible, and sets the pace from now on. Only right after `advance`.
 */
export const observeRefusal = (
  self: RateLimits,
  window: RateLimitWindow,
  mark: Totals,
  at: number,
  retryMillis: number | undefined
): boolean => {
  const report = toReport(window)
  if (report === undefined || !isCredible(self, report, at)) return false
  const quota = quotaOf(self, report)
  if (quota !== undefined) {
    // Where the server asks for a shorter delay, it is to be tried then.
    const resetMillis = Math.min(report.resetMillis || Infinity, Math.max(1, retryMillis ?? Infinity))
    Quota.observe(
      quota,
      { ...report, resetMillis: resetMillis === Infinity ? 0 : resetMillis },
      spentOf(report, mark),
      at
    )
    return true
  }
  const mirror = mirrorOf(self, report, at)
  if (mirror.reported === undefined) mirror.isProvisional = true
  RateMirror.observe(mirror, report, mark.at, spentOf(report, mark))
  return !RateMirror.isFast(mirror)
}

const spentOf = ({ unit }: Report, mark: Totals): number => amount(unit, mark.requests, mark)

/** Starts the limits afresh after a refusal. */
export const drain = ({ mirrors }: RateLimits): void => {
  for (const mirror of mirrors) RateMirror.drain(mirror)
}

/** A duration from a server in milliseconds, clamped, or `undefined` where it is not a number. */
export const toMillis = (duration: Duration.Duration | undefined): number | undefined => {
  if (duration === undefined) return undefined
  const millis = Duration.toMillis(duration)
  return Number.isNaN(millis) ? undefined : Math.min(Math.max(0, millis), maxMillis)
}

/** A window whose numbers are safe to count with. */
interface Report {
  readonly unit: RateMirror.Unit
  readonly period: RateLimitWindow["period"]
  readonly limit: number
  readonly remaining: number
  readonly resetMillis: number
}

const toReport = ({ limit, period, remaining, resetAfter, unit }: RateLimitWindow): Report | undefined =>
  limit >= 1 && limit < Infinity && Number.isFinite(remaining)
    ? {
      unit,
      period,
      limit: Math.min(limit, maxLimit),
      remaining: Math.min(Math.max(0, remaining), limit, maxLimit),
      resetMillis: toReset(resetAfter)
    }
    : undefined

const toReset = (resetAfter: Duration.Duration): number => {
  const millis = toMillis(resetAfter) ?? 0
  return millis > maxResetMillis ? 0 : millis
}

/** A window that takes clearly longer to reset than a minute is a quota, whatever period it claims. */
const isLong = ({ period, resetMillis }: Report): boolean =>
  period === "hour" || period === "day" || resetMillis > 1.5 * periodMillis.minute

const quotaOf = ({ mirrors, quotas }: RateLimits, report: Report): Quota.Quota | undefined => {
  for (const quota of quotas) if (quota.unit === report.unit && quota.period === report.period) return quota
  if (!isLong(report)) return undefined
  const quota = Quota.make(report.unit, report.period)
  quotas.push(quota)
  for (const mirror of mirrors) {
    if (mirror.unit === report.unit && mirror.period === report.period) RateMirror.forget(mirror)
  }
  return quota
}

const mirrorOf = (self: RateLimits, { period: reported, unit }: Report, at: number): RateMirror.RateMirror => {
  const period = reported === "second" ? "second" : "minute"
  for (const mirror of self.mirrors) if (mirror.unit === unit && mirror.period === period) return mirror
  const mirror = RateMirror.make({ unit, period, spent: sentOf(self, unit), firstAt: self.firstAt })
  RateMirror.advance(mirror, at, 1)
  self.mirrors.push(mirror)
  return mirror
}

/**
 * Whether to believe the limit that a refusal reports. What answers report as well is believed. Otherwise it is weak
 * evidence: gateways and test servers send invented numbers. It is not believed where the window would be full again
 * long before its period is over, or where more was answered lately than the limit allows.
 */
const isCredible = (self: RateLimits, { limit, period, remaining, resetMillis, unit }: Report, at: number): boolean => {
  for (const mirror of self.mirrors) {
    if (mirror.unit === unit && mirror.period === period && mirror.reported !== undefined && !mirror.isProvisional) {
      return true
    }
  }
  if (period === "hour" || period === "day") return true
  if (resetMillis > 0 && resetMillis * limit < (limit - remaining) * periodMillis[period] / 2) return false
  return !isRefuted(self, unit, limit * periodMillis.minute / periodMillis[period], at)
}

/** Whether more was answered in the last minute or two than a limit per minute allows, a full bucket included. */
const isRefuted = ({ answered, past }: RateLimits, unit: RateMirror.Unit, perMinute: number, at: number): boolean => {
  const seen = amount(unit, answered.requests, answered) - amount(unit, past.requests, past)
  const tolerance = unit === "requests" ? requestTolerance : tokenTolerance
  return seen > tolerance * perMinute * (1 + (at - past.at) / periodMillis.minute)
}

/** The limits that are known, and what is left of them. */
export const known = (
  self: RateLimits,
  at: number
): ReadonlyArray<
  Pick<RateLimitWindow, "unit" | "period" | "limit"> & { readonly remaining: number | undefined }
> => [
  ...self.mirrors.filter((mirror) => RateMirror.limit(mirror) !== Infinity).map((mirror) => {
    const scale = mirror.period === "second" ? 60 : 1
    const limit = RateMirror.limit(mirror) / scale
    const remaining = RateMirror.remaining(mirror)
    return {
      unit: mirror.unit,
      period: mirror.period,
      limit,
      remaining: remaining === undefined ? undefined : Math.min(limit, Math.floor(remaining / scale))
    }
  }),
  ...self.quotas.filter(({ limit }) => limit !== Infinity).map((quota) => ({
    unit: quota.unit,
    period: quota.period,
    limit: quota.limit,
    remaining: Math.min(quota.limit, Quota.left(quota, sentOf(self, quota.unit), at))
  }))
]
