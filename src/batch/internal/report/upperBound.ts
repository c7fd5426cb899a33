/** What a sample proves about the share of errors. It runs in the page of a report, too, and imports nothing. */

/**
 * The exact (Clopper-Pearson) one-sided upper bound: the largest share of errors with which a sample of `size` would have
 * at most `errors` errors with a probability of `1 - confidence`.
 */
export const upperBound = (size: number, errors: number, confidence: number): number => {
  if (size <= 0 || errors >= size) return 1
  let [low, high] = [errors / size, 1]
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2
    if (atMost(size, errors, middle) > 1 - confidence) low = middle
    else high = middle
  }
  return high
}

/** The probability of at most `errors` errors among `size` values of which a share `p` is wrong. */
const atMost = (size: number, errors: number, p: number): number => {
  // In logarithms, because the terms of a large sample are smaller than any number.
  let term = size * Math.log1p(-p)
  let sum = Math.exp(term)
  for (let k = 1; k <= errors; k++) {
    term += Math.log((size - k + 1) / k) + Math.log(p) - Math.log1p(-p)
    sum += Math.exp(term)
  }
  return sum
}
