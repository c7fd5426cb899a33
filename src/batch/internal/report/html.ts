/** The file of a report: the page, and the items as blocks of JSON that the browser does not run. */
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type * as Usage from "../../../llm/Usage.ts"
import type { Options, ReportEntry } from "./entry.ts"
import { script, scriptHash, style, styleHash } from "./page.ts"

/** Nothing from a run can end the block that it is in. */
const embedded = (value: unknown): string => JSON.stringify(value).replace(/</g, "\\u003c")

const escaped = (text: string): string => text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`)

interface Page extends Options {
  /** The URL of the next items of a live run. */
  readonly live?: string | undefined
}

const defaultTitle = "Run"

const head = ({ figures, live, title = defaultTitle }: Page): string => {
  const policy =
    `default-src 'none'; script-src '${scriptHash}'; style-src '${styleHash}'; img-src data:; base-uri 'none'; ` +
    `form-action 'none'${live === undefined ? "" : "; connect-src 'self'"}`
  const meta = { title, figures: figures ?? [], ...(live !== undefined && { live }) }
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>${escaped(title)}</title>
<style>${style}</style>
</head>
<body>
<noscript>This report needs JavaScript. Its items are in this file as JSON.</noscript>
<script type="application/json" id="meta">${embedded(meta)}</script>
`
}

const block = (entries: ReadonlyArray<ReportEntry>): string =>
  `<script type="application/json" class="items">[${
    entries.map((entry) => embedded(toRow(entry))).join(",\n")
  }]</script>\n`

const tail = `<script>${script}</script>
</body>
</html>
`

const entriesPerBlock = 2000

/** The file, part by part. */
export const render = <E, R>(
  entries: Stream.Stream<ReportEntry, E, R>,
  page: Page
): Stream.Stream<string, E, R> =>
  Stream.make(head(page)).pipe(
    Stream.concat(entries.pipe(Stream.grouped(entriesPerBlock), Stream.map(block))),
    Stream.concat(Stream.make(tail))
  )

/** A page without items, which it asks for. */
export const page = (options: Page): string => `${head(options)}${tail}`

/** An entry as JSON. */
export const row = (entry: ReportEntry): string => JSON.stringify(toRow(entry))

/** An entry as an array. `scripts/reportPage/items.ts` reads it. */
const toRow = (entry: ReportEntry): ReadonlyArray<Schema.Json> => {
  const { attempts, confidence, error, finishedAt, gold, id, index, latencyMillis, provenance, text, usage } = entry
  return [
    index,
    id ?? String(index),
    text ?? null,
    error === undefined ? JSON.stringify(entry.value ?? null) : null,
    error === undefined
      ? null
      : {
        reason: error.reason,
        message: error.message,
        ...(error.issues !== undefined && { issues: error.issues })
      },
    attempts,
    usage.inputTokens,
    usage.outputTokens,
    costOf(usage),
    latencyMillis ?? null,
    finishedAt ?? null,
    entry.restored === true ? 1 : 0,
    confidence ?? null,
    provenance === undefined ? null : provenance.map(({ end, path, start }) => [path, start, end]),
    gold === undefined ? null : JSON.stringify(gold)
  ]
}

const costOf = (usage: Usage.Usage): number | null => usage.unpriced > 0 ? null : usage.usd
