/** A table of any length: only the rows that can be seen are elements. */
import { button, count, duration, h, money, replace, visible } from "./dom.ts"
import type { Item } from "./items.ts"

interface Column {
  readonly name: string
  readonly width: string
  readonly cell: (item: Item) => string
  readonly key: (item: Item) => number | string
}

const rowHeight = 30
const cellLength = 300
const unknown = -Infinity

const status = (item: Item): string => item.error === null ? "ok" : item.error.reason

const columnsOf = (items: ReadonlyArray<Item>): ReadonlyArray<Column> => [
  { name: "#", width: "4.8rem", cell: ({ index }) => String(index), key: ({ index }) => index },
  ...(items.some(({ id, index }) => id !== String(index))
    ? [{ name: "id", width: "8rem", cell: ({ id }: Item) => id, key: ({ id }: Item) => id }]
    : []),
  { name: "status", width: "8rem", cell: status, key: status },
  ...(items.some(({ text }) => text !== null)
    ? [{
      name: "text",
      width: "minmax(10rem, 1.2fr)",
      cell: ({ text }: Item) => text?.slice(0, cellLength) ?? "",
      key: ({ text }: Item) => text?.slice(0, 100) ?? ""
    }]
    : []),
  {
    name: "value",
    width: "minmax(12rem, 1.5fr)",
    cell: ({ error, value }) => (value ?? error?.message ?? "").slice(0, cellLength),
    key: ({ value }) => value?.slice(0, 100) ?? ""
  },
  { name: "answers", width: "5.2rem", cell: ({ attempts }) => String(attempts), key: ({ attempts }) => attempts },
  {
    name: "tokens",
    width: "5rem",
    cell: (item) => count(item.inputTokens + item.outputTokens),
    key: (item) => item.inputTokens + item.outputTokens
  },
  { name: "cost", width: "6rem", cell: ({ usd }) => usd === null ? "?" : money(usd), key: ({ usd }) => usd ?? unknown },
  ...(items.some(({ latency }) => latency !== null)
    ? [{
      name: "latency",
      width: "5.5rem",
      cell: ({ latency }: Item) => latency === null ? "" : duration(latency),
      key: ({ latency }: Item) => latency ?? unknown
    }]
    : []),
  ...(items.some(({ confidence }) => confidence !== null)
    ? [{
      name: "confidence",
      width: "7rem",
      cell: ({ confidence }: Item) => confidence?.toFixed(2) ?? "",
      key: ({ confidence }: Item) => confidence ?? unknown
    }]
    : []),
  ...(items.some(({ agrees }) => agrees !== null)
    ? [{
      name: "gold",
      width: "5.5rem",
      cell: ({ agrees }: Item) => agrees === null ? "" : agrees ? "same" : "different",
      key: ({ agrees }: Item) => agrees === null ? 2 : agrees ? 1 : 0
    }]
    : [])
]

export interface Table {
  readonly element: HTMLElement
  readonly setItems: (items: ReadonlyArray<Item>) => void
}

export const make = (onOpen: (item: Item) => void): Table => {
  let items: ReadonlyArray<Item> = []
  let columns: ReadonlyArray<Column> = []
  let sorted: ReadonlyArray<Item> = []
  let [sortedBy, isDescending] = ["#", false]
  let active = 0

  const header = h("div", { class: "row head", role: "row", "aria-rowindex": 1 })
  const body = h("div", { class: "body", role: "rowgroup" })
  const scroller = h("div", {
    class: "scroller",
    tabindex: 0,
    "aria-label": "Items. Move with the arrow keys, open with Enter"
  }, body)
  const element = h(
    "div",
    { class: "grid", role: "grid", "aria-label": "Items" },
    h("div", { class: "heads", role: "rowgroup" }, header),
    scroller
  )

  const sort = (): void => {
    const column = columns.find(({ name }) => name === sortedBy) ?? columns[0]!
    const direction = isDescending ? -1 : 1
    if (column.name === "#") {
      const isSorted = items.every((item, i) => i === 0 || (item.index - items[i - 1]!.index) * direction >= 0)
      sorted = isSorted ? items : items.toSorted((a, b) => (a.index - b.index) * direction)
      return
    }
    sorted = items
      .map((item) => ({ item, key: column.key(item) }))
      .toSorted((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : a.item.index - b.item.index) * direction)
      .map(({ item }) => item)
  }

  const drawHeader = (): void => {
    element.style.setProperty("--columns", columns.map(({ width }) => width).join(" "))
    element.setAttribute("aria-colcount", String(columns.length))
    replace(
      header,
      ...columns.map(({ name }) =>
        h(
          "div",
          {
            role: "columnheader",
            "aria-sort": name === sortedBy ? (isDescending ? "descending" : "ascending") : "none"
          },
          button(name === sortedBy ? `${name} ${isDescending ? "▾" : "▴"}` : name, () => {
            isDescending = name === sortedBy && !isDescending
            sortedBy = name
            update()
          }, { "aria-label": `Sort by ${name}` })
        )
      )
    )
  }

  const drawRows = (): void => {
    const from = Math.max(0, Math.floor(scroller.scrollTop / rowHeight) - 5)
    const to = Math.min(sorted.length, from + Math.ceil(scroller.clientHeight / rowHeight) + 10)
    replace(
      body,
      ...sorted.slice(from, to).map((item, i) => {
        const row = h(
          "div",
          {
            class: `row${item.error === null ? "" : " failed"}${from + i === active ? " active" : ""}`,
            role: "row",
            "aria-rowindex": from + i + 2,
            id: `row-${from + i}`
          },
          ...columns.map((column) => h("div", { role: "gridcell" }, visible(column.cell(item))))
        )
        row.style.top = `${(from + i) * rowHeight}px`
        row.addEventListener("click", () => {
          active = from + i
          drawRows()
          onOpen(item)
        })
        return row
      })
    )
    if (sorted.length > 0) scroller.setAttribute("aria-activedescendant", `row-${active}`)
  }

  const update = (): void => {
    sort()
    active = Math.min(active, Math.max(0, sorted.length - 1))
    body.style.height = `${sorted.length * rowHeight}px`
    element.setAttribute("aria-rowcount", String(sorted.length + 1))
    drawHeader()
    drawRows()
  }

  scroller.addEventListener("scroll", drawRows, { passive: true })
  new ResizeObserver(drawRows).observe(scroller)
  scroller.addEventListener("keydown", (event) => {
    const page = Math.max(1, Math.floor(scroller.clientHeight / rowHeight) - 1)
    const steps: Readonly<Record<string, number>> = {
      ArrowDown: 1,
      ArrowUp: -1,
      PageDown: page,
      PageUp: -page,
      Home: -Infinity,
      End: Infinity
    }
    const step = steps[event.key]
    const item = sorted[active]
    if (event.key === "Enter" && item !== undefined) onOpen(item)
    if (step === undefined || sorted.length === 0) return
    event.preventDefault()
    active = Math.min(sorted.length - 1, Math.max(0, active + step))
    const y = active * rowHeight
    if (y < scroller.scrollTop) scroller.scrollTop = y
    else if (y + rowHeight > scroller.scrollTop + scroller.clientHeight) {
      scroller.scrollTop = y + rowHeight - scroller.clientHeight
    }
    drawRows()
  })

  return {
    element,
    setItems: (next) => {
      items = next
      if (next.length > 0 || columns.length === 0) columns = columnsOf(next)
      update()
    }
  }
}
