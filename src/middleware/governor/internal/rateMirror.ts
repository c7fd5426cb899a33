/**
 * A local copy of one of the provider's rate limits: a bucket that paces what is sent, and a prediction of the server's
 * own bucket, corrected by every answer that reports it.
 *
 * `effect/persistence/RateLimiter` enforces a limit that is known. Here the limit belongs to a server: it is learned, it
 * changes, and other clients draw on it. A consumer would also have to wait once for each limit; here one synchronous
 * check covers all limits of a request.
 *
 * The local bucket is a fraction of a second deep. The server's bucket, which is a minute deep, therefore stays full and
 * absorbs requests that the network bunches together; a local bucket of the same depth would let both run dry after
 * every lull. What the server reports above half of the limit is used up. Where others draw on the same limit, the rate
 * at which the server's bucket really refills is learned from report to report, in our units, which also makes up for a
 * wrong token count.
 */
import type { RateLimitWindow } from "../../../llm/Completion.ts"

export type Unit = RateLimitWindow["unit"]

export interface RateMirror {
  readonly unit: Unit
  readonly period: "second" | "minute"
  /** The limit per minute that the user set. */
  readonly configured: number | undefined
  /** The limit per minute that the server reports. */
  reported: number | undefined
  /** Whether only refusals have reported the limit. `reported` then rises until the next one. */
  isProvisional: boolean
  /** The limit as in the last report. */
  lastReport: number | undefined
  /** The local bucket. A large request may overdraw it. */
  level: number
  /** The time of the last `advance`. */
  at: number
  /** The rate of the local bucket, in units per millisecond. */
  pace: number
  /** All units sent so far. */
  spent: number
  /** The refill rate of the server's bucket with others drawing on it, in units per millisecond. */
  gain: number
  /** The predicted level of the server's bucket. Infinite while nothing is known about it. */
  server: number
  /**
   * The rate at which the server's bucket refills by its own report, where it is full again long before the period is
   * over, and until when; otherwise 0. Then the reported level is too old to pace by.
   */
  refill: number
  refillUntil: number
  /** The last request whose answer reported the bucket: when it was sent, and `spent` including it. */
  heardAt: number
  heardSpent: number
  /** When the first and the last request were sent. */
  firstAt: number | undefined
  sentAt: number
  /** The report that `gain` was last learned from. */
  learned: { readonly at: number; readonly spent: number; readonly remaining: number } | undefined
  /** Whether the server's bucket really holds a minute's limit. A limit enforced by the second only looks like it. */
  isDeep: boolean
}

/** The depth of the local bucket, in time. */
const burstMillis = 250
/** The share of the server's bucket that is left for what others take between two reports. */
const reserve = 0.05
/** How fast the server's bucket is brought back to the reserve. */
const restoreMillis = 10_000
/** How long a learned refill rate counts. */
const memoryMillis = 5_000
/** The smallest share of the limit that is still tried. */
const leastShare = 0.02
/** How long a learned refill rate lasts when no more reports come. */
const staleMillis = 180_000
/** Reports closer together than this say little about the time between them. */
const learnMillis = 500
/** A server's bucket above this share of its limit is full, except for what was just taken. */
const fullShare = 0.9
/** What the server's bucket holds above this share is used up, in this time. */
const idleShare = 0.5
const idleMillis = 10_000
/** A bucket that refills so many times faster than its limit per minute is full again long before a minute is over. */
const fastRefill = 2
/** A bucket of a minute is full after a minute, so a request is tried then, whatever was predicted. */
const maxWaitMillis = 60_000
/** How far our token count may exceed the server's. */
const maxOvercount = 4
/**
 * A limit that only refusals have reported rises until the next one, because no answer would report that it has risen:
 * by 5 % in the first minute, and ever faster.
 */
const provisionalGrowth = Math.log(1.05) / 60_000
const accelerationMillis = 60_000
const maxGrowth = 100

