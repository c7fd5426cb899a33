/** `effect-instructor worker`: works on distributed batches. */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as BatchWorker from "../../batch/BatchWorker.ts"
import { stopped } from "../commandFailure.ts"
import * as Rows from "../input/rows.ts"
import * as ExtractionOptions from "../options/extraction.ts"
import * as Flags from "../options/flags.ts"
import * as Provider from "../options/provider.ts"
import * as Queue from "../options/queue.ts"
import * as Format from "../progress/format.ts"
import * as ProgressView from "../progress/progressView.ts"

const flags = {
  schema: Flags.schema,
  queue: Queue.queueFlag,
  store: Queue.storeFlag,
  ...Flags.extraction,
  ...Flags.server,
  ...Flags.spending,
  ...Flags.pace,
  limitKey: Flag.String("limit-key").pipe(
    Flag.withDescription("The name of the account whose rate limits and budget the workers share (default default)"),
    Flag.withMetavar("name"),
    Flag.withDefault("default")
  ),
  grace: Flags.duration("grace").pipe(
    Flag.withDescription("How long items in flight may take to finish after a signal (default 30s)"),
    Flag.withDefault(Duration.seconds(30))
  ),
  exitWhenIdle: Flags.duration("exit-when-idle").pipe(
    Flag.withDescription("Exit after this long without work (default: wait for work)"),
    Flags.optional
  ),
  id: Flag.String("id").pipe(
    Flag.withDescription("The name of the worker in logs and in the status (default random)"),
    Flag.withMetavar("name"),
    Flags.optional
  ),
  quiet: Flags.enabled("quiet").pipe(
    Flag.withAlias("q"),
    Flag.withDescription("Print only errors")
  )
}

export const worker = Command.make("worker", flags, (options) =>
  Effect.gen(function*() {
    const view = ProgressView.make(yield* ProgressView.styleOf({ progress: "plain", quiet: options.quiet }))
    const { limits, queue } = yield* Effect.fromResult(Queue.services(options))
    const extraction = yield* ExtractionOptions.load(options)
    const provider = Provider.layer({ ...options, sends: true, shared: { key: options.limitKey, store: limits } })
    const context = yield* Layer.build(Layer.merge(provider, queue))
    const program = Effect.andThen(
      view.print(
        `Working on batches of ${extraction.name}, ${Format.counted(options.concurrency, "item")} in flight at most`
      ),
      BatchWorker.run([Rows.toExtraction(extraction)], {
        concurrency: options.concurrency,
        grace: options.grace,
        idleTimeout: options.exitWhenIdle,
        id: options.id
      })
    ).pipe(
      Effect.mapError((error) => stopped(error.message)),
      Effect.provideContext(context)
    )
    return yield* Effect.provideContext(program, ProgressView.logging(view))
  }).pipe(Effect.scoped)).pipe(
    Command.withDescription(
      "Work on the batches of a queue, on as many machines as wanted. Ends when it is told to, after the items in flight"
    ),
    Command.withExamples([{
      command: "effect-instructor worker --schema person.ts#Person --queue postgres://db/batches --concurrency 256"
    }])
  )
