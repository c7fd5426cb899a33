/** The items of a report: what the page reads from the data blocks of its own file, or from the server of a live run. */

/** A part of the text that a leaf of the value came from. */
export interface Mark {
  readonly path: string
  readonly start: number
  readonly end: number
}

interface ItemError {
  readonly reason: string
  readonly message: string
  readonly issues?: ReadonlyArray<string>
}

/** The order is that of `toRow` in `src/batch/internal/report/rows.ts`. */
type Row = readonly [
  index: number,
  id: string,
  text: string | null,
  value: string | null,
  error: ItemError | null,
  attempts: number,
  inputTokens: number,
  outputTokens: number,
  usd: number | null,
  latency: number | null,
  at: number | null,
  restored: 0 | 1,
  confidence: number | null,
  marks: ReadonlyArray<readonly [string, number, number]> | null,
  gold: string | null
]

export interface Item {
  readonly index: number
  readonly id: string
  readonly text: string | null
  /** The value as JSON. It is parsed when it is needed. */
  readonly value: string | null
  readonly error: ItemError | null
  readonly attempts: number
  readonly inputTokens: number
  readonly outputTokens: number
  /** `null` if a part of the cost is unknown. */
  readonly usd: number | null
  readonly latency: number | null
  /** When it finished, in milliseconds since 1970. */
  readonly at: number | null
  readonly restored: boolean
  readonly confidence: number | null
  readonly marks: ReadonlyArray<Mark> | null
  readonly gold: string | null
  /** Whether the value is the expected one; `null` without an expected value. */
  readonly agrees: boolean | null
}

export interface Meta {
  readonly title: string
  /** Figures of the run that no item has: retries and waits, for example. */
  readonly figures: ReadonlyArray<readonly [name: string, value: string]>
  /** Where a live run serves its next items. */
  readonly live?: string
}

export const toItem = (row: Row): Item => ({
  index: row[0],
  id: row[1],
  text: row[2],
  value: row[3],
  error: row[4],
  attempts: row[5],
  inputTokens: row[6],
  outputTokens: row[7],
  usd: row[8],
  latency: row[9],
  at: row[10],
  restored: row[11] === 1,
  confidence: row[12],
  marks: row[13]?.map(([path, start, end]) => ({ path, start, end })) ?? null,
  gold: row[14],
  agrees: row[14] === null ? null : row[3] !== null && canonical(row[3]) === canonical(row[14])
})

/** JSON with the keys of each object in order. */
const canonical = (json: string): string => {
  try {
    return JSON.stringify(sorted(JSON.parse(json)))
  } catch {
    return json
  }
}

const sorted = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(sorted)
    : typeof value === "object" && value !== null
    ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => a < b ? -1 : 1).map(([k, v]) => [k, sorted(v)]))
    : value

export const parse = (json: string | null): unknown => {
  if (json === null) return undefined
  try {
    return JSON.parse(json)
  } catch {
    return json
  }
}

export const readMeta = (): Meta => JSON.parse(document.querySelector("#meta")!.textContent)

/** Takes the items out of the page, so that their text is not held twice. */
export const readItems = (): Array<Item> => {
  const items: Array<Item> = []
  for (const block of document.querySelectorAll("script.items")) {
    for (const row of JSON.parse(block.textContent) as ReadonlyArray<Row>) items.push(toItem(row))
    block.remove()
  }
  return items
}

export interface Leaf {
  /** Such as `address.city` or `items[].price`. */
  readonly path: string
  readonly value: unknown
}

const maxLeaves = 2000

/** The leaves of a value. The elements of a list share a path. */
export const leavesOf = (value: unknown): ReadonlyArray<Leaf> => {
  const leaves: Array<Leaf> = []
  const open: Array<Leaf> = [{ path: "", value }]
  while (open.length > 0 && leaves.length < maxLeaves) {
    const { path, value } = open.pop()!
    if (Array.isArray(value)) {
      for (let i = Math.min(value.length, maxLeaves) - 1; i >= 0; i--) open.push({ path: `${path}[]`, value: value[i] })
    } else if (typeof value === "object" && value !== null) {
      const entries = Object.entries(value).slice(0, maxLeaves)
      for (const [key, inner] of entries.toReversed()) {
        open.push({ path: path === "" ? key : `${path}.${key}`, value: inner })
      }
    } else {
      leaves.push({ path, value })
    }
  }
  return leaves
}
