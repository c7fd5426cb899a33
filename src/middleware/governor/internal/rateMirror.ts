/**
 * One of a provider's limits, as seen from here: a local bucket that paces what is sent, and a prediction of the
 * server's own bucket, which the headers of its answers correct.
 *
 * The local bucket holds a fraction of a second. So the server's, a minute deep, stays full and takes up whatever the
 * network bunches together; a local bucket as deep as the server's would run both dry at once after every lull.
 * What headers tell of it is used up to a half, and where others draw on the same limit, what the server's bucket really
 * gains is learned from one header to the next, in the units we count in, so that a wrong estimate of tokens is made up
 * for too.
 */

/** What a header tells: the limit, and what was left of it. */
export interface Window {
  readonly limit: number
  readonly remaining: number
}

/** When a request was sent, and what had been spent by then, itself included. */
export interface Mark {
  readonly at: number
  readonly spent: number
}

export interface RateMirror {
  readonly unit: "requests" | "tokens"
  /** A minute's limit as the user has it. */
  readonly configured: number | undefined
  /** A minute's limit as the server has it. */
  told: number | undefined
  /** The local bucket, which a large request may overdraw. */
  level: number
  at: number
  /** The pace of the local bucket in units a millisecond. */
  pace: number
  /** Everything sent so far. */
  spent: number
  /** What the server's bucket gains in a millisecond with others drawing on it. */
  gain: number
  /** What the server's bucket should hold by now. Infinite while nothing is known of it. */
  server: number
  /** The request whose answer told of the server's bucket last. */
  heard: Mark | undefined
  /** Before the first request. */
  first: Mark | undefined
  /** What `gain` was last learned from. */
  learned: (Mark & { readonly remaining: number }) | undefined
  /** Whether the server's bucket is as deep as it says: one that is kept by the second only looks like it. */
  isDeep: boolean
}

/** The depth of the local bucket, in time. */
const burstMillis = 250
/** The share of the server's bucket that is left for what others take between two headers. */
const reserve = 0.05
/** How fast the server's bucket is brought back to the reserve. */
const restoreMillis = 10_000
/** How long what was learned lasts. */
const memoryMillis = 5_000
/** The least of the limit that is tried, however bad it looks. */
const leastShare = 0.02
/** How long what was learned of others' use holds where no header tells of it any more. */
const hearsayMillis = 180_000
/** Headers closer together than this say little about the time between them. */
const learnMillis = 500
/** A server's bucket above this share of its limit is full, but for what has just been taken. */
const fullShare = 0.9
/** What is above this share of the limit is there to be used up, and how fast it is. */
const idleShare = 0.5
const idleMillis = 10_000
/** How far our count of tokens may exceed the server's. */
const maxOvercount = 4

export const make = (unit: RateMirror["unit"], configured: number | undefined): RateMirror => {
  const mirror: RateMirror = {
    unit,
    configured,
    told: undefined,
    level: 0,
    at: 0,
    pace: 0,
    spent: 0,
    gain: 0,
    server: Infinity,
    heard: undefined,
    first: undefined,
    learned: undefined,
    isDeep: false
  }
  mirror.level = burst(mirror)
  return mirror
}

/** A minute's limit, or infinity where none is known. */
export const limit = ({ configured = Infinity, told = Infinity }: RateMirror): number => Math.min(configured, told)

const burst = (mirror: RateMirror): number => {
  const perMilli = limit(mirror) / 60_000
  return perMilli === Infinity ? 0 : Math.max(perMilli * burstMillis, 1)
}

export const remaining = ({ server }: RateMirror): number | undefined =>
  server === Infinity ? undefined : Math.max(0, Math.floor(server))

const paceAt = (mirror: RateMirror): number => {
  const { configured = Infinity, gain, isDeep, server, told } = mirror
  const perMilli = limit(mirror) / 60_000
  if (told === undefined) return perMilli
  // A bucket that fills up beyond that also shows that the server counts less than we do.
  const idle = isDeep && told <= configured ? Math.max(0, server - idleShare * told) / idleMillis : 0
  const restoring = (server - reserve * told) / restoreMillis
  return Math.min(perMilli + idle, Math.max(leastShare * perMilli, gain + restoring))
}

