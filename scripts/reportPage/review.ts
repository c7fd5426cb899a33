/** Review of a random sample: marks values as right or wrong, writes a gold file, and says what the sample proves. */
import { upperBound } from "../../src/batch/internal/report/upperBound.ts"
import { detail } from "./detail.ts"
import { button, count, h, percent, replace, visible } from "./dom.ts"
import { type Item, parse } from "./items.ts"

interface Verdict {
  readonly isRight: boolean
  /** The corrected value, where the user gave one. */
  readonly value?: unknown
}

interface Review {
  readonly element: HTMLElement
  readonly setItems: (items: ReadonlyArray<Item>) => void
}

/** Mulberry32: the same seed draws the same sample. */
const random = (seed: number) => (): number => {
  seed = (seed + 0x6d2b79f5) | 0
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296
}

const draw = (items: ReadonlyArray<Item>, size: number, seed: number): ReadonlyArray<Item> => {
  const rest = [...items]
  const next = random(seed)
  const sample: Array<Item> = []
  while (sample.length < size && rest.length > 0) {
    const at = Math.floor(next() * rest.length)
    sample.push(rest[at]!)
    rest[at] = rest.at(-1)!
    rest.pop()
  }
  return sample
}

const save = (name: string, text: string): void => {
  const url = URL.createObjectURL(new Blob([text], { type: "application/x-ndjson" }))
  h("a", { href: url, download: name }).click()
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}

const proof = (size: number, errors: number): string =>
  size === 0
    ? "Nothing is reviewed yet."
    : `${count(errors)} of ${count(size)} reviewed values ${
      errors === 1 ? "is" : "are"
    } wrong. With 95 % confidence, ` +
      `at most ${percent(upperBound(size, errors, 0.95))} of all values are wrong.`

export const make = (): Review => {
  let items: ReadonlyArray<Item> = []
  let sample: ReadonlyArray<Item> = []
  let at = 0
  const verdicts = new Map<Item, Verdict>()

  const size = h("input", { type: "number", min: 1, value: 60, "aria-label": "Size of the sample" }) as HTMLInputElement
  const seed = h("input", { type: "number", value: 1, "aria-label": "Seed" }) as HTMLInputElement
  const editor = h("textarea", {
    rows: 8,
    spellcheck: "false",
    "aria-label": "The right value as JSON"
  }) as HTMLTextAreaElement
  const problem = h("p", { class: "problem", role: "alert" })
  const current = h("div")
  const state = h("p", { class: "proof", "aria-live": "polite" })

  const verdict = (value: Verdict): void => {
    const item = sample[at]
    if (item === undefined) return
    verdicts.set(item, value)
    at = Math.min(at + 1, sample.length)
    show()
  }

  const correct = (): void => {
    try {
      verdict({ isRight: false, value: JSON.parse(editor.value) })
    } catch (error) {
      replace(problem, `This is not JSON: ${String(error)}`)
    }
  }

  const start = (): void => {
    sample = draw(items.filter(({ value }) => value !== null), Math.max(1, Number(size.value) || 1), Number(seed.value))
    at = 0
    verdicts.clear()
    show()
  }

  const write = (): void => {
    const lines = sample.flatMap((item) => {
      const verdict = verdicts.get(item)
      if (verdict === undefined || (!verdict.isRight && verdict.value === undefined)) return []
      const value = verdict.isRight ? parse(item.value) : verdict.value
      return [`${JSON.stringify({ id: item.id, ...(item.text !== null && { text: item.text }), value })}\n`]
    })
    save("gold.jsonl", lines.join(""))
  }

  const show = (): void => {
    replace(problem)
    const errors = Array.from(verdicts.values()).filter(({ isRight }) => !isRight).length
    replace(state, proof(verdicts.size, errors))
    const item = sample[at]
    if (item === undefined) {
      replace(
        current,
        h("p", { class: "muted" }, sample.length === 0 ? "Draw a sample to begin." : "The whole sample is reviewed.")
      )
      return
    }
    const value = item.value ?? ""
    editor.value = value.length > 100_000 ? value : JSON.stringify(parse(value), null, 2)
    const known = verdicts.get(item)
    replace(
      current,
      h(
        "h3",
        {},
        `Item ${item.index}${item.id === String(item.index) ? "" : ` (${visible(item.id)})`}, ${
          at + 1
        } of ${sample.length}`
      ),
      known === undefined ? "" : h("p", { class: "muted" }, known.isRight ? "Marked right." : "Marked wrong."),
      detail(item),
      h(
        "div",
        { class: "actions" },
        button("Right", () => verdict({ isRight: true }), { accesskey: "r", class: "primary" }),
        button("Wrong", () => verdict({ isRight: false }), { accesskey: "w" }),
        button("Back", () => {
          at = Math.max(0, at - 1)
          show()
        }),
        button("Skip", () => {
          at++
          show()
        })
      ),
      h("details", {}, h("summary", {}, "Correct the value"), editor, problem, button("Save the correction", correct))
    )
  }

  const element = h(
    "div",
    { class: "review" },
    h(
      "div",
      { class: "actions" },
      h("label", {}, "Sample ", size),
      h("label", {}, "Seed ", seed),
      button("Draw a sample", start, { class: "primary" }),
      button("Write the gold file", write)
    ),
    state,
    current
  )
  show()
  return {
    element,
    setItems: (next) => {
      items = next
    }
  }
}
