/**
 * One of a provider's limits, as seen from here: a local bucket that paces what is sent, and a prediction of the
 * server's own bucket, which the headers of its answers correct.
 *
 * The local bucket holds a fraction of a second. So the server's, a minute deep, stays full and takes up whatever the
 * network bunches together; a local bucket as deep as the server's would run both dry at once after every lull.
 * Headers only ever slow the pace down: where others draw on the same limit, what the server's bucket really gains is
 * learned from one header to the next, in the units we count in, so that a wrong estimate of tokens is made up for too.
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
  /** How far our count of tokens exceeds the server's. */
  overcount: number
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
/** How fast a bucket that never empties is taken as a sign that we count too much, and up to where. */
const overcountPerMilli = 1 / 60_000
const maxOvercount = 3

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
    overcount: 0
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
  const { configured = Infinity, gain, overcount, server, told, unit } = mirror
  const perMilli = limit(mirror) / 60_000
  if (told === undefined) return perMilli
  // Requests are counted exactly, and a limit of the user's own choice is no estimate either.
  const most = unit === "tokens" && told <= configured
    ? perMilli * (1 + overcount + 2 * Math.max(0, server / told - fullShare))
    : perMilli
  const restoring = (server - reserve * told) / restoreMillis
  return Math.min(most, Math.max(leastShare * perMilli, gain + restoring))
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
 * say nothing new. `scarce` is whether requests wait for this limit. Only right after `advance`.
 */
export const observe = (mirror: RateMirror, { limit: told, remaining }: Window, mark: Mark, scarce: boolean): void => {
  const { heard } = mirror
  if (heard !== undefined && mark.spent <= heard.spent) return
  if (mirror.told !== told) meet(mirror, told)
  learn(mirror, told, remaining, mark)
  if (heard !== undefined && mirror.unit === "tokens" && scarce) {
    const change = (remaining / told - fullShare) * overcountPerMilli * (mark.at - heard.at)
    mirror.overcount = Math.min(maxOvercount, Math.max(0, mirror.overcount + change))
  }
  mirror.heard = mark
  mirror.server = Math.min(told, remaining + mirror.gain * (mirror.at - mark.at)) - (mirror.spent - mark.spent)
}

/** Takes on a limit that was not known, or was another. */
const meet = (mirror: RateMirror, told: number): void => {
  const first = mirror.told === undefined
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
  const most = mirror.unit === "tokens" ? perMilli * (1 + maxOvercount) : perMilli
  const seen = remaining >= fullShare * told
    // A full bucket does not show what it could have gained.
    ? Math.max(mirror.gain, perMilli)
    : (remaining - learned.remaining + mark.spent - learned.spent) / elapsed
  const weight = 1 - Math.exp(-elapsed / memoryMillis)
  mirror.gain += weight * (Math.min(most, Math.max(leastShare * perMilli, seen)) - mirror.gain)
}
