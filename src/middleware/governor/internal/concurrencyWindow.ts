/**
 * How many requests may be in flight: a fixed number, or one that is learned. A learned window doubles with each round of
 * answers until the server shows that it has reached its limit, by refusing requests or by answering more slowly; then it
 * grows by one a round. A burst of refusals counts once, and a window that is not full says nothing about a larger one.
 */

export interface ConcurrencyWindow {
  readonly adaptive: boolean
  size: number
  /** The window doubles up to this size. */
  threshold: number
  /** Half the size before the last cut, so that a short disturbance does not make it start from nothing. */
  floor: number
  /** Counts the cuts. A request sent before the last cut is no reason for another one. */
  generation: number
  /** The answers of the present round, and the sum of their times. */
  answers: number
  millis: number
  saturated: boolean
  /** The requests of the present round that the server refused. */
  refused: number
  /** The mean time of an answer in the fastest of the last rounds. */
  fastest: number
}

const initialSize = 8
const maxSize = 4096
const cutTo = 0.85
/** When answers take so many times longer, more requests only wait in a queue of the server. */
const slowdown = 2

export const make = (concurrency: number | "adaptive"): ConcurrencyWindow => ({
  adaptive: concurrency === "adaptive",
  size: concurrency === "adaptive" ? initialSize : concurrency,
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
 * A request was answered after this time. `isPaced` is whether rate limits set the pace: then the time of an answer says
 * nothing about the server's load.
 */
export const answered = (window: ConcurrencyWindow, millis: number, isPaced: boolean): void => {
  if (!window.adaptive) return
  window.answers++
  window.millis += millis
  if (window.answers < window.size) return
  const mean = window.millis / window.answers
  const isSlow = !isPaced && mean > slowdown * window.fastest
  if (window.saturated && !isSlow) {
    window.size = Math.min(maxSize, window.size < window.threshold ? window.size * 2 : window.size + 1)
  } else if (isSlow) {
    window.threshold = Math.min(window.threshold, window.size)
  }
  // An old record expires slowly: answers may have become longer.
  window.fastest = Math.min(mean, window.fastest * 1.01)
  startRound(window)
}

/** Where rate limits set the pace, growing would find nothing, until the server shows otherwise. */
export const widen = (window: ConcurrencyWindow): void => {
  if (window.adaptive && window.generation === 0) window.size = maxSize
}

/** The server has reached its limit, with so many requests in flight that it did not refuse. */
const cut = (window: ConcurrencyWindow, generation: number, inFlight: number): void => {
  if (!window.adaptive) return
  if (generation < window.generation) {
    // More refusals of one burst do not cut again. They show how many the server did accept.
    window.size = Math.max(1, Math.min(window.size, inFlight))
    window.threshold = Math.max(window.floor, Math.min(window.threshold, window.size))
    return
  }
  window.floor = window.size / 2
  window.size = Math.max(1, Math.min(window.size, inFlight) * cutTo)
  window.threshold = Math.max(window.floor, window.size)
  window.generation++
  startRound(window)
}

const startRound = (window: ConcurrencyWindow): void => {
  window.answers = 0
  window.millis = 0
  window.saturated = false
  window.refused = 0
}

/**
 * A window is too large when several requests of a round are refused, and more than one in twenty. Fewer may have other
 * reasons: a window that is cut for each of them would never grow on a server that fails now and then.
 */
const refusedShare = 0.05
const fewestRefused = 2

/** The server refused a request. `weight` is less than 1 where it may have failed for another reason. */
export const refused = (window: ConcurrencyWindow, generation: number, inFlight: number, weight: number): void => {
  window.refused += weight
  const isTooMany = window.refused >= fewestRefused && window.refused > refusedShare * window.size
  if (generation < window.generation ? weight === 1 : isTooMany) cut(window, generation, inFlight)
}

/** Starts again after an outage. */
export const reset = (window: ConcurrencyWindow): void => {
  if (!window.adaptive) return
  window.size = Math.min(window.size, initialSize)
  window.threshold = maxSize
  window.generation++
}
