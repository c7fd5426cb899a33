/**
 * A limit per hour or per day. It is not paced: a batch may use all of it at once. It only stops requests when what the
 * server last reported as remaining, less what was sent since, does not cover the next one, until the server's reset.
 */
import type { RateLimitWindow } from "../../../llm/Completion.ts"
import type { Unit } from "./rateMirror.ts"

export interface Quota {
  readonly unit: Unit
  /** The period that the server reports, which may be shorter than its reset shows. */
  readonly period: RateLimitWindow["period"]
  limit: number
  remaining: number
  resetAt: number
  /** All units sent when the request was sent whose answer was heard last, including it. */
  heardSpent: number
}

/** How often a used up quota is tried where the server does not report when it is reset. */
const unknownResetMillis = 60_000

export const make = (unit: Unit, period: RateLimitWindow["period"]): Quota => ({
  unit,
  period,
  limit: Infinity,
  remaining: Infinity,
  resetAt: 0,
  heardSpent: -1
})

/** Takes over a report about a request sent when `spent` units had been sent, including it. */
export const observe = (
  quota: Quota,
  window: { readonly limit: number; readonly remaining: number; readonly resetMillis: number },
  spent: number,
  now: number
): void => {
  // An answer that is older than the last one, unless the quota was reset between the two.
  if (spent <= quota.heardSpent && now < quota.resetAt) return
  quota.limit = window.limit
  quota.remaining = window.remaining
  quota.resetAt = now + (window.resetMillis > 0 ? window.resetMillis : unknownResetMillis)
  quota.heardSpent = spent
}

/** What is left when `spent` units have been sent by now, at least 0. Infinite when it is unknown. */
export const left = (quota: Quota, spent: number, now: number): number =>
  now < quota.resetAt ? Math.max(0, quota.remaining - (spent - quota.heardSpent)) : Infinity

/**
 * The time until the next reset, if the quota does not cover the cost, and 0 otherwise. A full quota covers a request
 * larger than itself: waiting would not help.
 */
export const wait = (quota: Quota, cost: number, spent: number, now: number): number =>
  left(quota, spent, now) < Math.min(cost, quota.limit) ? quota.resetAt - now : 0
