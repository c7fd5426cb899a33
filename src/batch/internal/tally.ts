/** Counts the items of a batch. It needs only a few additions for each item. */
import * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import * as Usage from "../../llm/Usage.ts"
import type { BatchSummary, FinishedItem } from "../BatchSummary.ts"

export interface Tally {
  readonly start: number
  succeeded: number
  failed: number
  readonly failures: Map<string, number>
  restored: number
  attempts: number
  usage: Usage.Usage
  readonly latencies: Latencies
}

export const make = (start: number): Tally => ({
  start,
  succeeded: 0,
  failed: 0,
  failures: new Map(),
  restored: 0,
  attempts: 0,
  usage: Usage.zero,
  latencies: makeLatencies()
})

export const add = (self: Tally, { attempts, latency, restored, result, usage }: FinishedItem): void => {
  if (restored) {
    self.restored++
    return
  }
  spend(self, attempts, usage)
  recordLatency(self.latencies, Duration.toMillis(latency))
  if (Result.isSuccess(result)) {
    self.succeeded++
  } else {
    const reason = result.failure.reason._tag
    self.failed++
    self.failures.set(reason, (self.failures.get(reason) ?? 0) + 1)
  }
}

/** Counts the usage of an item that stays pending. */
export const spend = (self: Tally, attempts: number, usage: Usage.Usage): void => {
  self.attempts += attempts
  self.usage = Usage.add(self.usage, usage)
}

export const summary = (self: Tally, now: number): BatchSummary => {
  const millis = Math.max(0, now - self.start)
  const finished = self.succeeded + self.failed
  return {
    succeeded: self.succeeded,
    failed: self.failed,
    failures: Object.fromEntries(self.failures),
    restored: self.restored,
    attempts: self.attempts,
    usage: self.usage,
    latency: {
      p50: percentile(self.latencies, 0.5),
      p90: percentile(self.latencies, 0.9),
      p99: percentile(self.latencies, 0.99),
      max: Duration.millis(self.latencies.max)
    },
    elapsed: Duration.millis(millis),
    itemsPerSecond: millis === 0 ? 0 : finished / (millis / 1000)
  }
}

/** Latencies in buckets from 1 ms to over an hour, each 5 % wider than the one before. */
interface Latencies {
  readonly buckets: Float64Array
  count: number
  max: number
}

const growth = Math.log(1.05)
const bucketCount = 320

const makeLatencies = (): Latencies => ({ buckets: new Float64Array(bucketCount), count: 0, max: 0 })

const recordLatency = (self: Latencies, millis: number): void => {
  const bucket = millis <= 1 ? 0 : Math.min(bucketCount - 1, Math.ceil(Math.log(millis) / growth))
  self.buckets[bucket]!++
  self.count++
  if (millis > self.max) self.max = millis
}

const percentile = (self: Latencies, share: number): Duration.Duration => {
  const rank = Math.ceil(self.count * share)
  if (rank === 0) return Duration.zero
  let seen = 0
  for (let bucket = 0; bucket < bucketCount; bucket++) {
    seen += self.buckets[bucket]!
    // The geometric middle of the bucket.
    if (seen >= rank) return Duration.millis(Math.min(self.max, bucket === 0 ? 1 : Math.exp((bucket - 0.5) * growth)))
  }
  return Duration.millis(self.max)
}
