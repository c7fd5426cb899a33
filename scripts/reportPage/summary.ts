/** The figures of a run: counts, failures by reason with examples, tokens, cost, time. */
import { button, count, duration, h, money, percent, visible } from "./dom.ts"
import type { Item, Meta } from "./items.ts"

const quantile = (sorted: ReadonlyArray<number>, share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(sorted.length * share) - 1))]!

export const cards = (items: ReadonlyArray<Item>, meta: Meta): HTMLElement => {
  let [failed, restored, attempts, input, output, usd, unpriced, agree, gold] = [0, 0, 0, 0, 0, 0, 0, 0, 0]
  let [first, last] = [Infinity, -Infinity]
  const latencies: Array<number> = []
  for (const item of items) {
    if (item.error !== null) failed++
    if (item.restored) restored++
    attempts += item.attempts
    input += item.inputTokens
    output += item.outputTokens
    if (item.usd === null) unpriced++
    else usd += item.usd
    if (item.latency !== null) latencies.push(item.latency)
    if (item.at !== null) {
      first = Math.min(first, item.at - (item.latency ?? 0))
      last = Math.max(last, item.at)
    }
    if (item.agrees !== null) {
      gold++
      if (item.agrees) agree++
    }
  }
  const sorted = Float64Array.from(latencies).toSorted() as unknown as ReadonlyArray<number>
  const total = items.length
  const list: Array<readonly [name: string, value: string, more?: string | undefined]> = [
    ["Items", count(total), restored > 0 ? `${count(restored)} from an earlier run` : undefined],
    ["Succeeded", count(total - failed), total === 0 ? undefined : percent((total - failed) / total)],
    ["Failed", count(failed), total === 0 ? undefined : percent(failed / total)],
    ["Answers", count(attempts), total === 0 ? undefined : `${(attempts / total).toFixed(2)} per item`],
    ["Tokens", count(input + output), `${count(input)} in, ${count(output)} out`],
    ["Cost", money(usd), unpriced > 0 ? `without ${count(unpriced)} items of unknown cost` : undefined]
  ]
  if (sorted.length > 0) {
    list.push(["Latency p50", duration(quantile(sorted, 0.5)), `p99 ${duration(quantile(sorted, 0.99))}`])
  }
  if (last > first && Number.isFinite(first)) {
    list.push(["Time", duration(last - first), `${(total / ((last - first) / 1000)).toPrecision(3)} items/s`])
  }
  if (gold > 0) list.push(["Equal to gold", percent(agree / gold), `${count(agree)} of ${count(gold)}`])
  for (const [name, value] of meta.figures) list.push([name, value])
  return h(
    "dl",
    { class: "cards" },
    ...list.map(([name, value, more]) =>
      h(
        "div",
        {},
        h("dt", {}, name),
        h("dd", {}, h("b", {}, value), more === undefined ? undefined : h("small", {}, more))
      )
    )
  )
}

const examplesShown = 3

export const failures = (
  items: ReadonlyArray<Item>,
  show: { readonly reason: (reason: string) => void; readonly item: (item: Item) => void }
): HTMLElement => {
  const byReason = new Map<string, Array<Item>>()
  for (const item of items) {
    if (item.error === null) continue
    const some = byReason.get(item.error.reason)
    if (some === undefined) byReason.set(item.error.reason, [item])
    else some.push(item)
  }
  if (byReason.size === 0) return h("p", { class: "muted" }, "No item failed.")
  const groups = Array.from(byReason).toSorted(([, a], [, b]) => b.length - a.length)
  return h(
    "div",
    { class: "failures" },
    ...groups.map(([reason, some]) =>
      h(
        "section",
        {},
        h(
          "h3",
          {},
          button(`${visible(reason)}: ${count(some.length)}`, () => show.reason(reason), { class: "link" }),
          h("small", {}, ` ${percent(some.length / items.length)} of all items`)
        ),
        h(
          "ul",
          {},
          ...some.slice(0, examplesShown).map((item) =>
            h(
              "li",
              {},
              button(`#${item.index}`, () => show.item(item), { class: "link", "aria-label": `Item ${item.index}` }),
              ` ${visible(item.error!.message.slice(0, 300))}`
            )
          )
        )
      )
    )
  )
}
