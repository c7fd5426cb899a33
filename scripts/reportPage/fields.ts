/** The distribution of the values of each field. */
import { button, count, h, percent, visible } from "./dom.ts"
import { type Item, leavesOf, parse } from "./items.ts"

interface Field {
  readonly path: string
  /** Items with at least one value. */
  items: number
  values: number
  nulls: number
  readonly numbers: Array<number>
  readonly texts: Map<string, number>
  /** Whether some texts are not in `texts`, because there are too many. */
  isCut: boolean
  lastIndex: number
}

const maxFields = 60
const maxTexts = 5000
const barsShown = 8
const longest = 80

export const collect = (items: ReadonlyArray<Item>): ReadonlyArray<Field> => {
  const fields = new Map<string, Field>()
  for (const item of items) {
    if (item.value === null) continue
    for (const { path, value } of leavesOf(parse(item.value))) {
      let field = fields.get(path)
      if (field === undefined) {
        if (fields.size === maxFields) continue
        field = { path, items: 0, values: 0, nulls: 0, numbers: [], texts: new Map(), isCut: false, lastIndex: -1 }
        fields.set(path, field)
      }
      field.values++
      if (field.lastIndex !== item.index) field.items++
      field.lastIndex = item.index
      if (value === null) field.nulls++
      else if (typeof value === "number") field.numbers.push(value)
      else {
        const text = (typeof value === "string" ? value : JSON.stringify(value)).slice(0, longest)
        const known = field.texts.get(text)
        if (known !== undefined || field.texts.size < maxTexts) field.texts.set(text, (known ?? 0) + 1)
        else field.isCut = true
      }
    }
  }
  return Array.from(fields.values())
}

interface Bar {
  readonly label: string
  readonly count: number
  readonly search: string | undefined
}

const histogram = (numbers: ReadonlyArray<number>): ReadonlyArray<Bar> => {
  const distinct = new Set(numbers)
  if (distinct.size <= barsShown) {
    return Array.from(distinct).toSorted((a, b) => a - b).map((value) => ({
      label: String(value),
      count: numbers.filter((number) => number === value).length,
      search: undefined
    }))
  }
  let [min, max] = [Infinity, -Infinity]
  for (const number of numbers) {
    if (number < min) min = number
    if (number > max) max = number
  }
  const counts = Array.from({ length: barsShown }, () => 0)
  // The span of two large numbers may be infinite.
  const span = max / 2 - min / 2
  for (const number of numbers) {
    counts[Math.min(barsShown - 1, Math.floor(((number / 2 - min / 2) / span) * barsShown))]!++
  }
  if (span * 2 >= barsShown && numbers.every(Number.isInteger)) {
    const width = Math.ceil((max - min + 1) / barsShown)
    return Array.from({ length: Math.ceil((max - min + 1) / width) }, (_, i) => {
      const [from, to] = [min + i * width, Math.min(max, min + (i + 1) * width - 1)]
      return {
        label: from === to ? String(from) : `${from} – ${to}`,
        count: numbers.filter((number) => number >= from && number <= to).length,
        search: undefined
      }
    })
  }
  const edge = (i: number): string => String(Number(((min / 2 + (span * i) / barsShown) * 2).toPrecision(4)))
  return counts.map((count, i) => ({ label: `${edge(i)} – ${edge(i + 1)}`, count, search: undefined }))
}

const most = (texts: ReadonlyMap<string, number>): ReadonlyArray<Bar> =>
  Array.from(texts).toSorted(([, a], [, b]) => b - a).slice(0, barsShown).map(([label, count]) => ({
    label,
    count,
    search: label.length < longest ? label : undefined
  }))

const barsOf = (bars: ReadonlyArray<Bar>, search: (text: string) => void): HTMLElement => {
  const max = Math.max(...bars.map(({ count }) => count), 1)
  return h(
    "ul",
    { class: "bars" },
    ...bars.map((bar) => {
      const fill = h("span", { class: "fill", "aria-hidden": "true" })
      fill.style.width = `${(bar.count / max) * 100}%`
      const label = bar.label === "" ? "(empty)" : visible(bar.label)
      const text = bar.search
      return h(
        "li",
        {},
        fill,
        text === undefined || text === ""
          ? h("span", { class: "label" }, label)
          : button(label, () => search(text), { class: "label link", title: "Show the items with this value" }),
        h("span", { class: "number" }, count(bar.count))
      )
    })
  )
}

export const distributions = (
  fields: ReadonlyArray<Field>,
  succeeded: number,
  search: (text: string) => void
): HTMLElement =>
  fields.length === 0
    ? h("p", { class: "muted" }, "There are no values.")
    : h(
      "div",
      { class: "fields" },
      ...fields.map((field) => {
        const { numbers, texts } = field
        const facts = [
          `in ${percent(field.items / Math.max(1, succeeded))} of the values`,
          ...(field.nulls > 0 ? [`${count(field.nulls)} null`] : []),
          ...(texts.size > 0 ? [`${field.isCut ? "over " : ""}${count(texts.size)} different`] : [])
        ]
        return h(
          "section",
          { class: "field" },
          h("h3", {}, visible(field.path === "" ? "value" : field.path)),
          h("p", { class: "muted" }, facts.join(", ")),
          numbers.length > 0 ? barsOf(histogram(numbers), search) : undefined,
          texts.size > 0 ? barsOf(most(texts), search) : undefined
        )
      })
    )
