/** Calendar dates as people write them, in numbers or with the names of months in six languages. */
import type { Range } from "./numbers.ts"

const names: ReadonlyArray<string> = [
  "january|jan|janvier|janv|januar|jän|jänner|gennaio|gen|janeiro|enero|ene",
  "february|feb|février|fevrier|févr|fév|februar|febbraio|fevereiro|fev|febrero",
  "march|mar|mars|märz|mrz|marzo|março|marco",
  "april|apr|avril|avr|aprile|abril|abr",
  "may|mai|maggio|mag|maio|mayo",
  "june|jun|juin|juni|giugno|giu|junho|junio",
  "july|jul|juillet|juil|juli|luglio|lug|julho|julio",
  "august|aug|août|aout|agosto|ago",
  "september|sept|sep|septembre|settembre|set|setembro|septiembre",
  "october|oct|octobre|oktober|okt|ottobre|ott|outubro|out|octubre",
  "november|nov|novembre|novembro|noviembre",
  "december|dec|décembre|decembre|déc|dezember|dez|dicembre|dic|dezembro|diciembre"
]

const monthOf = new Map(names.flatMap((some, i) => some.split("|").map((name) => [name, i + 1] as const)))
const month = `(${[...monthOf.keys()].toSorted((a, b) => b.length - a.length).join("|")})\\.?`

const yearFirst = /(?<!\d)(\d{4})\s?[-/.年]\s?(\d{1,2})(?:\s?[-/.月]\s?(\d{1,2}))?(?:日)?(?!\d)/g
const dayFirst = /(?<!\d)(\d{1,2})\s?[-/.]\s?(\d{1,2})\s?[-/.]\s?(\d{4}|\d{2})(?!\d)/g
const named = new RegExp(
  `(?<![\\p{L}\\d])(?:(\\d{1,2})(?:st|nd|rd|th|er|\\.|º|°)?[\\s-]*(?:of |de |di )?)?${month}[\\s,-]*` +
    `(?:(\\d{1,2})(?:st|nd|rd|th)?(?!\\d),?[\\s-]+)?(?:of |de |di |del )?(\\d{4}|[’']?\\d{2})?(?![\\p{L}\\d])`,
  "giu"
)

const years = (text: string): ReadonlyArray<number> => {
  const year = Number(text.replace(/\D/g, ""))
  return year >= 100 ? [year] : [2000 + year, 1900 + year]
}

type Visit = (key: string, range: Range) => void

const isDay = (day: number): boolean => day >= 1 && day <= 31
const isMonth = (month: number): boolean => month >= 1 && month <= 12

const visitDate = (visit: Visit, range: Range, year: number, month: number, day: number | undefined): void => {
  if (!isMonth(month)) return
  if (day === undefined) visit(`${year}-${month}`, range)
  else if (isDay(day)) visit(`${year}-${month}-${day}`, range)
}

const scan = (source: string, visit: Visit): void => {
  const rangeOf = (match: RegExpExecArray): Range => ({
    start: match.index,
    end: match.index + match[0].trimEnd().replace(/[,\s-]+$/, "").length
  })
  for (const match of source.matchAll(yearFirst)) {
    visitDate(
      visit,
      rangeOf(match),
      Number(match[1]),
      Number(match[2]),
      match[3] === undefined ? undefined : Number(match[3])
    )
  }
  for (const match of source.matchAll(dayFirst)) {
    for (const year of years(match[3]!)) {
      visitDate(visit, rangeOf(match), year, Number(match[2]), Number(match[1]))
      visitDate(visit, rangeOf(match), year, Number(match[1]), Number(match[2]))
    }
  }
  for (const match of source.matchAll(named)) {
    if (match[4] === undefined) continue
    const day = match[1] ?? match[3]
    for (const year of years(match[4])) {
      visitDate(
        visit,
        rangeOf(match),
        year,
        monthOf.get(match[2]!.toLowerCase())!,
        day === undefined ? undefined : Number(day)
      )
    }
  }
}

export type DateIndex = ReadonlyMap<string, ReadonlyArray<Range>>

/** The dates of a text, by year, month and day. */
export const index = (source: string): DateIndex => {
  const found = new Map<string, Array<Range>>()
  scan(source, (key, range) => {
    const ranges = found.get(key)
    if (ranges === undefined) found.set(key, [range])
    else ranges.push(range)
  })
  return found
}

/** The dates that a text may mean if it is nothing but a date, or an ISO date with a time. */
export const keysOf = (text: string): ReadonlyArray<string> => {
  const trimmed = text.trim().replace(/^(\d{4}-\d{2}-\d{2})T[\d:.]+(?:Z|[+-]\d{2}:?\d{2})?$/, "$1")
  if (trimmed.length > 40 || !/\d/.test(trimmed)) return []
  const keys: Array<string> = []
  scan(trimmed, (key, { end, start }) => {
    if (start === 0 && end === trimmed.length) keys.push(key)
  })
  return keys
}
