/** `effect-instructor run`: many texts. */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as DryRun from "./dryRun.ts"
import * as Flags from "../options/flags.ts"
import * as ProgressView from "../progress/progressView.ts"
import * as Provider from "../options/provider.ts"
import * as RunBatch from "./runBatch.ts"

const flags = {
  schema: Flags.schema,
  input: Flag.String("input").pipe(
    Flag.withDescription("The texts: a .jsonl, .ndjson, .csv or .txt file, or - for the standard input"),
    Flag.withMetavar("file")
  ),
  output: Flag.String("output").pipe(
    Flag.withDescription("Where the results go, one JSON object a line; - is the standard output"),
    Flag.withMetavar("file")
  ),
  textField: Flag.String("text-field").pipe(
    Flag.withDescription("The field or column that has the text (default text)"),
    Flag.withMetavar("name"),
    Flags.optional
  ),
  idField: Flag.String("id-field").pipe(
    Flag.withDescription("The field or column that has the id of an item (default: none, items are numbered)"),
    Flag.withMetavar("name"),
    Flags.optional
  ),
  ...Flags.asking,
  baseUrl: Flags.baseUrl,
  ...Flags.spending,
  ...Flags.pace,
  maxFailures: Flags.count("max-failures").pipe(
    Flag.withDescription("Stop when so many items have failed (default: never)"),
    Flags.optional
  ),
  limit: Flags.count("limit").pipe(
    Flag.withDescription("Only so many inputs, from the first"),
    Flags.optional
  ),
  ordered: Flag.Boolean("ordered").pipe(
    Flag.withDescription("Results in the order of the inputs, and not as they come"),
    Flag.withoutNegation,
    Flag.withDefault(false)
  ),
  restart: Flag.Boolean("restart").pipe(
    Flag.withDescription("Start over: remove the output and its journal first"),
    Flag.withoutNegation,
    Flag.withDefault(false)
  ),
  retryFailures: Flag.Boolean("retry-failures").pipe(
    Flag.withDescription("When going on, do failed items again (the default)"),
    Flag.withDefault(true)
  ),
  grace: Flags.duration("grace").pipe(
    Flag.withDescription("How long what is in flight may go on after Ctrl-C (default 30s)"),
    Flag.withDefault(Duration.seconds(30))
  ),
  journal: Flag.String("journal").pipe(
    Flag.withDescription("The record of what is done (default: the output with .journal behind it)"),
    Flag.withMetavar("file"),
    Flags.optional
  ),
  dryRun: Flag.Boolean("dry-run").pipe(
    Flag.withDescription("Print the first request and an estimate, and send nothing"),
    Flag.withoutNegation,
    Flag.withDefault(false)
  ),
  progress: Flag.Literals("progress", ["auto", "plain", "json"]).pipe(
    Flag.withDescription("A bar on a terminal and lines elsewhere (auto), always lines, or lines of JSON"),
    Flag.withDefault("auto" as const)
  ),
  quiet: Flag.Boolean("quiet").pipe(
    Flag.withAlias("q"),
    Flag.withDescription("Say nothing but what went wrong"),
    Flag.withoutNegation,
    Flag.withDefault(false)
  )
}

export const run = Command.make("run", flags, (options) =>
  Effect.gen(function*() {
    const view = ProgressView.make(yield* ProgressView.styleOf(options))
    const program = options.dryRun ? DryRun.run(options) : RunBatch.run(options, view)
    return yield* Effect.provideContext(Effect.scoped(program), ProgressView.logging(view))
  })).pipe(
    Command.provide(({ baseUrl, budgetTokens, budgetUsd, cache, dryRun, rpm, tpm }) =>
      Provider.layer({ baseUrl, isUsed: !dryRun, rpm, tpm, ...(!dryRun && { cache, budgetUsd, budgetTokens }) })
    ),
    Command.withDescription(
      "Extracts a value from each text of a file. Run again after an interruption, it goes on where it was"
    ),
    Command.withExamples([{
      command: "effect-instructor run --schema person.ts#Person --input bios.csv --text-field bio --output people.jsonl"
    }])
  )
