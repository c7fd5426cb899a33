/** The page of a report. `scripts/reportPage.ts` bundles it into `src/batch/internal/report/page.ts`. */
import * as Charts from "./charts.ts"
import { detail } from "./detail.ts"
import { button, count, h, replace, visible } from "./dom.ts"
import * as Fields from "./fields.ts"
import { type Item, readItems, readMeta, toItem } from "./items.ts"
import * as Review from "./review.ts"
import * as Summary from "./summary.ts"
import * as Table from "./table.ts"

const meta = readMeta()
const items = readItems()

const filter = { text: "", status: "" }

const searchBox = h("input", {
  type: "search",
  placeholder: "Search texts, values and errors",
  "aria-label": "Search"
}) as HTMLInputElement
const statusBox = h("select", { "aria-label": "Status" }) as HTMLSelectElement
const shown = h("span", { class: "muted", "aria-live": "polite" })
const panel = h("div", { class: "panel", tabindex: -1 })

const openItem = (item: Item): void => {
  const title = `Item ${item.index}${item.id === String(item.index) ? "" : ` (${visible(item.id)})`}`
  const close = (): void => replace(panel)
  replace(panel, h("header", {}, h("h3", {}, title), button("Close", close)), detail(item))
}

const table = Table.make(openItem)

const includes = (text: string | null | undefined, part: string): boolean =>
  text !== null && text !== undefined && text.toLowerCase().includes(part)

const isShown = (item: Item, part: string, jsonPart: string): boolean =>
  (filter.status === "" || filter.status === "ok" && item.error === null ||
    filter.status === "error" && item.error !== null || filter.status === item.error?.reason ||
    filter.status === "different" && item.agrees === false ||
    filter.status === "again" && item.attempts > 1) &&
  (part === "" || includes(item.text, part) || includes(item.value, jsonPart) || includes(item.error?.message, part) ||
    item.id.toLowerCase().includes(part))

const applyFilter = (): void => {
  const part = filter.text.trim().toLowerCase()
  // The values are searched as JSON.
  const jsonPart = JSON.stringify(part).slice(1, -1)
  const some = part === "" && filter.status === "" ? items : items.filter((item) => isShown(item, part, jsonPart))
  replace(shown, `${count(some.length)} of ${count(items.length)} items`)
  table.setItems(some)
}

let timer: ReturnType<typeof setTimeout> | undefined
searchBox.addEventListener("input", () => {
  clearTimeout(timer)
  timer = setTimeout(() => {
    filter.text = searchBox.value
    applyFilter()
  }, 120)
})
statusBox.addEventListener("change", () => {
  filter.status = statusBox.value
  applyFilter()
})

const show = (change: Partial<typeof filter>): void => {
  Object.assign(filter, change)
  searchBox.value = filter.text
  statusBox.value = filter.status
  applyFilter()
  itemsSection.scrollIntoView()
}

const drawStatuses = (): void => {
  const reasons = [...new Set(items.flatMap(({ error }) => error === null ? [] : [error.reason]))].toSorted()
  const options: Array<readonly [string, string]> = [["", "All items"], ["ok", "Succeeded"], ["error", "Failed"]]
  for (const reason of reasons) options.push([reason, `Failed: ${visible(reason)}`])
  if (items.some(({ attempts }) => attempts > 1)) options.push(["again", "More than one answer"])
  if (items.some(({ agrees }) => agrees === false)) options.push(["different", "Different from gold"])
  replace(statusBox, ...options.map(([value, label]) => h("option", { value }, label)))
  statusBox.value = filter.status
}

const summarySection = h("section", { "aria-label": "Summary" })
const failuresBox = h("div")
const chartsBox = h("div")
const fieldsBox = h("div")
const itemsSection = h(
  "section",
  { id: "items" },
  h("h2", {}, "Items"),
  h("div", { class: "filters" }, searchBox, statusBox, shown),
  table.element,
  panel
)
const review = Review.make()

const section = (id: string, title: string, ...children: ReadonlyArray<Node>): HTMLElement =>
  h("section", { id }, h("h2", {}, title), ...children)

const sections = ["items", "time", "values", "failures", "review"] as const
const names = { items: "Items", time: "Over time", values: "Values", failures: "Failures", review: "Review" }

const drawFigures = (): void => replace(summarySection, Summary.cards(items, meta))

/** What takes long is drawn when it comes near the window. */
const lazy = (box: HTMLElement, draw: () => Node): () => void => {
  let isDrawn = false
  let isNear = false
  const update = (): void => {
    if (!isNear || isDrawn) return
    isDrawn = true
    replace(box, draw())
  }
  box.style.minHeight = "8rem"
  new IntersectionObserver(([entry]) => {
    isNear = entry!.isIntersecting
    update()
  }, { rootMargin: "300px" }).observe(box)
  addEventListener("beforeprint", () => {
    isNear = true
    update()
  })
  return () => {
    isDrawn = false
    update()
  }
}

const redraws = [
  lazy(chartsBox, () => Charts.charts(items)),
  lazy(fieldsBox, () => {
    const succeeded = items.filter(({ value }) => value !== null).length
    return Fields.distributions(Fields.collect(items), succeeded, (text) => show({ text, status: "" }))
  }),
  lazy(failuresBox, () =>
    Summary.failures(items, {
      reason: (reason) => show({ status: reason, text: "" }),
      item: (item) => {
        openItem(item)
        panel.scrollIntoView()
      }
    }))
]

const drawRest = (): void => {
  drawStatuses()
  for (const redraw of redraws) redraw()
  review.setItems(items)
}

const live = h("span", { class: "live", role: "status" })

/** Asks a live run for the items that the page does not have. */
const follow = async (url: string): Promise<void> => {
  let isStale = false
  for (let isOver = false; !isOver;) {
    try {
      const response = await fetch(`${url}&from=${items.length}`)
      const { done, figures, more, rows } = await response.json()
      isOver = done === true
      Object.assign(meta, { figures })
      for (const row of rows) items.push(toItem(row))
      isStale ||= rows.length > 0
      if (more === true) continue
      drawFigures()
      if (isStale || isOver) {
        drawRest()
        applyFilter()
      }
      isStale = false
      replace(live, isOver ? "The run is over" : "Live")
    } catch {
      replace(live, "The run cannot be reached")
    }
    await new Promise((resolve) => setTimeout(resolve, 1000))
  }
}

document.body.append(
  h(
    "header",
    { class: "top" },
    h("h1", {}, visible(meta.title)),
    h("nav", { "aria-label": "Sections" }, ...sections.map((id) => h("a", { href: `#${id}` }, names[id]))),
    live
  ),
  h(
    "main",
    {},
    summarySection,
    itemsSection,
    section("time", names.time, chartsBox),
    section("values", names.values, fieldsBox),
    section("failures", names.failures, failuresBox),
    section("review", names.review, review.element)
  )
)
drawFigures()
drawRest()
applyFilter()
document.body.dataset["ready"] = "all"
if (meta.live !== undefined) void follow(meta.live)
