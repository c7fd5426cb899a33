/** `effect-instructor run`: many texts. */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { usage } from "../commandFailure.ts"
import { formats } from "../input/inputFormat.ts"
import * as Flags from "../options/flags.ts"
import * as Provider from "../options/provider.ts"
import * as Queue from "../options/queue.ts"
import * as RunFiles from "../output/runFiles.ts"
import * as ProgressView from "../progress/progressView.ts"
import * as DryRun from "./dryRun.ts"
import * as RunBatch from "./runBatch.ts"
import * as RunDistributed from "./runDistributed.ts"

const flags = {
  schema: Flags.schema,
  input: Flag.String("input").pipe(
    Flag.withAlias("i"),
    Flag.withDescription(
      "A .jsonl, .json, .csv, .tsv, .parquet or .txt file of texts, a folder or a pattern of files (PDF and HTML too), an https URL, or -"
    ),
    Flag.withMetavar("file")
  ),
  output: Flag.String("output").pipe(
    Flag.withAlias("o"),
    Flag.withDescription("The file for the results, one JSON object per line, or - for standard output"),
    Flag.withMetavar("file")
  ),
  textField: Flag.String("text-field").pipe(
    Flag.withDescription("The field or column that contains the text (default text)"),
    Flag.withMetavar("name"),
    Flags.optional
  ),
  idField: Flag.String("id-field").pipe(
    Flag.withDescription("The field or column that contains the id of an item (default: items are numbered)"),
    Flag.withMetavar("name"),
    Flags.optional
  ),
  format: Flag.Literals("format", formats).pipe(
    Flag.withDescription("What the input is (default: what its name or, for standard input, its beginning says)"),
    Flags.optional
  ),
  delimiter: Flag.String("delimiter").pipe(
    Flag.withDescription("The character between the cells of a table, or tab (default , or, in .tsv, tab)"),
    Flag.withMetavar("character"),
    Flags.optional
  ),
  ...Flags.extraction,
  ...Flags.server,
  ...Flags.spending,
  ...Flags.pace,
  maxFailures: Flags.count("max-failures").pipe(
    Flag.withDescription("Stop after this many failed items (default unlimited)"),
    Flags.optional
  ),
  limit: Flags.count("limit").pipe(
    Flag.withAlias("n"),
    Flag.withDescription("Process only this many of the inputs"),
    Flags.optional
  ),
  minConfidence: Flag.Finite("min-confidence").pipe(
    Flag.filter((n) => n > 0 && n <= 1, (n) => `Expected a number above 0 and at most 1, got ${n}`),
    Flag.withDescription("Rate every value, and copy those with a lower confidence to a review file beside the output"),
    Flags.optional
  ),
  ordered: Flags.enabled("ordered").pipe(
    Flag.withDescription("Write the results in the order of the inputs, and not as they finish")
  ),
  restart: Flags.enabled("restart").pipe(
    Flag.withDescription("Start over: remove the output and its journal first")
  ),
  yes: Flags.enabled("yes").pipe(
    Flag.withAlias("y"),
    Flag.withDescription("Send items again without asking, after a change of the instructions, the schema or the model")
  ),
  retryFailures: Flag.Boolean("retry-failures").pipe(
    Flag.withDescription("When resuming, process failed items again (the default)"),
    Flag.withDefault(true)
  ),
  grace: Flags.duration("grace").pipe(
    Flag.withDescription("How long items in flight may take to finish after Ctrl-C (default 30s)"),
    Flag.withDefault(Duration.seconds(30))
  ),
  journal: Flag.String("journal").pipe(
    Flag.withDescription("The file that records finished items (default: the output with .journal appended)"),
    Flag.withMetavar("file"),
    Flags.optional
  ),
  engine: Flag.Literals("engine", ["direct", "offline", "distributed"]).pipe(
    Flag.withDescription(
      "What sends the requests: this process (direct, the default), batches at half the price within 24 hours (offline), or workers on a queue (distributed)"
    ),
    Flag.withDefault("direct" as const)
  ),
  queue: Flags.optional(Queue.queueFlag),
  store: Queue.storeFlag,
  job: Flag.String("job").pipe(
    Flag.withDescription("The name of a distributed batch (default: of the extraction and the input)"),
    Flag.withMetavar("name"),
    Flags.optional
  ),
  chunkSize: Flags.count("chunk-size").pipe(
    Flag.withDescription("How many items a worker takes at once (default 256)"),
    Flag.withDefault(256)
  ),
  partSize: Flags.count("part-size").pipe(
    Flag.withDescription("Lines in each file of a distributed batch, if its output contains {n} (default 100000)"),
    Flag.withDefault(100_000)
  ),
  detach: Flags.enabled("detach").pipe(
    Flag.withDescription("Feed a distributed batch, and do not wait for its results")
  ),
  ...Flags.offline,
  dryRun: Flags.enabled("dry-run").pipe(
    Flag.withDescription("Print the first request and an estimate, and send nothing")
  ),
  progress: Flag.Literals("progress", ["auto", "plain", "json"]).pipe(
    Flag.withDescription("A bar on a terminal and lines elsewhere (auto), always lines, or lines of JSON"),
    Flag.withDefault("auto" as const)
  ),
  serve: Flag.Int("serve").pipe(
    Flag.filter((n) => n >= 0 && n <= 65_535, (n) => `Expected a port from 0 to 65535, got ${n}`),
    Flag.withOptionalValue("0"),
    Flag.withDescription(
      "Show the report while the run goes on, at a URL of this machine: --serve, or --serve=8080 for a port"
    ),
    Flag.withMetavar("port"),
    Flags.optional
  ),
  quiet: Flags.enabled("quiet").pipe(
    Flag.withAlias("q"),
    Flag.withDescription("Print only errors")
  )
}

export const run = Command.make("run", flags, (options) =>
  Effect.gen(function*() {
    if (options.engine === "direct" && (options.queue !== undefined || options.detach)) {
      return yield* usage("--queue and --detach are for --engine distributed")
    }
    if (options.serve !== undefined && (options.engine === "distributed" || options.dryRun)) {
      return yield* usage("--serve shows a run of this process. Leave out --engine distributed and --dry-run")
    }
    const view = ProgressView.make(yield* ProgressView.styleOf(options))
    const program = options.dryRun
      ? DryRun.run(options)
      : options.engine === "distributed"
      ? RunDistributed.run(options, view)
      : RunBatch.run(options, view)
    return yield* Effect.provideContext(Effect.scoped(program), ProgressView.logging(view))
  })).pipe(
    Command.provide((options) => {
      const { budgetTokens, budgetUsd, cache, dryRun, engine, ...server } = options
      const sends = !dryRun && engine === "direct"
      // Before the cache is opened, which creates its file.
      return Layer.unwrap(Effect.as(
        RunFiles.check(options),
        Provider.layer({ ...server, sends, ...(sends && { cache, budgetUsd, budgetTokens }) })
      ))
    }),
    Command.withDescription(
      "Extract a value from each text of a file. Run the same command again to resume an interrupted run"
    ),
    Command.withExamples([{
      command: "effect-instructor run --schema person.ts#Person --input bios.csv --text-field bio --output people.jsonl"
    }])
  )
