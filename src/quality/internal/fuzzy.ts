/**
 * The part of a text that resembles a value most. The places to compare are found by the words that the two share, and
 * the number of compared characters is limited.
 */

export interface WordIndex {
  readonly words: ReadonlyArray<string>
  /** Where each word begins in the folded text. */
  readonly starts: ReadonlyArray<number>
  readonly positions: ReadonlyMap<string, ReadonlyArray<number>>
}

export const indexWords = (folded: string): WordIndex => {
  const words: Array<string> = folded === "" ? [] : folded.split(" ")
  const starts: Array<number> = []
  const positions = new Map<string, Array<number>>()
  let at = 0
  words.forEach((word, i) => {
    starts.push(at)
    at += word.length + 1
    const known = positions.get(word)
    if (known === undefined) positions.set(word, [i])
    else known.push(i)
  })
  return { words, starts, positions }
}

/** What one value may cost, in compared pairs of characters; and how often a word may occur to be a clue. */
const maxCells = 200_000
const maxOccurrences = 50
const maxCandidates = 4

export interface Resemblance {
  readonly start: number
  readonly end: number
  /** From 0 to 1, where 1 is the same text. */
  readonly similarity: number
}

/** The best place for a folded value, or `undefined` if none has the similarity asked for. */
export const find = (index: WordIndex, needle: string, minimum: number): Resemblance | undefined => {
  const words = needle.split(" ")
  const offsets = new Map<number, number>()
  words.forEach((word, i) => {
    const positions = index.positions.get(word)
    if (positions === undefined || positions.length > maxOccurrences) return
    for (const position of positions) {
      // Words may be missing or added, so that neighbouring offsets mean the same place.
      for (const offset of [position - i - 1, position - i, position - i + 1]) {
        offsets.set(offset, (offsets.get(offset) ?? 0) + word.length)
      }
    }
  })
  const candidates = [...offsets].toSorted((a, b) => b[1] - a[1] || a[0] - b[0]).slice(0, maxCandidates)
  let best: Resemblance | undefined
  let cells = 0
  for (const [offset, shared] of candidates) {
    if (shared * 2 < needle.length) break
    for (const length of [words.length, words.length - 1, words.length + 1]) {
      const first = Math.max(0, offset)
      const last = Math.min(index.words.length - 1, first + length - 1)
      if (last < first || length < 1) continue
      const hay = index.words.slice(first, last + 1).join(" ")
      const longest = Math.max(hay.length, needle.length)
      const limit = Math.floor((1 - minimum) * longest)
      cells += hay.length * (2 * limit + 1)
      if (cells > maxCells) return best
      const similarity = 1 - distance(hay, needle, limit) / longest
      if (similarity > (best?.similarity ?? 0)) {
        best = { start: index.starts[first]!, end: index.starts[last]! + index.words[last]!.length, similarity }
      }
    }
  }
  return best
}

/**
 * The least number of characters to add, remove or replace. Beyond `limit` it is `Infinity`: only pairs of positions that
 * can be part of a shorter edit are compared.
 */
export const distance = (a: string, b: string, limit: number): number => {
  const [n, m] = [a.length, b.length]
  if (Math.abs(n - m) > limit) return Infinity
  let previous = new Uint32Array(m + 2).fill(tooFar)
  let current = new Uint32Array(m + 2).fill(tooFar)
  for (let j = 0; j <= Math.min(m, limit); j++) previous[j] = j
  for (let i = 1; i <= n; i++) {
    const from = Math.max(1, i - limit)
    const to = Math.min(m, i + limit)
    current[from - 1] = from === 1 ? i : tooFar
    let least = current[from - 1]!
    const code = a.charCodeAt(i - 1)
    for (let j = from; j <= to; j++) {
      const replaced = previous[j - 1]! + (code === b.charCodeAt(j - 1) ? 0 : 1)
      const added = Math.min(previous[j]!, current[j - 1]!) + 1
      const cell = replaced < added ? replaced : added
      current[j] = cell
      if (cell < least) least = cell
    }
    current[to + 1] = tooFar
    if (least > limit) return Infinity
    const swap = previous
    previous = current
    current = swap
  }
  return previous[m]! > limit ? Infinity : previous[m]!
}

const tooFar = 1_000_000
