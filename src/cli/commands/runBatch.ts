/** One run of the command: an input through a model to an output. */
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as NodePath from "node:path"
import * as Batch from "../../batch/Batch.ts"
import type { BatchError } from "../../batch/BatchError.ts"
import * as BatchProgress from "../../batch/BatchProgress.ts"
import { Journal } from "../../batch/Journal.ts"
import * as Extraction from "../../extraction/Extraction.ts"
import * as FileProblem from "../../internal/fileProblem.ts"
import * as Llm from "../../llm/Llm.ts"
import { LlmBatch } from "../../llm/LlmBatch.ts"
import * as NodeJournal from "../../node/journal/NodeJournal.ts"
import { type CommandFailure, exitCode, silently, stopped, usage } from "../commandFailure.ts"
import * as InputSource from "../input/inputSource.ts"
import type { Row } from "../input/row.ts"
import * as Rows from "../input/rows.ts"
import * as ExtractionOptions from "../options/extraction.ts"
import * as Provider from "../options/provider.ts"
import type { AnyExtraction } from "../options/schemaModule.ts"
import * as Lines from "../output/lines.ts"
import * as OutputFile from "../output/outputFile.ts"
import * as Review from "../output/review.ts"
import * as Rewrite from "../output/rewrite.ts"
import * as RunFiles from "../output/runFiles.ts"
import * as StandardOutput from "../output/standardOutput.ts"
import * as Format from "../progress/format.ts"
import * as LivePage from "../progress/livePage.ts"
import * as ProgressText from "../progress/progressText.ts"
import type { ProgressView } from "../progress/progressView.ts"
import * as Waiting from "../progress/waiting.ts"
import { Stopping } from "../stopping.ts"
import * as Confirmation from "./confirmation.ts"

export interface Options extends ExtractionOptions.Options, InputSource.Flags {
  readonly output: string
  readonly journal: string | undefined
  readonly concurrency: number
  readonly rpm: number | undefined
  readonly tpm: number | undefined
  readonly maxFailures: number | undefined
  readonly minConfidence: number | undefined
  readonly ordered: boolean
  readonly restart: boolean
  readonly yes: boolean
  readonly retryFailures: boolean
  readonly grace: Duration.Duration
  readonly baseUrl: string | undefined
  readonly requestTimeout: Duration.Duration | undefined
  readonly engine: "direct" | "offline" | "distributed"
  readonly finish: Batch.Finish | undefined
  readonly deadline: Duration.Duration | undefined
  readonly poll: Duration.Duration | undefined
  /** The port of the live report, if there is one. */
  readonly serve: number | undefined
}

type Services = FileSystem.FileSystem | Path.Path | Stdio.Stdio | Llm.Llm | Scope.Scope

type RunExit = Exit.Exit<void, CommandFailure | BatchError>

/** A run that is ready to begin: nothing was sent yet, and everything that can be checked has been. */
interface Run {
  readonly options: Options
  readonly view: ProgressView
  readonly extraction: AnyExtraction
  readonly lines: Lines.OutputLines
  readonly input: InputSource.InputSource
  readonly sink: OutputFile.OutputFile
  readonly journal: Journal["Service"] | undefined
  /** Where batches are sent, with the offline engine. */
  readonly batches: LlmBatch["Service"] | undefined
  readonly kind: RunFiles.OutputKind
  readonly isResumed: boolean
  readonly progress: BatchProgress.BatchProgress
  readonly status: Effect.Effect<ProgressText.Status>
  readonly live: LivePage.LivePage | undefined
  /** Of the output so far. */
  readonly written: { lines: number; errors: number }
}

export const run = Effect.fnUntraced(function*(
  options: Options,
  view: ProgressView
): Effect.fn.Return<void, CommandFailure, Services> {
  const run = yield* prepare(options, view)
  const isOutputWritten = yield* Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(restore(extractAll(run)))
      const isOutputWritten = isClosedPipe(exit) || (yield* finish(run, exit))
      if (run.live !== undefined) yield* run.live.end
      yield* exit
      return isOutputWritten
    })
  ).pipe(
    Effect.mapError((error) => error._tag === "BatchError" ? stopped(error.message) : error)
  )
  if (!isOutputWritten) return yield* silently(exitCode.stopped)
  if (run.written.errors > 0) return yield* silently(exitCode.failedItems)
})