/** Lets time pass. `share` is the part of the pace to go at. */
export const advance = (mirror: RateMirror, now: number, share: number): void => {
  const elapsed = now - mirror.at
  mirror.at = now
  if (mirror.pace > 0 && elapsed > 0) {
    mirror.level = Math.max(mirror.level, Math.min(burst(mirror), mirror.level + mirror.pace * elapsed))
  }
  const { heard, told } = mirror
  if (told !== undefined && heard !== undefined) {
    mirror.server = Math.min(told, mirror.server + mirror.gain * elapsed)
    if (now - heard.at > memoryMillis) {
      mirror.gain += Math.max(0, told / 60_000 - mirror.gain) * Math.min(1, elapsed / hearsayMillis)
    }
  }
  mirror.pace = limit(mirror) === Infinity ? 0 : paceAt(mirror) * share
}

/** How long until there is room: 0 for now. Only right after `advance`. */
export const wait = (mirror: RateMirror, cost: number): number => {
  const { gain, level, pace, server, told } = mirror
  if (pace === 0) return 0
  const local = (Math.min(cost, burst(mirror)) - level) / pace
  if (told === undefined) return positive(local)
  // What is larger than the limit is sent when the bucket is full: the server may count less than we do.
  return positive(Math.max(local, (Math.min(cost, fullShare * told) - server) / gain))
}

// A sum of fractions may come to a hair less than what it stands for.
const positive = (millis: number): number => millis > 1e-6 ? Math.ceil(millis) : 0

export const spend = (mirror: RateMirror, cost: number, now: number): Mark => {
  mirror.first ??= { at: now, spent: 0 }
  mirror.level -= cost
  mirror.server -= cost
  mirror.spent += cost
  return { at: now, spent: mirror.spent }
}

/** Starts over from an empty local bucket, after a pause. */
export const drain = (mirror: RateMirror): void => {
  mirror.level = Math.min(mirror.level, 0)
}

/**
 * Learns from a header. `mark` is that of the request it answers; headers of requests sent before the last one heard of
 * say nothing new. Only right after `advance`.
 */
export const observe = (mirror: RateMirror, { limit: told, remaining }: Window, mark: Mark): void => {
  const { heard } = mirror
  if (heard !== undefined && mark.spent <= heard.spent) return
  if (mirror.told !== told) meet(mirror, told, remaining)
  learn(mirror, told, remaining, mark)
  mirror.heard = mark
  mirror.server = Math.min(told, remaining + mirror.gain * (mirror.at - mark.at)) - (mirror.spent - mark.spent)
}

/** Takes on a limit that was not known, or was another. */
const meet = (mirror: RateMirror, told: number, remaining: number): void => {
  const first = mirror.told === undefined
  // Kept by the second, one request takes as much of it as sixty would; and some servers count in what came since.
  mirror.isDeep = told - remaining <= 2 * mirror.spent + 1
  mirror.told = told
  mirror.gain = told / 60_000
  mirror.server = told
  mirror.learned = first ? mirror.first && { ...mirror.first, remaining: told } : undefined
  if (first && mirror.configured === undefined) mirror.level = 0
}

const learn = (mirror: RateMirror, told: number, remaining: number, mark: Mark): void => {
  const { learned } = mirror
  const elapsed = learned === undefined ? 0 : mark.at - learned.at
  if (learned === undefined || elapsed >= learnMillis) mirror.learned = { ...mark, remaining }
  if (learned === undefined || elapsed < learnMillis) return
  const perMilli = told / 60_000
  const most = mirror.unit === "tokens" ? perMilli * maxOvercount : perMilli
  const seen = remaining >= fullShare * told
    // A full bucket does not show what it could have gained.
    ? Math.max(mirror.gain, perMilli)
    : (remaining - learned.remaining + mark.spent - learned.spent) / elapsed
  const weight = 1 - Math.exp(-elapsed / memoryMillis)
  mirror.gain += weight * (Math.min(most, Math.max(leastShare * perMilli, seen)) - mirror.gain)
}
