/** Charts of a run over its time. Without times, over its items in the order in which they finished. */
import { count, duration, h, money } from "./dom.ts"
import type { Item } from "./items.ts"

interface Series {
  readonly name: string
  readonly values: ReadonlyArray<number | undefined>
}

interface Chart {
  readonly title: string
  readonly series: ReadonlyArray<Series>
  readonly format: (value: number) => string
  /** The labels of both ends of the horizontal axis. */
  readonly ends: readonly [string, string]
}

const [width, height] = [360, 130]
const [left, right, top, bottom] = [4, 4, 10, 4]

const draw = ({ ends, format, series, title }: Chart): HTMLElement => {
  const all = series.flatMap(({ values }) => values.filter((value) => value !== undefined))
  const max = Math.max(...all, 0)
  const lastOf = ({ values }: Series): number | undefined => values.findLast((value) => value !== undefined)
  const label = `${title}: highest ${format(max)}; at the end ${
    series.map((one) => `${one.name} ${lastOf(one) === undefined ? "unknown" : format(lastOf(one)!)}`).join(", ")
  }`
  const x = (i: number, n: number): number => left + (n < 2 ? 0 : i / (n - 1)) * (width - left - right)
  const y = (value: number): number => height - bottom - (max === 0 ? 0 : value / max) * (height - top - bottom)
  const lines = series.map(({ values }, number) => {
    const points = values.flatMap((value, i) =>
      value === undefined ? [] : [`${x(i, values.length).toFixed(1)},${y(value).toFixed(1)}`]
    )
    return h("polyline", { class: `line line${number}`, points: points.join(" ") })
  })
  return h(
    "figure",
    { class: "chart" },
    h("figcaption", {}, title, h("span", { class: "max" }, `max ${format(max)}`)),
    h(
      "svg",
      { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label, preserveAspectRatio: "none" },
      ...[0, 0.5, 1].map((share) =>
        h("line", { class: "grid", x1: left, x2: width - right, y1: y(max * share), y2: y(max * share) })
      ),
      ...lines
    ),
    h("div", { class: "ends" }, h("span", {}, ends[0]), h("span", {}, ends[1])),
    series.length < 2
      ? undefined
      : h("div", { class: "legend" }, ...series.map(({ name }, i) => h("span", { class: `key key${i}` }, name)))
  )
}

const buckets = 60

const quantileOf = (values: Array<number>, share: number): number | undefined => {
  if (values.length === 0) return undefined
  values.sort((a, b) => a - b)
  return values[Math.min(values.length - 1, Math.ceil(values.length * share) - 1)]
}

export const charts = (all: ReadonlyArray<Item>): HTMLElement => {
  const timed = all.filter(({ at }) => at !== null).toSorted((a, b) => a.at! - b.at!)
  const hasTimes = timed.length > 1 && timed.at(-1)!.at! > timed[0]!.at!
  const items = hasTimes ? timed : all
  if (items.length < 2) return h("p", { class: "muted" }, "Charts need at least two items.")
  const start = hasTimes ? items[0]!.at! : 0
  const span = hasTimes ? items.at(-1)!.at! - start : items.length - 1
  const n = Math.max(2, Math.min(buckets, items.length))
  const slots = Array.from({ length: n }, () => ({
    items: 0,
    failed: 0,
    tokens: 0,
    usd: 0,
    attempts: 0,
    latencies: [] as Array<number>
  }))
  for (const [i, item] of items.entries()) {
    const at = hasTimes ? item.at! - start : i
    const slot = slots[Math.min(n - 1, Math.floor((at / span) * n))]!
    slot.items++
    if (item.error !== null) slot.failed++
    slot.tokens += item.inputTokens + item.outputTokens
    slot.usd += item.usd ?? 0
    slot.attempts += item.attempts
    if (item.latency !== null) slot.latencies.push(item.latency)
  }
  const ends: readonly [string, string] = hasTimes
    ? ["0", duration(span)]
    : ["first item", `item ${count(items.length)}`]
  const seconds = span / n / 1000
  const cumulative = (of: (slot: typeof slots[number]) => number): ReadonlyArray<number> => {
    let sum = 0
    return slots.map((slot) => sum += of(slot))
  }
  const list: Array<Chart> = []
  if (hasTimes) {
    list.push({
      title: "Throughput",
      series: [{ name: "items per second", values: slots.map((slot) => slot.items / seconds) }],
      format: (value) => `${value.toPrecision(3)}/s`,
      ends
    })
  }
  if (slots.some(({ latencies }) => latencies.length > 0)) {
    list.push({
      title: "Latency",
      series: [
        { name: "p50", values: slots.map(({ latencies }) => quantileOf(latencies, 0.5)) },
        { name: "p95", values: slots.map(({ latencies }) => quantileOf(latencies, 0.95)) }
      ],
      format: duration,
      ends
    })
  }
  list.push(
    {
      title: "Cost so far",
      series: [{ name: "US dollars", values: cumulative(({ usd }) => usd) }],
      format: money,
      ends
    },
    {
      title: "Tokens so far",
      series: [{ name: "tokens", values: cumulative(({ tokens }) => tokens) }],
      format: count,
      ends
    },
    {
      title: "Failures so far",
      series: [{ name: "failed items", values: cumulative(({ failed }) => failed) }],
      format: count,
      ends
    },
    {
      title: "Answers per item",
      series: [{
        name: "answers",
        values: slots.map((slot) => slot.items === 0 ? undefined : slot.attempts / slot.items)
      }],
      format: (value) => value.toFixed(2),
      ends
    }
  )
  return h("div", { class: "charts" }, ...list.map(draw))
}
