/** One run of the command: an input through a model into an output. */
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
import type * as Scope from "effect/Scope"
import type * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Batch from "../../batch/Batch.ts"
import * as BatchProgress from "../../batch/BatchProgress.ts"
import { Journal } from "../../batch/Journal.ts"
import type { BatchError } from "../../batch/BatchError.ts"
import type * as Llm from "../../llm/Llm.ts"
import * as NodeJournal from "../../node/journal/NodeJournal.ts"
import * as Asked from "../options/asked.ts"
import * as BatchOfRows from "../input/batchOfRows.ts"
import { type CommandFailure, exitCode, silently, stopped, usage } from "../commandFailure.ts"
import * as InputSource from "../input/inputSource.ts"
import * as OutputFile from "../output/outputFile.ts"
import * as OutputLine from "../output/outputLine.ts"
import * as ProgressText from "../progress/progressText.ts"
import type { ProgressView } from "../progress/progressView.ts"
import * as RunFiles from "../output/runFiles.ts"
import * as StandardOutput from "../output/standardOutput.ts"
import { Stopping } from "../stopping.ts"
import * as Words from "../progress/words.ts"

export interface Options extends Asked.Asking {
  readonly input: string
  readonly output: string
  readonly journal: string | undefined
  readonly textField: string | undefined
  readonly idField: string | undefined
  readonly limit: number | undefined
  readonly concurrency: number
  readonly rpm: number | undefined
  readonly tpm: number | undefined
  readonly maxFailures: number | undefined
  readonly ordered: boolean
  readonly restart: boolean
  readonly retryFailures: boolean
  readonly grace: Duration.Duration
}

type Services = FileSystem.FileSystem | Path.Path | Stdio.Stdio | Llm.Llm | Scope.Scope

export const run = Effect.fnUntraced(function*(
  options: Options,
  view: ProgressView
): Effect.fn.Return<void, CommandFailure, Services> {
  const extraction = yield* Asked.load(options)
  const lines = yield* Effect.fromResult(OutputLine.make(extraction))
  const input = yield* InputSource.open({
    path: options.input,
    fields: { text: options.textField, id: options.idField },
    limit: options.limit
  })
  const recording = yield* openRecording(options)
  const sink = options.output === "-"
    ? { append: (some: ReadonlyArray<OutputLine.Line>) => StandardOutput.write(some.map(({ text }) => text).join("")) }
    : yield* OutputFile.open(options.output)
  const journal = recording === undefined ? undefined : yield* recording.open
  const progress = yield* BatchProgress.make
  const stopping = yield* Stopping

  const batchOptions = {
    concurrency: options.concurrency,
    ordered: options.ordered,
    maxFailures: options.maxFailures,
    grace: options.grace,
    progress,
    id: ({ id }: BatchOfRows.TextRow, index: number) => id ?? String(index)
  }
  const inputs = BatchOfRows.toInputs(input.rows, extraction)
  const rowExtraction = BatchOfRows.toExtraction(extraction)
  const items = journal === undefined
    ? Batch.stream(rowExtraction, inputs, batchOptions)
    : Batch.resumable(rowExtraction, inputs, {
      ...batchOptions,
      // Without an id of the user's, an item is known by its content, wherever it stands.
      id: options.idField === undefined ? undefined : ({ id }) => id!,
      retryFailures: options.retryFailures,
      emitRestored: options.output === "-"
    }).pipe(Stream.provideService(Journal, journal))

  let errors = 0
  let written = 0
  const drain = Stream.runForEachArray(items, (some) => {
    const texts = some.map(lines.ofItem)
    written += texts.length
    for (const { isError } of texts) if (isError) errors++
    return sink.append(texts)
  })

  const standing = Effect.map(
    progress.snapshot,
    (snapshot) => ProgressText.standing(snapshot, input.position, options.limit, stopping.isOpen())
  )
  const shown = Effect.scoped(Effect.andThen(view.show(standing), drain))

  /** What was appended is not the whole of what is in the journal. */
  const putRight = Effect.fnUntraced(function*(exit: Exit.Exit<void, CommandFailure | BatchError>) {
    const isInterrupted = Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
    if (journal === undefined || options.output === "-" || !(recording!.isResumed || isInterrupted)) return
    if (Option.isSome(Exit.findErrorOption(exit)) && isOfDisk(Exit.findErrorOption(exit))) return
    const { errors: recordedErrors, lines: count } = yield* OutputFile.rewrite({
      path: options.output,
      journal,
      lines,
      isComplete: Exit.isSuccess(exit),
      ordered: options.ordered
    })
    errors = recordedErrors
    written = count
  })

  const summarise = Effect.fnUntraced(function*(exit: Exit.Exit<void, CommandFailure | BatchError>) {
    const snapshot = yield* progress.snapshot
    const outcome = Exit.isSuccess(exit)
      ? "finished"
      : Cause.hasInterruptsOnly(exit.cause)
      ? "interrupted"
      : "stopped"
    const where = options.output === "-" ? "the standard output" : options.output
    yield* view.print(
      view.style === "json"
        ? ProgressText.summaryJson(snapshot, { outcome, lines: written, errorLines: errors })
        : [
          ProgressText.summary(snapshot),
          `${Words.count(written)} lines in ${where}` +
          (outcome === "interrupted" && journal !== undefined ? ". Interrupted: run the same again to go on" : "")
        ].join("\n")
    )
  })

  const finish = (
    exit: Exit.Exit<void, CommandFailure | BatchError>
  ): Effect.Effect<boolean, never, FileSystem.FileSystem> =>
    Effect.matchEffect(putRight(exit), {
      onSuccess: () => Effect.as(summarise(exit), true),
      onFailure: ({ message }) =>
        Effect.as(
          Console.error(
            `The output ${options.output} could not be written: ${message}. Nothing is lost: run the same again`
          ),
          false
        )
    })

  const isPutRight = yield* Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(restore(shown))
      const isPutRight = isClosedPipe(exit) || (yield* finish(exit))
      yield* exit
      return isPutRight
    })
  ).pipe(
    Effect.mapError((error) => error._tag === "BatchError" ? stopped(error.message) : error)
  )
  if (!isPutRight) return yield* silently(exitCode.stopped)
  if (errors > 0) return yield* silently(exitCode.failedItems)
})

const isClosedPipe = (exit: Exit.Exit<void, CommandFailure | BatchError>): boolean => {
  const error = Option.getOrUndefined(Exit.findErrorOption(exit))
  return error?._tag === "CommandFailure" && error.exitCode === exitCode.closedPipe
}

/** Then there is no writing it anew either. */
const isOfDisk = (error: Option.Option<CommandFailure | BatchError>): boolean =>
  Option.isSome(error) && (error.value._tag === "CommandFailure" || error.value.reason._tag === "JournalFailure")

const openRecording = Effect.fnUntraced(function*(options: Options) {
  const path = options.journal ?? (options.output === "-" ? undefined : `${options.output}.journal`)
  if (path === undefined) return undefined
  const { isResumed } = yield* RunFiles.prepare(
    { input: options.input, output: options.output, journal: path },
    { restart: options.restart }
  )
  return {
    isResumed,
    open: Layer.build(NodeJournal.layer({ path })).pipe(
      Effect.map(Context.get(Journal)),
      Effect.mapError((error) => usage(error.message))
    )
  }
})
