/** `effect-instructor export`: the values of a run alone, as JSON lines or as a table. */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Csv from "effect/encoding/Csv"
import type * as FileSystem from "effect/FileSystem"
import * as Stream from "effect/Stream"
import type { ReportEntry } from "../../batch/BatchReport.ts"
import type * as Distillation from "../../evaluation/Distillation.ts"
import { type CommandFailure, usage } from "../commandFailure.ts"
import * as Beside from "../input/beside.ts"
import * as Results from "../input/results.ts"
import * as ExtractionOptions from "../options/extraction.ts"
import * as Flags from "../options/flags.ts"
import * as ResultsOptions from "../options/results.ts"
import * as FineTuning from "../output/fineTuning.ts"
import * as TableFile from "../output/tableFile.ts"
import * as Tables from "../output/tables.ts"
import * as TypedTable from "../output/typedTable.ts"
import * as WholeFile from "../output/wholeFile.ts"
import * as Format from "../progress/format.ts"

const valueFormats = ["jsonl", "json", "csv", "tsv", ...TableFile.formats] as const
const formats = [...valueFormats, ...FineTuning.formats] as const

const flags = {
  ...ResultsOptions.flags,
  output: Flag.String("output").pipe(
    Flag.withAlias("o"),
    Flag.withDescription(
      "A .csv, .tsv, .jsonl, .json, .sqlite or .parquet file, or - for standard output (the default)"
    ),
    Flag.withMetavar("file"),
    Flag.withDefault("-")
  ),
  format: Flag.Literals("format", formats).pipe(
    Flag.withDescription(
      "The format of the output (default: what its name says, otherwise jsonl). The last three are examples for fine-tuning"
    ),
    Flags.optional
  ),
  schema: Flags.optional(Flags.schema),
  instructions: Flags.extraction.instructions,
  instructionsFile: Flags.extraction.instructionsFile,
  mode: Flags.extraction.mode,
  failures: Flags.enabled("failures").pipe(
    Flag.withDescription("Keep failed items in a table, with the reason in the column error")
  )
}

type Entry = ReportEntry

export const exportValues = Command.make("export", flags, (options) =>
  Effect.gen(function*() {
    const { failures, input, output, results } = options
    const format = options.format ?? valueFormats.find((name) => output.toLowerCase().endsWith(`.${name}`)) ?? "jsonl"
    yield* WholeFile.ensureOther(output, [["results", results], ["input", input]])
    const texts = yield* Beside.readTexts(options)
    const counts = { values: 0, failed: 0 }
    const entries = Results.read(results).pipe(
      Stream.map((entry) => ({ ...entry, text: Beside.textOf(entry, texts) })),
      Stream.tap(({ error }) =>
        Effect.sync(() => {
          if (error === undefined) counts.values++
          else counts.failed++
        })
      )
    )
    if (isFineTuning(format)) return yield* fineTuning(entries, format, options)
    const isTable = format === "csv" || format === "tsv"
    const hasTexts = texts !== undefined
    if (TableFile.isFormat(format)) {
      const table = yield* TypedTable.make(entries, { failures, hasTexts })
      counts.values = 0
      counts.failed = 0
      yield* TableFile.write(table, format, output)
      return yield* report(counts, failures)
    }
    const parts = isTable
      ? yield* table(entries, { delimiter: format === "csv" ? "," : "\t", failures, hasTexts })
      : failures
      ? yield* usage("--failures is for tables. The results themselves have the failed items as JSON")
      : json(entries, format, hasTexts)
    counts.values = 0
    counts.failed = 0
    yield* WholeFile.write(parts, output)
    yield* report(counts, failures)
  })).pipe(
    Command.withDescription(
      "Write the values of a run alone: as JSON, as a table, as a database, or as examples for fine-tuning"
    ),
    Command.withExamples([
      { command: "effect-instructor export people.jsonl -o people.csv --input bios.csv --text-field bio" }
    ])
  )

