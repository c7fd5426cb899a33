/** Means with their uncertainty, from a pseudo-random generator with a fixed seed: the same items give the same figures. */

/** Mulberry32. */
const makeRandom = (seed: number): () => number => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ t >>> 15, t | 1)
    t ^= t + Math.imul(t ^ t >>> 7, t | 61)
    return ((t ^ t >>> 14) >>> 0) / 4_294_967_296
  }
}

export const mean = (values: ReadonlyArray<number>): number =>
  values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length

/** The value below which a share of the sorted values lies. */
export const quantile = (sorted: ReadonlyArray<number>, share: number): number =>
  sorted.length === 0 ? 0 : sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!

/** The 95 % bootstrap interval of a figure that is computed from items. */
export const interval = <A>(
  items: ReadonlyArray<A>,
  figure: (sample: ReadonlyArray<A>) => number,
  rounds: number
): readonly [number, number] => {
  if (items.length < 2) return [figure(items), figure(items)]
  const random = makeRandom(17)
  const figures = Array.from(
    { length: rounds },
    () => figure(items.map(() => items[Math.floor(random() * items.length)]!))
  ).toSorted((a, b) => a - b)
  return [quantile(figures, 0.025), quantile(figures, 0.975)]
}

/** The probability of a mean difference at least as large if the sign of each difference were random. */
export const signFlipTest = (differences: ReadonlyArray<number>, rounds: number): number => {
  const observed = Math.abs(mean(differences))
  const random = makeRandom(23)
  let asLarge = 0
  for (let i = 0; i < rounds; i++) {
    const flipped = mean(differences.map((difference) => random() < 0.5 ? difference : -difference))
    if (Math.abs(flipped) >= observed - 1e-12) asLarge++
  }
  return (asLarge + 1) / (rounds + 1)
}
