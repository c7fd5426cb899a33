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
  /** Counts the cuts: what was sent before the last one is no reason for another. */
  generation: number
  /** Answers of the present round, and how long they took together. */
  answers: number
  millis: number
  saturated: boolean
  /** The mean time of an answer in the fastest round lately. */
  fastest: number
}

export const initialSize = 8
const maxSize = 4096
const cutTo = 0.85
/** Where answers take so much longer than they did, more requests only wait in a queue of the server's. */
const slowdown = 2

export const make = (concurrency: number | "adaptive"): ConcurrencyWindow => ({
  adaptive: concurrency === "adaptive",
  size: concurrency === "adaptive" ? initialSize : Math.max(1, Math.floor(concurrency)),
  threshold: maxSize,
  generation: 0,
  answers: 0,
  millis: 0,
  saturated: false,
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
}

/** The server had enough. */
export const cut = (window: ConcurrencyWindow, generation: number, inFlight: number): void => {
  if (!window.adaptive || generation < window.generation) return
  window.size = Math.max(1, Math.min(window.size, inFlight) * cutTo)
  window.threshold = window.size
  window.generation++
  window.answers = 0
  window.millis = 0
  window.saturated = false
}

/** Begins anew, after an outage. */
export const reset = (window: ConcurrencyWindow): void => {
  if (!window.adaptive) return
  window.size = Math.min(window.size, initialSize)
  window.generation++
}
