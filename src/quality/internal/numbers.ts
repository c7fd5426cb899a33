/** Numbers as people write them: with separators of thousands and decimals, signs, percents and magnitudes. */

export interface Range {
  readonly start: number
  readonly end: number
}

const token = /\d{1,3}(?:[ \u00a0\u202f'’]\d{3})+(?![\d])(?:[.,]\d+)?|\d+(?:[.,]\d+)*/g

/** A key that does not depend on the last bits of a floating point number. */
const keyOf = (value: number): string => String(Number(value.toPrecision(12)))

/** What a token may mean. A single separator with three digits after it may separate thousands or decimals. */
const readings = (text: string): ReadonlyArray<number> => {
  const bare = text.replace(/[ \u00a0\u202f'’]/g, "")
  const separators = bare.match(/[.,]/g) ?? []
  if (separators.length === 0) return [Number(bare)]
  const last = separators[separators.length - 1]!
  const at = bare.lastIndexOf(last)
  const whole = Number(bare.replace(/[.,]/g, ""))
  const decimal = Number(`${bare.slice(0, at).replace(/[.,]/g, "")}.${bare.slice(at + 1)}`)
  const isMixed = separators.some((separator) => separator !== last)
  if (isMixed) return [decimal]
  if (separators.length > 1) return [whole]
  return bare.length - at === 4 ? [whole, decimal] : [decimal]
}

const magnitudes: ReadonlyArray<readonly [RegExp, number]> = [
  [/^\s?(?:k|thousand|tsd|mille)\b/i, 1e3],
  [/^\s?(?:m|mn|mm|mio|million|millions|millionen|milioni|millones)\b/i, 1e6],
  [/^\s?(?:b|bn|billion|billions|mrd|milliarden|milliards|miliardi)\b/i, 1e9]
]

const eachReading = (source: string, visit: (value: number, range: Range) => void): void => {
  for (const match of source.matchAll(token)) {
    const start = match.index
    const end = start + match[0].length
    const before = source.slice(Math.max(0, start - 2), start)
    const after = source.slice(end, end + 12)
    const isNegative = /[-−(]\s?[$€£]?$/.test(before) || /^-(?!\w)/.test(after)
    for (const value of readings(match[0])) {
      if (isNegative) visit(-value, { start: Math.max(0, start - 1), end })
      visit(value, { start, end })
      if (/^\s?%/.test(after)) visit(value / 100, { start, end: end + after.indexOf("%") + 1 })
      for (const [name, factor] of magnitudes) {
        const found = name.exec(after)
        if (found !== null) visit(value * factor, { start, end: end + found[0].length })
      }
    }
  }
}

export type NumberIndex = ReadonlyMap<string, ReadonlyArray<Range>>

/** The numbers of a text, by value. */
export const index = (source: string): NumberIndex => {
  const found = new Map<string, Array<Range>>()
  eachReading(source, (value, range) => {
    const key = keyOf(value)
    const ranges = found.get(key)
    if (ranges === undefined) found.set(key, [range])
    else ranges.push(range)
  })
  return found
}

export const find = (numbers: NumberIndex, value: number): ReadonlyArray<Range> => numbers.get(keyOf(value)) ?? []

/** The numbers that a text without letters may mean: `$1,234.50` is one. */
export const valuesOf = (text: string): ReadonlyArray<number> => {
  const match = /^([^\p{L}\p{N}]*)(\d(?:[\d.,'’ \u00a0\u202f]*\d)?)([^\p{L}\p{N}]*)$/u.exec(text.trim())
  if (match === null) return []
  const values = readings(match[2]!).filter((value) => !Number.isNaN(value))
  return /[-−(]/.test(match[1]!) ? values.map((value) => -value) : values
}
