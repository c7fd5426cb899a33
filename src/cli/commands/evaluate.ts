/** `effect-instructor eval`: the results of a run against gold. */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import * as Evaluation from "../../evaluation/Evaluation.ts"
import { usage } from "../commandFailure.ts"
import * as Records from "../input/records.ts"
import * as Flags from "../options/flags.ts"
import * as StandardOutput from "../output/standardOutput.ts"
import * as Format from "../progress/format.ts"

const file = (name: string) => Flag.String(name).pipe(Flag.withMetavar("file"))

const flags = {
  gold: file("gold").pipe(
    Flag.withDescription("The expected values, one JSON object per line, with value (or expected, gold, output) and id")
  ),
  output: file("output").pipe(Flag.withDescription("The results of a run")),
  against: file("against").pipe(
    Flag.withDescription("The results of another run on the same gold, to compare with"),
    Flags.optional
  ),
  fuzzy: Flag.Finite("fuzzy").pipe(
    Flag.filter((n) => n > 0 && n <= 1, (n) => `Expected a number above 0 and at most 1, got ${n}`),
    Flag.withDescription("The least similarity of texts that count as the same, from 0 to 1 (default: the same text)"),
    Flags.optional
  ),
  ignore: Flag.String("ignore").pipe(
    Flag.withDescription("Fields that are not compared, separated by commas"),
    Flag.withMetavar("fields"),
    Flags.optional
  ),
  json: Flags.enabled("json").pipe(Flag.withDescription("Print the whole report as JSON"))
}

export const evaluate = Command.make("eval", flags, (options) =>
  Effect.gen(function*() {
    const gold = yield* Records.read(options.gold, "the gold")
    if (gold.length === 0) return yield* usage(`The gold ${options.gold} is empty`)
    const without = gold.findIndex((record) => valueOf(record) === undefined)
    if (without !== -1) {
      return yield* usage(`Object ${without + 1} of ${options.gold} has no value, expected, gold or output`)
    }
    const match = { fuzzy: options.fuzzy, ignore: options.ignore?.split(",").map((field) => field.trim()) }
    const scoreOf = (path: string) =>
      Effect.map(Records.read(path, "the results"), (results) => Evaluation.score(pair(gold, results), match))
    const report = yield* scoreOf(options.output)
    const other = options.against === undefined ? undefined : yield* scoreOf(options.against)
    const comparison = other === undefined ? undefined : Evaluation.compare(report, other)
    yield* options.json
      ? StandardOutput.write(
        `${JSON.stringify({ ...report, ...(comparison !== undefined && { comparison }) }, null, 2)}\n`
      )
      : StandardOutput.write(`${toText(report)}${comparison === undefined ? "" : comparisonText(comparison)}`)
    const missing = report.failures["Missing"] ?? 0
    if (missing > 0) {
      yield* Console.error(`${missing} of ${gold.length} gold values have no result in ${options.output}`)
    }
  })).pipe(
    Command.withDescription("Score the results of a run against gold: per field, with intervals"),
    Command.withExamples([{ command: "effect-instructor eval --gold gold.jsonl --output people.jsonl" }])
  )

const valueOf = (record: Schema.JsonObject): Schema.Json | undefined =>
  ["value", "expected", "gold", "label", "output"].filter((key) => Object.hasOwn(record, key)).map((key) =>
    record[key]
  )[0]

const idOf = ({ id }: Schema.JsonObject): string | undefined =>
  typeof id === "string" ? id : typeof id === "number" ? String(id) : undefined

/** By id if the gold has ids, and otherwise by position. */
const pair = (
  gold: ReadonlyArray<Schema.JsonObject>,
  results: ReadonlyArray<Schema.JsonObject>
): ReadonlyArray<Evaluation.Scored> => {
  const byId = new Map(results.map((result) => [idOf(result) ?? "", result]))
  const byIndex = new Map(results.map((result, i) => [Number(result["index"] ?? i), result]))
  return gold.map((record, i) => {
    const id = idOf(record)
    const result = id === undefined ? byIndex.get(i) : byId.get(id)
    const error = result?.["error"] as { readonly reason?: string } | undefined
    return {
      id,
      expected: valueOf(record)!,
      actual: result === undefined || result["status"] === "error" ? undefined : result["value"],
      failure: result === undefined ? "Missing" : error?.reason ?? "Failed"
    }
  })
}

const share = (n: number): string => `${(100 * n).toFixed(1)} %`

const toText = (report: Evaluation.Report): string => {
  const rows = Object.entries(report.fields).map(([field, { expected, f1, precision, recall }]) => [
    field === "" ? "(value)" : field,
    share(precision),
    share(recall),
    share(f1),
    String(expected)
  ])
  const table = [["field", "precision", "recall", "F1", "in gold"], ...rows]
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)))
  const lines = table.map((row) =>
    row.map((cell, column) => column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)).join("  ")
  )
  const [low, high] = report.interval
  const failures = Object.entries(report.failures).map(([reason, count]) => `${reason} ${count}`).join(", ")
  return `${lines.join("\n")}\n\n${Format.counted(report.items.length, "item")}, ${share(report.exact)} exact. ` +
    `Mean F1 ${share(report.meanF1)} (95 %: ${share(low)} to ${share(high)}), all leaves ${share(report.f1)}\n` +
    (failures === "" ? "" : `Failures: ${failures}\n`)
}

const comparisonText = (
  { better, difference, interval: [low, high], items, p, worse }: Evaluation.PairedDifference
): string =>
  `Against the other: ${difference >= 0 ? "+" : ""}${share(difference)} mean F1 (95 %: ${share(low)} to ${
    share(high)
  }, p = ${p.toFixed(3)}), better in ${better} and worse in ${worse} of ${Format.counted(items, "item")}\n`
