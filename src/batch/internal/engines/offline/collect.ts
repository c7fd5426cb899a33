/** Waits for a batch, reads its results, and gives every item of it an outcome or another place. */
import * as AiError from "effect/ai/AiError"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as Compiled from "../../../../extraction/Compiled.ts"
import { ExtractionError, Skipped } from "../../../../extraction/ExtractionError.ts"
import type { Completion } from "../../../../llm/Completion.ts"
import type * as LlmBatch from "../../../../llm/LlmBatch.ts"
import { LlmError } from "../../../../llm/LlmError.ts"
import * as Usage from "../../../../llm/Usage.ts"
import type { BatchError } from "../../../BatchError.ts"
import { unrecoverable } from "../../errors.ts"
import type { Planned } from "../../item.ts"
import { type Context, failed, providerFailure, settle } from "./context.ts"
import * as Notes from "./notes.ts"
import { defaultPoll, defaultRetries } from "./options.ts"
import * as Remote from "./remote.ts"
import { type Batch, type Carried, fresh, positionIn, type Row } from "./rows.ts"

export interface Places<in In> {
  /** Puts a row into the next batch. */
  readonly toNextBatch: (row: Row<In>) => Effect.Effect<void, BatchError>
  readonly toOnline: (row: Row<In>) => Effect.Effect<void>
  /** Submits the rows that wait, if no more are to come for now. */
  readonly flush: Effect.Effect<void, BatchError>
}

export const watch = Effect.fnUntraced(function*<A, Input, In, R>(
  context: Context<A, Input, In, R>,
  places: Places<In>,
  batch: Batch<In>
): Effect.fn.Return<void, BatchError, R> {
  const { allowance, compiled: { extraction }, sourceEnded } = context
  const ended = yield* Effect.mapError(
    Effect.ensuring(wait(context, batch), Effect.sync(() => allowance.release(batch.tokens))),
    (error) => unrecoverable(providerFailure(extraction.name, error, fresh))
  )
  // The items of a recovered batch are known once the source has been read.
  if (batch.recovered) yield* sourceEnded.await
  if (ended._tag === "Vanished" && batch.recovered) return yield* unknownBatch(context, batch)
  const status = ended._tag === "Ended" ? ended.status : undefined
  const isFull = status?.status === "failed" && status.error !== null && Remote.isEnqueuedLimit(status.error)
  if (isFull) allowance.refused(batch.tokens)
  const outcomes = status === undefined
    ? new Map<number, Rest>()
    : yield* reading(context, read(context, places, batch))
  if (isFull) yield* Effect.timeoutOption(allowance.changed, "15 minutes")
  for (const [position, item] of batch.items.entries()) {
    if (item === undefined) continue
    const row = rowOf(context, batch, position, item)
    yield* place(context, places, row, outcomes.get(position) ?? lost(context, status), isFull)
  }
  batch.collected = true
  if (batch.left === 0) yield* Notes.done(context.journal, batch.name)
  if (context.state.sourceEnded) yield* places.flush
})

const reading = <A, Input, In, R, B, E, R2>(
  { state }: Context<A, Input, In, R>,
  effect: Effect.Effect<B, E, R2>
): Effect.Effect<B, E, R2> =>
  Effect.suspend(() => {
    state.reading++
    return Effect.ensuring(
      effect,
      Effect.sync(() => {
        state.reading--
      })
    )
  })

/** Waits for the end of a batch. One that is late is cancelled, and not waited for after the deadline. */
const wait = Effect.fnUntraced(function*<A, Input, In, R>(
  { clock, deadlineMillis, late, options, service, state }: Context<A, Input, In, R>,
  { reference }: Batch<In>
): Effect.fn.Return<Remote.Ended | { readonly _tag: "Abandoned" }, LlmError> {
  let isCancelled = false
  const cancel = Effect.suspend(() => {
    if (!state.isLate || isCancelled) return Effect.void
    isCancelled = true
    // A batch that has just ended cannot be cancelled.
    return Effect.ignore(Remote.persistently(service.cancel(reference)))
  })
  const polled = Remote.poll(service, reference, {
    schedule: options.poll ?? defaultPoll,
    onStatus: (status) =>
      Effect.andThen(options.onStatus?.(status) ?? Effect.void, status.status === "cancelling" ? Effect.void : cancel),
    wake: Effect.suspend(() => isCancelled ? Effect.never : Effect.andThen(late.await, cancel))
  })
  const abandoned = Effect.andThen(
    late.await,
    Effect.suspend(() => Effect.sleep(Math.max(0, deadlineMillis - clock.currentTimeMillisUnsafe())))
  )
  return yield* Effect.raceFirst(polled, Effect.as(abandoned, { _tag: "Abandoned" as const }))
})

const unknownBatch = <A, Input, In, R>(
  { compiled, service }: Context<A, Input, In, R>,
  { reference: { id } }: Batch<In>
): Effect.Effect<never, BatchError> =>
  Effect.fail(unrecoverable(providerFailure(
    compiled.extraction.name,
    new LlmError({
      provider: service.provider,
      reason: new AiError.AuthenticationError({
        kind: "InsufficientPermissions",
        description: `the batch ${id} of an earlier run is not known. Use the key and the project that submitted it`
      })
    }),
    fresh
  )))

/** A result that is no completion. */
type Rest = Exclude<LlmBatch.BatchResult, { readonly _tag: "Completed" }>

/** Results that are handled at the same time, so that their records are written together. */
const concurrency = 64

