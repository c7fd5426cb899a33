/** `run --engine distributed`: feeds a batch to workers, and writes what they return. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as Path from "effect/Path"
import type * as Scope from "effect/Scope"
import type * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as NodePath from "node:path"
import * as Batch from "../../batch/Batch.ts"
import * as BatchProgress from "../../batch/BatchProgress.ts"
import { type CommandFailure, exitCode, silently, stopped, usage } from "../commandFailure.ts"
import * as InputSource from "../input/inputSource.ts"
import * as Remote from "../input/remote.ts"
import type { Row } from "../input/row.ts"
import * as Rows from "../input/rows.ts"
import * as ExtractionOptions from "../options/extraction.ts"
import * as Queue from "../options/queue.ts"
import * as Lines from "../output/lines.ts"
import * as Parts from "../output/parts.ts"
import * as Format from "../progress/format.ts"
import * as ProgressText from "../progress/progressText.ts"
import type { ProgressView } from "../progress/progressView.ts"
import { Stopping } from "../stopping.ts"

export interface Options extends ExtractionOptions.Options, InputSource.Flags {
  readonly output: string
  readonly queue: string | undefined
  readonly store: string | undefined
  readonly job: string | undefined
  readonly chunkSize: number
  readonly partSize: number
  readonly detach: boolean
  readonly maxFailures: number | undefined
  readonly ordered: boolean
  readonly restart: boolean
  readonly retryFailures: boolean
  readonly grace: Duration.Duration
}

type Services = FileSystem.FileSystem | Path.Path | Stdio.Stdio | Scope.Scope

export const run = Effect.fnUntraced(function*(
  options: Options,
  view: ProgressView
): Effect.fn.Return<void, CommandFailure, Services> {
  if (options.queue === undefined) return yield* usage("--engine distributed needs --queue, such as postgres://…")
  const { queue } = yield* Effect.fromResult(Queue.services({ queue: options.queue, store: options.store }))
  const extraction = yield* ExtractionOptions.load(options)
  const lines = yield* Effect.fromResult(Lines.make(extraction))
  const input = yield* InputSource.open(InputSource.optionsOf(options))
  const job = options.job ?? `${extraction.name} ${NodePath.basename(Remote.withoutQuery(options.input))}`
  const rows = Rows.toExtraction(extraction)
  const batch = {
    job,
    chunkSize: options.chunkSize,
    ordered: options.ordered,
    maxFailures: options.maxFailures,
    retryFailures: options.retryFailures,
    id: (row: Row, index: number) => Rows.idOf(row) ?? String(index)
  }
  // Before the queue is opened, which may create a file.
  const output = options.detach ? undefined : yield* Parts.open(options.output, options)
  const services = yield* Layer.build(queue)
  if (output === undefined) {
    return yield* Batch.submit(rows, input.rows, batch).pipe(
      Effect.flatMap(({ chunks, items }) =>
        view.print(
          `Fed ${Format.counted(items, "item")} in ${Format.counted(chunks, "chunk")} to the batch ${job}. ` +
            `Run the same command without --detach to collect the results`
        )
      ),
      Effect.provideContext(services),
      Effect.mapError((error) => error._tag === "BatchError" ? stopped(error.message) : error)
    )
  }
  const progress = yield* BatchProgress.make
  const stopping = yield* Stopping
  const written = { lines: 0, errors: 0 }
  yield* view.show(Effect.map(
    progress.snapshot,
    (snapshot) => ProgressText.status(snapshot, input.position, options.limit, stopping.isOpen(), undefined)
  ))
  yield* Batch.distributed(rows, input.rows, { ...batch, progress }).pipe(
    Stream.runForEachArray((items) => {
      const some = items.map(lines.ofItem)
      written.lines += some.length
      for (const { isError } of some) if (isError) written.errors++
      return output.append(some)
    }),
    Effect.provideContext(services),
    Effect.mapError((error) => error._tag === "BatchError" ? stopped(error.message) : error),
    Effect.onInterrupt(() =>
      view.print(`Interrupted. The workers go on with the batch ${job}: run the same command again to attach to it`)
    )
  )
  const files = yield* output.finish
  const snapshot = yield* progress.snapshot
  if (view.style === "json") {
    yield* view.print(
      ProgressText.summaryJson(snapshot, {
        outcome: "finished",
        lines: written.lines,
        errorLines: written.errors
      })
    )
  } else {
    const where = options.output === "-" ? "standard output" : files.length === 1 ? files[0]! : `${files.length} files`
    yield* view.print(`${ProgressText.summary(snapshot)}\n${Format.counted(written.lines, "line")} in ${where}`)
  }
  if (written.errors > 0) return yield* silently(exitCode.failedItems)
})