const prepare = Effect.fnUntraced(function*(
  options: Options,
  view: ProgressView
): Effect.fn.Return<Run, CommandFailure, Services> {
  const { minConfidence } = options
  const loaded = yield* ExtractionOptions.load(options)
  const extraction: AnyExtraction = minConfidence === undefined ? loaded : Extraction.confidence(loaded)
  const lines = yield* Effect.fromResult(Lines.make(extraction, minConfidence))
  const source = InputSource.optionsOf(options)
  const input = yield* InputSource.open(source)
  const progress = yield* BatchProgress.make
  const status = yield* statusOf(progress, input, options)
  // Before any file is created: a port that is in use is wrong usage.
  const live = options.serve === undefined ? undefined : yield* serve(options.serve, status, options, view)
  const kind = yield* RunFiles.outputKind(options.output)
  const journalPath = RunFiles.journalOf(options, kind)
  const { isResumed } = journalPath === undefined
    ? { isResumed: false }
    : yield* RunFiles.prepare({ output: options.output, journal: journalPath, kind }, options)
  if (minConfidence !== undefined) yield* Review.prepare(options.output, kind, { isResumed, restart: options.restart })
  // Before the journal: a message about the output helps more than one about the lock file beside it.
  const sink = options.output === "-" ? standardOutput : yield* OutputFile.open(options.output)
  const journal = journalPath === undefined ? undefined : yield* openJournal(journalPath)
  if (isResumed && journal !== undefined && journalPath !== undefined) {
    yield* Confirmation.confirm({ extraction, input, source, journal, journalPath, yes: options.yes })
  }
  const written = { lines: 0, errors: 0 }
  const batches = options.engine === "offline"
    ? Context.get(yield* Layer.build(Provider.layerBatch({ ...options, sends: true })), LlmBatch)
    : undefined
  return {
    options,
    view,
    extraction,
    lines,
    input,
    sink,
    journal,
    batches,
    kind,
    isResumed,
    progress,
    status,
    live,
    written
  }
})

const statusOf = Effect.fnUntraced(function*(
  progress: BatchProgress.BatchProgress,
  input: InputSource.InputSource,
  { limit }: Options
): Effect.fn.Return<Effect.Effect<ProgressText.Status>, never, Llm.Llm> {
  const stopping = yield* Stopping
  const { origin, provider } = yield* Llm.Llm
  const silence = Waiting.makeSilence(origin === "" ? provider : origin)
  return Effect.map(
    progress.snapshot,
    (snapshot) => ProgressText.status(snapshot, input.position, limit, stopping.isOpen(), silence(snapshot))
  )
})

/** Serves the live report, and says where. */
const serve = Effect.fnUntraced(function*(
  port: number,
  status: Effect.Effect<ProgressText.Status>,
  options: Options,
  view: ProgressView
): Effect.fn.Return<LivePage.LivePage, CommandFailure, Scope.Scope> {
  const title = options.output === "-" ? "Run" : NodePath.basename(options.output)
  const live = yield* LivePage.open({ port, title, figures: Effect.map(status, ProgressText.live) })
  const text = view.style === "json" ? JSON.stringify({ type: "serve", url: live.url }) : `Live report: ${live.url}`
  yield* view.style === "quiet" ? Console.error(text) : view.print(text)
  return live
})

const standardOutput: OutputFile.OutputFile = {
  append: (lines) => StandardOutput.write(lines.map(({ text }) => text).join(""))
}

const openJournal = (path: string): Effect.Effect<Journal["Service"], CommandFailure, Scope.Scope> =>
  Layer.build(NodeJournal.layer({ path })).pipe(
    Effect.map(Context.get(Journal)),
    Effect.mapError((error) => usage(error.message))
  )

type Items = Stream.Stream<Batch.Item<unknown, Row>, CommandFailure | BatchError, Llm.Llm>

const itemsOf = (run: Run): Items => {
  const { extraction, input, journal, kind, options, progress } = run
  const rowExtraction = Rows.toExtraction(extraction)
  const batchOptions = {
    concurrency: options.concurrency,
    ordered: options.ordered,
    maxFailures: options.maxFailures,
    grace: options.grace,
    progress
  }
  if (run.batches !== undefined) {
    return Stream.provideService(offlineItems(rowExtraction, run, batchOptions), LlmBatch, run.batches)
  }
  return journal === undefined
    ? Batch.stream(rowExtraction, input.rows, { ...batchOptions, id: (row, index) => Rows.idOf(row) ?? String(index) })
    : Batch.resumable(rowExtraction, input.rows, {
      ...batchOptions,
      // Without ids an item is identified by its content, wherever it is in the input.
      id: input.hasIds ? Rows.idOf : undefined,
      retryFailures: options.retryFailures,
      emitRestored: kind === "stream"
    }).pipe(Stream.provideService(Journal, journal))
}

