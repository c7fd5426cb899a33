/** One item: the text beside the value, with the places that the value came from. */
import { button, count, duration, h, money, visible } from "./dom.ts"
import { type Item, leavesOf, type Mark, parse } from "./items.ts"

const shownAtFirst = 20_000
const searched = 500_000
const colors = 6

/** The leaves of a value that are in the text as they are. A run that records provenance has better marks. */
const findMarks = (text: string, value: unknown): ReadonlyArray<Mark> => {
  const lower = text.slice(0, searched).toLowerCase()
  const marks: Array<Mark> = []
  for (const { path, value: leaf } of leavesOf(value).slice(0, 200)) {
    if (typeof leaf !== "string" && typeof leaf !== "number") continue
    const quote = String(leaf).toLowerCase()
    if (quote.length === 0 || quote.length > 2000) continue
    const start = positionOf(lower, quote)
    if (start !== -1) marks.push({ path, start, end: start + quote.length })
  }
  return marks
}

/** Prefers whole words: 3 is not a part of 30. */
const positionOf = (text: string, quote: string): number => {
  const isWord = (char: string | undefined): boolean => char !== undefined && /[\p{L}\p{N}]/u.test(char)
  for (let at = text.indexOf(quote), tries = 0; at !== -1 && tries < 1000; at = text.indexOf(quote, at + 1), tries++) {
    if (!isWord(text[at - 1]) && !isWord(text[at + quote.length])) return at
  }
  return quote.length < 4 ? -1 : text.indexOf(quote)
}

const colorOf = (paths: ReadonlyArray<string>, path: string): number => paths.indexOf(path) % colors

const cut = (text: string, draw: (shown: string) => Node): HTMLElement => {
  const box = h("div", { class: "text" })
  if (text.length <= shownAtFirst) {
    box.append(draw(text))
    return box
  }
  box.append(
    draw(text.slice(0, shownAtFirst)),
    button(`Show all ${count(text.length)} characters`, () => box.replaceChildren(draw(text)), { class: "link" })
  )
  return box
}

const marked = (text: string, marks: ReadonlyArray<Mark>, paths: ReadonlyArray<string>): Node => {
  const fragment = document.createDocumentFragment()
  let at = 0
  for (const { end, path, start } of marks.toSorted((a, b) => a.start - b.start)) {
    if (start < at || start >= text.length) continue
    fragment.append(visible(text.slice(at, start)))
    fragment.append(
      h("mark", { class: `mark${colorOf(paths, path)}`, title: path }, visible(text.slice(start, end)))
    )
    at = end
  }
  fragment.append(visible(text.slice(at)))
  return fragment
}

const rows = (
  value: unknown,
  marks: ReadonlyArray<Mark>,
  paths: ReadonlyArray<string>,
  hasText: boolean
): HTMLElement => {
  const found = new Set(marks.map(({ path }) => path))
  const leaves = leavesOf(value)
  const body = leaves.slice(0, 500).map(({ path, value: leaf }) => {
    const isText = typeof leaf === "string" || typeof leaf === "number"
    const shown = cut(
      typeof leaf === "string" ? leaf : JSON.stringify(leaf),
      (text) => document.createTextNode(visible(text))
    )
    if (found.has(path)) shown.classList.add(`mark${colorOf(paths, path)}`)
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, visible(path === "" ? "value" : path)),
      h("td", {}, shown),
      h("td", { class: "muted" }, hasText && isText && !found.has(path) ? "not in the text" : "")
    )
  })
  if (leaves.length > 500) body.push(h("tr", {}, h("td", { colspan: 3 }, `and ${count(leaves.length - 500)} more`)))
  return h("table", { class: "value" }, h("tbody", {}, ...body))
}

export const detail = (item: Item): HTMLElement => {
  const value = parse(item.value)
  const marks = item.text === null || item.value === null
    ? []
    : item.marks ?? findMarks(item.text, value)
  const paths = [...new Set(marks.map(({ path }) => path))]
  const facts = [
    `${item.attempts} ${item.attempts === 1 ? "answer" : "answers"}`,
    `${count(item.inputTokens)} tokens in, ${count(item.outputTokens)} out`,
    item.usd === null ? "unknown cost" : money(item.usd),
    ...(item.latency === null ? [] : [duration(item.latency)]),
    ...(item.confidence === null ? [] : [`confidence ${item.confidence.toFixed(2)}`]),
    ...(item.restored ? ["from an earlier run"] : [])
  ]
  return h(
    "div",
    { class: "detail" },
    h("p", { class: "muted" }, facts.join(" · ")),
    h(
      "div",
      { class: "sides" },
      h(
        "section",
        { "aria-label": "Text" },
        h("h4", {}, "Text"),
        item.text === null
          ? h("p", { class: "muted" }, "The report was made without the texts.")
          : cut(item.text, (text) => marked(text, marks, paths))
      ),
      h(
        "section",
        { "aria-label": "Value" },
        h("h4", {}, item.error === null ? "Value" : `Failed: ${visible(item.error.reason)}`),
        item.error === null
          ? rows(value, marks, paths, item.text !== null)
          : h(
            "div",
            { class: "error" },
            cut(item.error.message, (text) => document.createTextNode(visible(text))),
            ...(item.error.issues ?? []).slice(0, 50).map((issue) => h("p", { class: "issue" }, visible(issue)))
          ),
        ...(item.gold === null
          ? []
          : [
            h("h4", {}, item.agrees === true ? "Gold: the same" : "Gold: different"),
            rows(parse(item.gold), [], [], false)
          ])
      )
    )
  )
}
