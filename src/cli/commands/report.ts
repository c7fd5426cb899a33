/** `effect-instructor report`: the results of a run as one HTML file. */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import * as Stream from "effect/Stream"
import * as BatchReport from "../../batch/BatchReport.ts"
import * as Beside from "../input/beside.ts"
import * as Results from "../input/results.ts"
import * as Flags from "../options/flags.ts"
import * as ResultsOptions from "../options/results.ts"
import * as WholeFile from "../output/wholeFile.ts"
import * as Format from "../progress/format.ts"

const flags = {
  ...ResultsOptions.flags,
  output: Flag.String("output").pipe(
    Flag.withAlias("o"),
    Flag.withDescription(
      "The HTML file, or - for standard output (default: the results with .html for their extension)"
    ),
    Flag.withMetavar("file"),
    Flags.optional
  ),
  gold: Flag.String("gold").pipe(
    Flag.withDescription("A .jsonl file with the expected values: an id or a text, and a value"),
    Flag.withMetavar("file"),
    Flags.optional
  ),
  journal: Flag.String("journal").pipe(
    Flag.withDescription("The journal of the run, for its times (default: the results with .journal appended)"),
    Flag.withMetavar("file"),
    Flags.optional
  ),
  title: Flag.String("title").pipe(
    Flag.withDescription("The title of the report (default: the name of the results)"),
    Flags.optional
  )
}

export const report = Command.make("report", flags, (options) =>
  Effect.gen(function*() {
    const path = yield* Path.Path
    const { input, results } = options
    const output = options.output ?? `${results.replace(/\.\w+$/, "")}.html`
    yield* WholeFile.ensureOther(output, [["results", results], ["gold file", options.gold], ["input", input]])
    const gold = options.gold === undefined ? undefined : yield* Beside.readGold(options.gold)
    const texts = yield* Beside.readTexts(options)
    const timings = yield* Beside.readTimings(options.journal ?? `${results}.journal`)
    let count = 0
    const entries = Stream.map(Results.read(results), (entry): BatchReport.ReportEntry => {
      count++
      const key = Results.keyOf(entry)
      const text = Beside.textOf(entry, texts)
      const expected = gold?.byKey.get(key) ?? (text === undefined ? undefined : gold?.byText.get(text))
      return {
        ...entry,
        ...timings.get(key),
        ...(text !== undefined && { text }),
        ...(expected !== undefined && { gold: expected })
      }
    })
    const html = BatchReport.html(entries, { title: options.title ?? path.basename(results) })
    yield* WholeFile.write(html, output)
    if (output === "-") return
    yield* Console.error(`${Format.count(count)} ${count === 1 ? "item" : "items"} in ${output}`)
  })).pipe(
    Command.withDescription(
      "Write a report of the results of a run: one HTML file that needs no other and sends nothing"
    ),
    Command.withExamples([{
      command: "effect-instructor report people.jsonl --input people.txt --gold gold.jsonl -o report.html"
    }])
  )