const offlineItems = (
  extraction: ReturnType<typeof Rows.toExtraction>,
  { input, journal, kind, options }: Run,
  batchOptions: Batch.Options<Row>
): Stream.Stream<Batch.Item<unknown, Row>, CommandFailure | BatchError, Llm.Llm | LlmBatch> => {
  const offlineOptions: Batch.OfflineOptions<Row> = {
    ...batchOptions,
    finish: options.finish,
    deadline: options.deadline,
    poll: options.poll === undefined ? undefined : Schedule.spaced(options.poll),
    retryFailures: options.retryFailures,
    emitRestored: kind === "stream"
  }
  return journal === undefined
    ? Batch.offline(extraction, input.rows, {
      ...offlineOptions,
      id: (row: Row, index: number) => Rows.idOf(row) ?? String(index)
    })
    : Batch.offline(extraction, input.rows, {
      ...offlineOptions,
      id: options.idField === undefined ? undefined : Rows.idOf
    }).pipe(Stream.provideService(Journal, journal))
}

const extractAll = (run: Run): Effect.Effect<void, CommandFailure | BatchError, Llm.Llm> =>
  Effect.scoped(Effect.gen(function*() {
    const { lines, live, sink, status, view, written } = run
    yield* view.show(status)
    yield* Stream.runForEachArray(itemsOf(run), (items) => {
      const some = items.map(lines.ofItem)
      written.lines += some.length
      for (const { isError } of some) if (isError) written.errors++
      return live === undefined ? sink.append(some) : Effect.andThen(sink.append(some), live.add(items, some))
    })
  }))

/** Completes the output and prints the summary. Returns whether the output is complete. */
const finish = (run: Run, exit: RunExit): Effect.Effect<boolean, never, FileSystem.FileSystem> =>
  Effect.matchEffect(Effect.andThen(completeOutput(run, exit), review(run, exit)), {
    onSuccess: () => Effect.as(summarise(run, exit), true),
    onFailure: (error) =>
      Effect.as(
        Console.error(
          `Cannot write the output ${run.options.output}: ` +
            `${error._tag === "PlatformError" ? FileProblem.describe(error) : error.message}. ` +
            `The journal has all results: ` +
            `run the same command again`
        ),
        false
      )
  })

/** Copies the values of low confidence to a file of their own. */
const review = (
  { options: { minConfidence, output }, view }: Run,
  exit: RunExit
): Effect.Effect<void, PlatformError, FileSystem.FileSystem> =>
  minConfidence === undefined || isOfDisk(exit)
    ? Effect.void
    : Effect.flatMap(
      Review.write(output, minConfidence),
      (count) =>
        view.style === "json"
          ? Effect.void
          : view.print(`${Format.count(count)} to review in ${Review.pathOf(output)}`)
    )

/** The lines appended by this run are only a part of the output of a resumed or interrupted one. */
const completeOutput = Effect.fnUntraced(function*(run: Run, exit: RunExit) {
  const { isResumed, journal, kind, lines, options, written } = run
  const isInterrupted = Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
  if (journal === undefined || kind === "stream" || !(isResumed || isInterrupted) || isOfDisk(exit)) return
  const rewritten = yield* Rewrite.rewrite({
    path: options.output,
    journal,
    lines,
    reach: reachOf(run, exit),
    ordered: options.ordered
  })
  written.lines = rewritten.lines
  written.errors = rewritten.errors
})

const reachOf = ({ input: { position }, options: { limit } }: Run, exit: RunExit): Rewrite.Reach =>
  Exit.isFailure(exit)
    ? "part"
    : limit === undefined || position.isAtEnd && position.rows <= limit
    ? "whole"
    : limit

const summarise = Effect.fnUntraced(function*({ journal, options, progress, view, written }: Run, exit: RunExit) {
  const snapshot = yield* progress.snapshot
  const outcome = Exit.isSuccess(exit)
    ? "finished"
    : Cause.hasInterruptsOnly(exit.cause)
    ? "interrupted"
    : "stopped"
  if (view.style === "json") {
    const end = { outcome, lines: written.lines, errorLines: written.errors }
    return yield* view.print(ProgressText.summaryJson(snapshot, end))
  }
  const where = options.output === "-" ? "standard output" : options.output
  const resume = outcome === "interrupted" && journal !== undefined
    ? options.engine === "offline"
      ? ". Interrupted: the batches go on. Run the same command again to collect them; `effect-instructor batch list` " +
        "shows them"
      : ". Interrupted: run the same command again to resume"
    : ""
  yield* view.print(`${ProgressText.summary(snapshot)}\n${Format.counted(written.lines, "line")} in ${where}${resume}`)
})

const errorOf = (exit: RunExit): CommandFailure | BatchError | undefined =>
  Option.getOrUndefined(Exit.findErrorOption(exit))

const isClosedPipe = (exit: RunExit): boolean => {
  const error = errorOf(exit)
  return error?._tag === "CommandFailure" && error.exitCode === exitCode.closedPipe
}

/** When a disk cannot be written, rewriting the output would fail too. */
const isOfDisk = (exit: RunExit): boolean => {
  const error = errorOf(exit)
  return error !== undefined && (error._tag === "CommandFailure" || error.reason._tag === "JournalFailure")
}
