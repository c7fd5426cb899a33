/** The items of a run that goes on, for pages that ask for them. `BatchReport` exports it. */
import * as Effect from "effect/Effect"
import type { ReportEntry } from "./entry.ts"
import * as Html from "./html.ts"

/**
 * The report of a run that goes on: what `live` makes.
 *
 * @category models
 * @since 0.1.0
 */
export interface LiveReport {
  /**
   * The page as HTML. It asks `url` for the items every second, with the query parameter `from` added: the number of items
   * that it has. So the URL needs a query already, such as `/items?token=…`.
   */
  readonly page: (url: string) => string
  /** Adds items that have finished. Those beyond the memory limit are counted in `dropped`, and not shown. */
  readonly add: (entries: Iterable<ReportEntry>) => Effect.Effect<void>
  /** The answer to a page that has the first `from` items, as JSON. `figures` are shown beside those of the items. */
  readonly answer: (from: number, figures?: LiveFigures) => Effect.Effect<string>
  /** Tells the pages that no further items come. */
  readonly end: Effect.Effect<void>
  /** The number of items that were not kept. */
  readonly dropped: Effect.Effect<number>
}

/**
 * Figures of a live report: names with their values.
 *
 * @category models
 * @since 0.1.0
 */
export type LiveFigures = ReadonlyArray<readonly [name: string, value: string]>

/**
 * Options of `live`.
 *
 * @category models
 * @since 0.1.0
 */
export interface LiveOptions {
  /** Default "Run". */
  readonly title?: string | undefined
  /** The most memory for items, in bytes. Later items are not shown. Default 128 MB. */
  readonly maxBytes?: number | undefined
}

const defaultMaxBytes = 128 * 1024 * 1024

/** Larger answers would hold up the run for too long at once. */
const maxAnswerLength = 1024 * 1024

export const make = ({ maxBytes = defaultMaxBytes, title }: LiveOptions = {}): LiveReport => {
  const rows: Array<string> = []
  let bytes = 0
  let dropped = 0
  let isOver = false

  const add = (entry: ReportEntry): void => {
    const row = Html.row(entry)
    // A string has two bytes for each code unit, unless all are Latin-1.
    bytes += 2 * row.length
    // What comes after a dropped item is dropped too, so that the position of an item never changes.
    if (bytes > maxBytes) dropped++
    else rows.push(row)
  }

  const answer = (from: number, figures: LiveFigures = []): string => {
    const some: Array<string> = []
    let at = from
    for (let length = 0; at < rows.length && (length === 0 || length < maxAnswerLength); at++) {
      some.push(rows[at]!)
      length += rows[at]!.length
    }
    const more = at < rows.length
    const state = JSON.stringify({ done: isOver && !more, more, figures })
    return `${state.slice(0, -1)},"rows":[${some.join(",")}]}`
  }

  return {
    page: (url) => Html.page({ title, live: url }),
    add: (entries) =>
      Effect.sync(() => {
        for (const entry of entries) add(entry)
      }),
    answer: (from, figures) => Effect.sync(() => answer(from, figures)),
    end: Effect.sync(() => {
      isOver = true
    }),
    dropped: Effect.sync(() => dropped)
  }
}
