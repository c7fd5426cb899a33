/** Random numbers that a seed decides. */
export interface Random {
  /** From 0 to 1, without 1. */
  readonly next: () => number
  /** A natural number below another one. */
  readonly below: (n: number) => number
  readonly pick: <A>(list: ReadonlyArray<A>) => A
  readonly chance: (probability: number) => boolean
  readonly shuffled: <A>(list: ReadonlyArray<A>) => Array<A>
}

export const make = (seed: number): Random => {
  let state = seed
  const next = (): number => {
    state = state + 0x6d2b79f5 | 0
    let mixed = Math.imul(state ^ state >>> 15, state | 1)
    mixed ^= mixed + Math.imul(mixed ^ mixed >>> 7, mixed | 61)
    return ((mixed ^ mixed >>> 14) >>> 0) / 2 ** 32
  }
  const below = (n: number): number => Math.floor(next() * n)
  return {
    next,
    below,
    pick: (list) => list[below(list.length)]!,
    chance: (probability) => next() < probability,
    shuffled: (list) => {
      const copy = [...list]
      for (let i = copy.length - 1; i > 0; i--) {
        const j = below(i + 1)
        const held = copy[i]!
        copy[i] = copy[j]!
        copy[j] = held
      }
      return copy
    }
  }
}
