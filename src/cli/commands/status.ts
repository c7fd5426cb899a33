/** `effect-instructor status`: what distributed batches are doing. */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as BatchQueue from "../../batch/BatchQueue.ts"
import { stopped, usage } from "../commandFailure.ts"
import * as Flags from "../options/flags.ts"
import * as Queue from "../options/queue.ts"
import * as Format from "../progress/format.ts"

const flags = {
  queue: Queue.queueFlag,
  store: Queue.storeFlag,
  job: Flag.String("job").pipe(
    Flag.withDescription("The batch (default: all)"),
    Flag.withMetavar("name"),
    Flags.optional
  ),
  json: Flags.enabled("json").pipe(Flag.withDescription("Print one JSON object per batch")),
  requeue: Flags.enabled("requeue").pipe(
    Flag.withDescription("Put the chunks of --job that were given up into the queue again")
  )
}

export const status = Command.make("status", flags, ({ job, json, queue, requeue, store }) =>
  Effect.gen(function*() {
    const services = yield* Effect.fromResult(Queue.services({ queue, store }))
    if (requeue && job === undefined) return yield* usage("--requeue needs --job")
    const context = yield* Layer.build(services.queue)
    return yield* Effect.gen(function*() {
      if (requeue) {
        const count = yield* BatchQueue.requeue({ job: job! })
        yield* Console.error(`${Format.counted(count, "chunk")} back in the queue`)
      }
      const jobs = yield* BatchQueue.status({ job })
      if (jobs.length === 0) {
        yield* Console.error(job === undefined ? "There are no batches" : `There is no batch ${job}`)
      }
      for (const one of jobs) {
        const dead = yield* BatchQueue.deadLetters({ job: one.job })
        yield* Console.log(json ? toJson(one, dead) : toText(one, dead))
      }
    }).pipe(
      Effect.mapError((error) => stopped(error.message)),
      Effect.provideContext(context)
    )
  }).pipe(Effect.scoped)).pipe(
    Command.withDescription("Show distributed batches: what is done, what waits, what failed, and their workers"),
    Command.withExamples([{ command: "effect-instructor status --queue postgres://db/batches" }])
  )

const toJson = (
  { remaining, ...status }: BatchQueue.JobStatus,
  deadLetters: ReadonlyArray<BatchQueue.DeadLetter>
): string =>
  JSON.stringify({
    ...status,
    remainingSeconds: remaining === undefined ? null : Math.round(Duration.toSeconds(remaining)),
    deadLetters
  })

const toText = (status: BatchQueue.JobStatus, deadLetters: ReadonlyArray<BatchQueue.DeadLetter>): string => {
  const { dead, error, failed, items, itemsPerSecond, remaining, succeeded, usd, waiting, workers } = status
  const figures = [
    `${Format.count(succeeded + failed)}/${Format.count(items)} done`,
    `${Format.count(failed)} failed`,
    `${Format.count(waiting)} waiting`,
    ...(dead > 0 ? [`${Format.count(dead)} given up`] : []),
    `${itemsPerSecond.toFixed(1)}/s`,
    ...(remaining === undefined || waiting === 0 ? [] : [`${Format.duration(remaining)} left`]),
    ...(usd > 0 ? [Format.dollars(usd)] : [])
  ]
  return [
    `${status.job}: ${status.state}, ${figures.join(" · ")}`,
    ...(error === undefined ? [] : [`  stopped by a failure that every item would have: ${error.slice(0, 300)}`]),
    ...workers.map(({ failed, id, inFlight, note, succeeded }) =>
      `  ${id}: ${Format.count(succeeded)} done, ${Format.count(failed)} failed, ${inFlight} in flight${
        note === undefined ? "" : `, ${note}`
      }`
    ),
    ...deadLetters.map(({ attempts, chunk, items, reason }) =>
      `  chunk ${chunk} (${Format.counted(items, "item")}, ${Format.counted(attempts, "attempt")}): ${reason}`
    )
  ].join("\n")
}