export const make = (options: {
  readonly unit: Unit
  readonly period: RateMirror["period"]
  readonly configured?: number | undefined
  /** What was sent before the limit became known. */
  readonly spent?: number | undefined
  readonly firstAt?: number | undefined
}): RateMirror => {
  const mirror: RateMirror = {
    unit: options.unit,
    period: options.period,
    configured: options.configured,
    reported: undefined,
    isProvisional: false,
    lastReport: undefined,
    level: 0,
    at: 0,
    pace: 0,
    spent: options.spent ?? 0,
    gain: 0,
    server: Infinity,
    refill: 0,
    refillUntil: 0,
    heardAt: 0,
    heardSpent: -1,
    firstAt: options.firstAt,
    sentAt: 0,
    learned: undefined,
    isDeep: false
  }
  mirror.level = burst(mirror)
  return mirror
}

/** The limit per minute, infinite where none is known. */
export const limit = ({ configured = Infinity, reported = Infinity }: RateMirror): number =>
  Math.min(configured, reported)

const burst = (mirror: RateMirror): number => {
  const perMilli = limit(mirror) / 60_000
  return perMilli === Infinity ? 0 : Math.max(perMilli * burstMillis, 1)
}

/** What the server should have left of the limit per minute, where it reports it. */
export const remaining = ({ server }: RateMirror): number | undefined =>
  server === Infinity ? undefined : Math.max(0, Math.floor(server))

const paceAt = (mirror: RateMirror): number => {
  const { configured = Infinity, gain, isDeep, reported, server } = mirror
  const perMilli = limit(mirror) / 60_000
  if (reported === undefined || mirror.refill > 0) return perMilli
  // A bucket that stays fuller than that also shows that the server counts less than we do.
  const idle = isDeep && reported <= configured ? Math.max(0, server - idleShare * reported) / idleMillis : 0
  const restoring = (server - reserve * reported) / restoreMillis
  const pace = Math.min(perMilli + idle, Math.max(leastShare * perMilli, gain + restoring))
  return reported < configured ? Math.min(pace, configured / 60_000) : pace
}

/** Moves the mirror on to this time. `share` is the part of the pace that is used. */
export const advance = (mirror: RateMirror, now: number, share: number): void => {
  const before = mirror.at
  const elapsed = now - before
  mirror.at = now
  // Before the bucket is filled, or a request as large as the bucket would never fit.
  if (mirror.isProvisional) grow(mirror, now, elapsed)
  if (mirror.pace > 0 && elapsed > 0) {
    mirror.level = Math.max(mirror.level, Math.min(burst(mirror), mirror.level + mirror.pace * elapsed))
  }
  if (mirror.reported !== undefined) {
    mirror.server = Math.min(
      mirror.reported,
      mirror.server + mirror.gain * elapsed +
        mirror.refill * Math.max(0, Math.min(elapsed, mirror.refillUntil - before))
    )
    if (now - mirror.heardAt > memoryMillis) {
      mirror.gain += Math.max(0, mirror.reported / 60_000 - mirror.gain) * Math.min(1, elapsed / staleMillis)
    }
  }
  mirror.pace = limit(mirror) === Infinity ? 0 : paceAt(mirror) * share
}

const grow = (mirror: RateMirror, now: number, elapsed: number): void => {
  const rate = provisionalGrowth * (1 + (now - mirror.heardAt) / accelerationMillis)
  mirror.reported! *= Math.exp(rate * elapsed)
  if (mirror.reported! > maxGrowth * mirror.lastReport!) forget(mirror)
}

/** The time until there is room for a request, 0 for now. Only right after `advance`. */
export const wait = (mirror: RateMirror, cost: number): number => {
  const { configured, gain, level, pace, reported, server } = mirror
  if (pace === 0) return 0
  const missing = Math.min(cost, burst(mirror)) - level
  const local = missing / pace
  if (reported === undefined) return positive(local)
  // A request larger than the limit is sent when the bucket is full: the server may count less than we do.
  const refill = mirror.at < mirror.refillUntil ? mirror.refill : 0
  const predicted = Math.max(local, (Math.min(cost, fullShare * reported) - server) / (gain + refill))
  const sinceLast = mirror.at - mirror.sentAt
  const longest = maxWaitMillis - sinceLast
  if (predicted <= longest) return positive(predicted)
  // The user's own limit still holds.
  return positive(configured === undefined ? longest : Math.max(longest, missing * 60_000 / configured - sinceLast))
}