const report = ({ failed, values }: { readonly values: number; readonly failed: number }, failures: boolean) =>
  Console.error(
    `${Format.count(values)} ${values === 1 ? "value" : "values"}` +
      (failed === 0 ? "" : `, ${Format.count(failed)} failed items ${failures ? "with their reasons" : "left out"}`)
  )

const isFineTuning = (format: (typeof formats)[number]): format is Distillation.Format =>
  FineTuning.formats.some((name) => name === format)

/** Examples need the prompts, and so the extraction and the texts. */
const fineTuning = Effect.fnUntraced(function*(
  entries: Entries,
  format: Distillation.Format,
  { output, schema, ...options }: Omit<ExtractionOptions.Options, "schema"> & {
    readonly output: string
    readonly schema: string | undefined
  }
) {
  if (schema === undefined) return yield* usage(`--format ${format} needs the --schema of the run`)
  const extraction = yield* ExtractionOptions.load({ ...options, schema })
  const counts: FineTuning.Counts = { values: 0, failed: 0, unfit: 0 }
  yield* WholeFile.write(FineTuning.lines(entries, extraction, format, counts), output)
  const { failed, unfit, values } = counts
  yield* Console.error(
    `${Format.count(values)} examples` +
      (failed === 0 ? "" : `, ${Format.counted(failed, "item")} without a value or a text left out`) +
      (unfit === 0 ? "" : `, ${Format.count(unfit)} values left out that do not fit the schema`)
  )
  if (values === 0) return yield* usage("There are no examples. Give the texts of the run with --input")
})

type Entries = Stream.Stream<Entry, CommandFailure, FileSystem.FileSystem>

const json = (
  entries: Entries,
  format: "json" | "jsonl",
  hasTexts: boolean
): Stream.Stream<string, CommandFailure, FileSystem.FileSystem> => {
  const values = entries.pipe(
    Stream.filter(({ error }) => error === undefined),
    Stream.map(({ text, value = null }) => JSON.stringify(hasTexts ? { text: text ?? null, value } : value))
  )
  if (format === "jsonl") return Stream.map(values, (line) => `${line}\n`)
  let isFirst = true
  return Stream.make("[").pipe(
    Stream.concat(Stream.map(values, (value) => {
      const separator = isFirst ? "\n" : ",\n"
      isFirst = false
      return separator + value
    })),
    Stream.concat(Stream.make("\n]\n"))
  )
}

interface TableOptions {
  readonly delimiter: string
  readonly failures: boolean
  readonly hasTexts: boolean
}

/** Reads the results twice: first for the columns, because fields may be absent. */
const table = Effect.fnUntraced(function*(entries: Entries, { delimiter, failures, hasTexts }: TableOptions) {
  const fields = new Set<string>()
  let hasIds = false
  yield* Stream.runForEach(entries, ({ error, id, index, value = null }) =>
    Effect.sync(() => {
      if (id !== undefined && id !== String(index)) hasIds = true
      if (error === undefined) { for (const path of Tables.cellsOf(value).keys()) fields.add(path) }
    }))
  // The names of fields are the user's, so columns are told apart by their position.
  const header = [hasIds ? "id" : "index", ...(hasTexts ? ["text"] : []), ...fields, ...(failures ? ["error"] : [])]
  const rows = entries.pipe(
    Stream.filter(({ error }) => failures || error === undefined),
    Stream.map(({ error, id, index, text, value = null }): ReadonlyArray<string> => {
      const cells = error === undefined ? Tables.cellsOf(value) : new Map<string, string>()
      return [
        hasIds ? id ?? String(index) : String(index),
        ...(hasTexts ? [text ?? ""] : []),
        ...Array.from(fields, (path) => cells.get(path) ?? ""),
        ...(failures ? [error === undefined ? "" : `${error.reason}: ${error.message}`] : [])
      ]
    })
  )
  return Stream.make<ReadonlyArray<ReadonlyArray<string>>>(header).pipe(
    Stream.concat(rows),
    Stream.pipeThroughChannel(Csv.encodeString({ delimiter }))
  )
})
