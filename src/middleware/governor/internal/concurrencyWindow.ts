/**
 * How many requests may be in flight: a number of the user's, or one that is learned. It doubles with each round of
 * answers until the server shows that it has enough, by refusing or by taking longer, and then grows by one a round. A
 * burst of refusals is one sign, not many, and a window that is not full says nothing about a larger one.
 */

export interface ConcurrencyWindow {
  readonly adaptive: boolean
  size: number
  /** Up to here the window doubles. */
  threshold: number
  /** Half of what it was before the last cut: a moment's trouble is no reason to begin from nothing. */
  floor: number
  /** Counts the cuts: what was sent before the last one is no reason for another. */
  generation: number
  /** Answers of the present round, and how long they took together. */
  answers: number
  millis: number
  saturated: boolean
  /** Requests of the present round that the server refused. */
  refused: number
  /** The mean time of an answer in the fastest round lately. */
  fastest: number
}

const initialSize = 8
const maxSize = 4096
const cutTo = 0.85
/** Where answers take so much longer than they did, more requests only wait in a queue of the server's. */
const slowdown = 2

export const make = (concurrency: number | "adaptive"): ConcurrencyWindow => ({
  adaptive: concurrency === "adaptive",
  size: concurrency === "adaptive" ? initialSize : Math.max(1, Math.floor(concurrency)),
  threshold: maxSize,
  floor: 1,
  generation: 0,
  answers: 0,
  millis: 0,
  saturated: false,
  refused: 0,
  fastest: Infinity
})

export const hasRoom = (window: ConcurrencyWindow, inFlight: number): boolean => inFlight < Math.floor(window.size)

/**
 * An answer that took so long. `paced` is whether limits the server told set the pace: how long answers take says
 * nothing about its load then.
 */
export const answered = (window: ConcurrencyWindow, millis: number, paced: boolean): void => {
  if (!window.adaptive) return
  window.answers++
  window.millis += millis
  if (window.answers < window.size) return
  const mean = window.millis / window.answers
  const slow = !paced && mean > slowdown * window.fastest
  if (window.saturated && !slow) {
    window.size = Math.min(maxSize, window.size < window.threshold ? window.size * 2 : window.size + 1)
  } else if (slow) {
    window.threshold = Math.min(window.threshold, window.size)
  }
  // What was fast once is forgotten in time: answers may have become longer.
  window.fastest = Math.min(mean, window.fastest * 1.01)
  window.answers = 0
  window.millis = 0
  window.saturated = false
  window.refused = 0
}

/** Where limits set the pace, there is nothing to find out by growing, until the server shows otherwise. */
export const widen = (window: ConcurrencyWindow): void => {
  if (window.adaptive && window.generation === 0) window.size = maxSize
}

/** The server had enough, with so many left in flight that it has not refused. */
const cut = (window: ConcurrencyWindow, generation: number, inFlight: number): void => {
  if (!window.adaptive) return
  if (generation < window.generation) {
    // More refusals of one burst do not cut again. They show how many the server did take, if it took any.
    window.size = Math.max(1, Math.min(window.size, inFlight))
    window.threshold = Math.max(window.floor, Math.min(window.threshold, window.size))
    return
  }
  window.floor = window.size / 2
  window.size = Math.max(1, Math.min(window.size, inFlight) * cutTo)
  window.threshold = Math.max(window.floor, window.size)
  window.generation++
  window.answers = 0
  window.millis = 0
  window.saturated = false
  window.refused = 0
}

/**
 * Several requests refused in a round, and more than one in twenty, are a window too large. Fewer are bad luck: a window
 * that is cut for each of them never grows on a server that fails now and then.
 */
const refusedShare = 0.05
const fewestRefused = 2

/** A request the server had no room for, or one that failed and may have for another reason: then it counts less. */
export const refused = (window: ConcurrencyWindow, generation: number, inFlight: number, weight: number): void => {
  window.refused += weight
  const isTooMany = window.refused >= fewestRefused && window.refused > refusedShare * window.size
  if (generation < window.generation ? weight === 1 : isTooMany) cut(window, generation, inFlight)
}

/** Begins anew, after an outage. */
export const reset = (window: ConcurrencyWindow): void => {
  if (!window.adaptive) return
  window.size = Math.min(window.size, initialSize)
  window.threshold = maxSize
  window.generation++
}
