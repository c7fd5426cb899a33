/** Counts the requests, and keeps the latest of them. */
import * as Effect from "effect/Effect"
import type { Entry, Ledger } from "../OpenAiSimulator.ts"

export interface Recorder {
  /** Counts a request, and returns how many there were before it. */
  readonly arrive: () => number
  readonly add: (entry: Entry) => void
  readonly count: (outcome: "granted" | "refused" | "aborted") => void
  /** Counts an exchange as in flight until `leave`. */
  readonly enter: () => void
  /** Counts it a second time, for the stream that outlives its handler, without a new maximum. */
  readonly stay: () => void
  readonly leave: Effect.Effect<void>
  readonly ledger: Effect.Effect<Ledger>
}

export const make = (keep: number): Recorder => {
  const entries: Array<Entry> = []
  const counts = { requests: 0, granted: 0, refused: 0, aborted: 0, inFlight: 0, maxInFlight: 0 }
  return {
    arrive: () => counts.requests++,
    add: (entry) => {
      entries.push(entry)
      // Trimmed only now and then, so that adding stays cheap.
      if (entries.length >= keep * 2) entries.splice(0, entries.length - keep)
    },
    count: (outcome) => {
      counts[outcome]++
    },
    enter: () => {
      counts.inFlight++
      counts.maxInFlight = Math.max(counts.maxInFlight, counts.inFlight)
    },
    stay: () => {
      counts.inFlight++
    },
    leave: Effect.sync(() => {
      counts.inFlight--
    }),
    ledger: Effect.sync((): Ledger => ({ ...counts, entries: entries.slice(-keep) }))
  }
}