// A sum of fractions may fall short by a hair.
const positive = (millis: number): number => millis > 1e-6 ? Math.ceil(millis) : 0

export const spend = (mirror: RateMirror, cost: number, now: number): void => {
  mirror.firstAt ??= now
  // A request that was tried for its long wait does not pay for what went before.
  if (now - mirror.sentAt >= maxWaitMillis) mirror.level = Math.max(mirror.level, 0)
  mirror.sentAt = now
  mirror.level -= cost
  mirror.server -= cost
  mirror.spent += cost
}

/** Empties the local bucket, for a fresh start after a pause. */
export const drain = (mirror: RateMirror): void => {
  mirror.level = Math.min(mirror.level, 0)
}

/** Forgets what the server reported. */
export const forget = (mirror: RateMirror): void => {
  mirror.reported = undefined
  mirror.lastReport = undefined
  mirror.isProvisional = false
  mirror.server = Infinity
  mirror.gain = 0
  mirror.learned = undefined
  mirror.isDeep = false
}

/**
 * Learns from a report. `sentAt` and `spent` are those of the request it answers; an answer to a request sent before the
 * last one heard of is older than what is known, and ignored. Only right after `advance`.
 */
export const observe = (
  mirror: RateMirror,
  window: { readonly limit: number; readonly remaining: number; readonly resetMillis: number },
  sentAt: number,
  spent: number
): void => {
  if (spent <= mirror.heardSpent) return
  const scale = mirror.period === "second" ? 60 : 1
  const reported = window.limit * scale
  const remaining = window.remaining * scale
  if (mirror.lastReport !== reported) adopt(mirror, reported, remaining)
  mirror.reported = reported
  mirror.lastReport = reported
  mirror.refill = refillOf(reported, remaining, window.resetMillis)
  mirror.refillUntil = mirror.at + window.resetMillis
  if (mirror.refill > 0) mirror.gain = reported / 60_000
  else learn(mirror, reported, remaining, sentAt, spent)
  mirror.heardAt = sentAt
  mirror.heardSpent = spent
  mirror.server = Math.min(reported, remaining + mirror.gain * (mirror.at - sentAt)) - (mirror.spent - spent)
}

const refillOf = (reported: number, remaining: number, resetMillis: number): number => {
  const refill = (reported - remaining) / resetMillis
  return resetMillis > 0 && refill > fastRefill * reported / 60_000 ? refill : 0
}

/** Whether the server's bucket, by its last report, is full again long before the period is over. */
export const isFast = ({ refill }: RateMirror): boolean => refill > 0

/** Takes on a limit that was unknown or has changed. */
const adopt = (mirror: RateMirror, reported: number, remaining: number): void => {
  const isFirst = mirror.reported === undefined
  // Where the limit is enforced by the second, one request takes as much of it as sixty would. Twice, because some
  // servers count what came after the request too.
  mirror.isDeep = mirror.period === "minute" && reported - remaining <= 2 * mirror.spent + 1
  mirror.gain = reported / 60_000
  mirror.server = reported
  mirror.learned = isFirst && mirror.firstAt !== undefined
    ? { at: mirror.firstAt, spent: 0, remaining: reported }
    : undefined
  if (isFirst && mirror.configured === undefined) mirror.level = 0
}

const learn = (mirror: RateMirror, reported: number, remaining: number, sentAt: number, spent: number): void => {
  const { learned } = mirror
  const elapsed = learned === undefined ? 0 : sentAt - learned.at
  if (learned === undefined || elapsed >= learnMillis) mirror.learned = { at: sentAt, spent, remaining }
  if (learned === undefined || elapsed < learnMillis) return
  const perMilli = reported / 60_000
  const most = mirror.unit === "requests" ? perMilli : perMilli * maxOvercount
  const seen = remaining >= fullShare * reported
    // A full bucket does not show how much it could have gained.
    ? Math.max(mirror.gain, perMilli)
    : (remaining - learned.remaining + spent - learned.spent) / elapsed
  const weight = 1 - Math.exp(-elapsed / memoryMillis)
  mirror.gain += weight * (Math.min(most, Math.max(leastShare * perMilli, seen)) - mirror.gain)
}