/** Handles the completions of a batch, and returns the other results. The first completion of an item counts. */
const read = Effect.fnUntraced(function*<A, Input, In, R>(
  context: Context<A, Input, In, R>,
  places: Places<In>,
  batch: Batch<In>
): Effect.fn.Return<Map<number, Rest>, BatchError, R> {
  const { compiled: { extraction, output }, service } = context
  const rest = new Map<number, Rest>()
  const handle = (result: LlmBatch.BatchResult): Effect.Effect<void, BatchError, R> => {
    const position = positionIn(batch.name, batch.items.length, result.id)
    const item = position === -1 ? undefined : batch.items[position]
    if (item === undefined) return Effect.void
    if (result._tag !== "Completed") {
      rest.set(position, result)
      return Effect.void
    }
    const row = rowOf(context, batch, position, item)
    batch.items[position] = undefined
    return completed(context, places, row, result.completion)
  }
  const results = Stream.runForEachArray(
    service.results(batch.reference, output),
    (results) => Effect.forEach(results, handle, { concurrency, discard: true })
  )
  // What has been handled is not handled again.
  yield* Remote.persistently(results, (error) => error._tag === "LlmError").pipe(
    Effect.catchTag("LlmError", (error) => Effect.fail(unrecoverable(providerFailure(extraction.name, error, fresh))))
  )
  return rest
})

const rowOf = <A, Input, In, R>(
  _: Context<A, Input, In, R>,
  batch: Batch<In>,
  position: number,
  item: Planned<In>
): Row<In> => ({
  item,
  carried: batch.carried.get(position) ?? fresh,
  reask: undefined,
  origin: batch,
  startMillis: batch.startMillis
})

/** The meaning of a completion is the same as online. */
const completed = Effect.fnUntraced(function*<A, Input, In, R>(
  context: Context<A, Input, In, R>,
  places: Places<In>,
  row: Row<In>,
  completion: Completion
): Effect.fn.Return<void, BatchError, R> {
  const { compiled, finish, toRequest } = context
  const { name } = compiled.extraction
  const first = toRequest(row.item)
  const spent = {
    attempts: row.carried.attempts + 1,
    usage: Usage.add(row.carried.usage, completion.usage)
  }
  if (Result.isFailure(first)) {
    return yield* settle(context, row, Result.fail(failed(name, first.failure.reason, spent)))
  }
  const cut = Compiled.promptCut(first.success, completion)
  if (cut !== undefined) return yield* settle(context, row, Result.fail(failed(name, cut, spent)))
  const step = yield* Compiled.step(compiled, first.success, completion, {
    before: row.carried,
    source: () => context.sourceOf(row.item),
    spent
  })
  switch (step._tag) {
    case "Valid": {
      const { answer, coercions, completion, value } = step
      const { finishReason, model } = completion
      const detailed = { value, answer, coercions, ...spent, model, finishReason, completion }
      return yield* settle(context, row, Result.succeed(detailed))
    }
    case "Failed":
      return yield* settle(context, row, Result.fail(failed(name, step.reason, spent)))
    case "Reask": {
      if (finish === "none") {
        return yield* settle(context, row, Result.fail(failed(name, step.reason, spent)))
      }
      const carried: Carried = { ...step.before, ...spent, retries: row.carried.retries }
      const next = { ...row, carried, reask: step.request }
      return yield* finish === "online" ? places.toOnline(next) : places.toNextBatch(next)
    }
  }
})

/** What becomes of an item without a completion. */
const place = <A, Input, In, R>(
  context: Context<A, Input, In, R>,
  places: Places<In>,
  row: Row<In>,
  rest: Rest,
  isFull: boolean
): Effect.Effect<void, BatchError> => {
  const { compiled: { extraction: { name } }, finish, service, state } = context
  const fail = (error: LlmError): Effect.Effect<void, BatchError> =>
    settle(context, row, Result.fail(providerFailure(name, error, row.carried)))
  const again = (error: LlmError): Effect.Effect<void, BatchError> => {
    const { carried } = row
    const usage = error.usage === undefined ? carried.usage : Usage.add(carried.usage, error.usage)
    if (isFull) return places.toNextBatch(row)
    const next = { ...row, carried: { ...carried, usage, retries: carried.retries + 1 } }
    if (state.isLate) return places.toOnline(next)
    if (carried.retries < (context.options.retries ?? defaultRetries)) return places.toNextBatch(next)
    return finish === "online" ? places.toOnline(next) : fail(error)
  }
  switch (rest._tag) {
    case "Failed":
      return rest.error.isRetryable || isFull ? again(rest.error) : fail(rest.error)
    case "Expired":
      return again(Remote.notAnswered(service, "the batch expired before it answered the request"))
    case "Cancelled":
      return state.isLate ? places.toOnline(row) : settle(
        context,
        row,
        Result.fail(
          new ExtractionError({
            extraction: name,
            reason: new Skipped({ description: "the batch was cancelled before it answered the request" }),
            ...row.carried
          })
        )
      )
  }
}

/** The result of an item that has none. */
const lost = <A, Input, In, R>(
  { service }: Context<A, Input, In, R>,
  status: LlmBatch.BatchStatus | undefined
): Rest => {
  switch (status?.status) {
    case "expired":
      return { _tag: "Expired", id: "" }
    case "cancelled":
      return { _tag: "Cancelled", id: "" }
    case "failed":
      return {
        _tag: "Failed",
        id: "",
        error: status.error ?? Remote.notAnswered(service, "the batch failed without a reason")
      }
    default:
      return {
        _tag: "Failed",
        id: "",
        error: Remote.notAnswered(
          service,
          status === undefined ? "the batch is not known any more" : "the batch has no result for the request"
        )
      }
  }
}
