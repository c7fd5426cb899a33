/** The similarity of texts by their words: BM25, with the rarer words counting more. */

const wordsOf = (text: string): ReadonlyArray<string> => text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []

const k1 = 1.2
const b = 0.75

/** Makes a function that returns the positions of the texts that resemble another most, in their own order. */
export const make = (texts: ReadonlyArray<string>): (query: string, count: number) => ReadonlyArray<number> => {
  const counts = texts.map((text) => {
    const count = new Map<string, number>()
    for (const word of wordsOf(text)) count.set(word, (count.get(word) ?? 0) + 1)
    return count
  })
  const lengths = counts.map((count) => [...count.values()].reduce((sum, n) => sum + n, 0))
  const meanLength = Math.max(1, lengths.reduce((sum, n) => sum + n, 0) / Math.max(1, texts.length))
  const having = new Map<string, number>()
  for (const count of counts) for (const word of count.keys()) having.set(word, (having.get(word) ?? 0) + 1)
  const weight = (word: string): number => {
    const n = having.get(word) ?? 0
    return Math.log(1 + (texts.length - n + 0.5) / (n + 0.5))
  }
  return (query, count) => {
    const words = [...new Set(wordsOf(query))]
    const scores = counts.map((own, i) =>
      words.reduce((sum, word) => {
        const n = own.get(word) ?? 0
        return n === 0 ? sum : sum + weight(word) * n * (k1 + 1) / (n + k1 * (1 - b + b * lengths[i]! / meanLength))
      }, 0)
    )
    return [...texts.keys()].toSorted((i, j) => scores[j]! - scores[i]! || i - j).slice(0, count).toSorted((i, j) =>
      i - j
    )
  }
}
