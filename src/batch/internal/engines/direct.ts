/** The direct engine: each item is one extraction, sent as soon as it has a place in the pool. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Compiled from "../../../extraction/Compiled.ts"
import type { Detailed } from "../../../extraction/Extraction.ts"
import type { ExtractionError } from "../../../extraction/ExtractionError.ts"
import type { BatchError } from "../../BatchError.ts"
import type { Claim } from "../../Journal.ts"
import { journalFailure, unrecoverable } from "../errors.ts"
import { finished, type Item, type Outcome, type Planned } from "../item.ts"
import type * as Pool from "../pool.ts"
import { restore, toRecord } from "../records.ts"
import type { Handle, Run } from "../run.ts"

type Stop = Pick<Pool.Control<never, BatchError>, "stop">

/** What becomes of a finished item: what the engine emits for it, if anything. */
type Emit<A, In, Out> = (item: Planned<In>, outcome: Outcome<A>) => Out | undefined

/** Emits an item for each input. */
export const items = <A, Input, In, R>(run: Run<A, Input, In, R>): Handle<Item<A, In>, In, R> => make(run, finished)

/** Keeps the results by their index, and emits nothing. */
export const results =
  <A>(out: Array<Result.Result<A, ExtractionError> | undefined>) =>
  <Input, In, R>(run: Run<A, Input, In, R>): Handle<never, In, R> =>
    make(run, ({ index }, { result }) => {
      out[index] = result
      return undefined
    })

/**
 * Keeps the values by their index, and emits failures. An unrecoverable one is emitted, too, so that the consumer can
 * interrupt the items in flight at once instead of waiting for them.
 */
export const values =
  <A>(out: Array<A>) => <Input, In, R>(run: Run<A, Input, In, R>): Handle<ExtractionError, In, R> => {
    const extract = make(run, ({ index }, { result }) => {
      if (Result.isFailure(result)) return result.failure
      out[index] = result.success
      return undefined
    })
    return (item, control) =>
      Effect.catch(extract(item, control), (error) => {
        if (error.reason._tag !== "Unrecoverable") return Effect.fail(error)
        control.stop(error)
        return Effect.succeed(error.reason.error)
      })
  }

const make = <A, Input, In, R, Out>(
  run: Run<A, Input, In, R>,
  emit: Emit<A, In, Out>
): (item: Planned<In>, control: Stop) => Effect.Effect<Out | undefined, BatchError, R> => {
  const { clock, feed, journal } = run
  if (journal === undefined && feed === undefined) {
    return (item, control) => {
      const start = clock.currentTimeMillisUnsafe()
      return Effect.matchEffect(ask(run, item), {
        onSuccess: (detailed) =>
          conclude(run, item, Result.succeed(detailed), clock.currentTimeMillisUnsafe() - start, control, emit),
        onFailure: (error) =>
          conclude(run, item, Result.fail(error), clock.currentTimeMillisUnsafe() - start, control, emit)
      })
    }
  }
  const extract = (item: Planned<In>, control: Stop): Effect.Effect<Out | undefined, BatchError, R> =>
    // Once there is an answer, it reaches the journal and the progress.
    Effect.uninterruptibleMask((restore) =>
      report(run, item, restore(Effect.result(run.observed(item, ask(run, item)))), control, emit)
    )
  if (journal === undefined) return extract
  return (item, control) =>
    item.claim === undefined || item.claim.status === "new"
      ? extract(item, control)
      : Effect.flatMap(
        restored(run, item, item.claim),
        (found) => found === undefined ? extract(item, control) : Effect.succeed(emit(item, found))
      )
}

const ask = <A, Input, In, R>(
  run: Run<A, Input, In, R>,
  item: Planned<In>
): Effect.Effect<Detailed<A>, ExtractionError, R> => {
  const request = run.toRequest(item)
  return Result.isFailure(request)
    ? Effect.fail(request.failure)
    : Compiled.run(run.compiled, run.llm, request.success)
}

/** Emits a finished item. An unrecoverable failure stops the run instead, and its item stays pending. */
const conclude = <A, Input, In, R, Out>(
  { failurePolicy, feed }: Run<A, Input, In, R>,
  item: Planned<In>,
  detailed: Result.Result<Detailed<A>, ExtractionError>,
  latencyMillis: number,
  { stop }: Stop,
  emit: Emit<A, In, Out>
): Effect.Effect<Out | undefined, BatchError> => {
  if (Result.isFailure(detailed) && detailed.failure.isUnrecoverable) return unrecoverable(detailed.failure)
  const { attempts, usage } = Result.merge(detailed)
  const outcome = { result: Result.map(detailed, valueOf), attempts, usage, latencyMillis, restored: false }
  const tooMany = failurePolicy(outcome.result)
  if (tooMany !== undefined) stop(tooMany)
  feed?.finished(finished(item, outcome))
  return Effect.succeed(emit(item, outcome))
}

const valueOf = <A>({ value }: Detailed<A>): A => value

// Made once: a generator function made for each item leaves a hidden class of its own in the heap each time.
const report = Effect.fnUntraced(function*<A, Input, In, R, Out>(
  run: Run<A, Input, In, R>,
  item: Planned<In>,
  asked: Effect.Effect<Result.Result<Detailed<A>, ExtractionError>, never, R>,
  control: Stop,
  emit: Emit<A, In, Out>
): Effect.fn.Return<Out | undefined, BatchError, R> {
  const { clock, feed, journal } = run
  const { claim, id, index } = item
  feed?.started(index, id)
  const start = clock.currentTimeMillisUnsafe()
  const detailed = yield* asked
  const latencyMillis = clock.currentTimeMillisUnsafe() - start
  if (Result.isFailure(detailed) && detailed.failure.isUnrecoverable) {
    feed?.left(index)
    feed?.spent(detailed.failure.attempts, detailed.failure.usage)
  } else if (journal !== undefined && claim !== undefined) {
    const record = yield* toRecord(item, detailed, latencyMillis)
    // The item is finished even so, and its consumer gets it.
    yield* journal.commit(claim, record).pipe(
      Effect.catch((error) => Effect.sync(() => control.stop(journalFailure(error))))
    )
  }
  return yield* conclude(run, item, detailed, latencyMillis, control, emit)
})

/** The outcome that an earlier run recorded for an item, unless its record cannot be used any more. */
const restored = Effect.fnUntraced(function*<A, Input, In, R>(
  { compiled: { extraction, response }, feed, journal }: Run<A, Input, In, R>,
  item: Planned<In>,
  claim: Claim
): Effect.fn.Return<Outcome<A> | undefined, BatchError, R> {
  const record = yield* Effect.mapError(journal!.read(claim), journalFailure)
  if (Option.isNone(record)) return undefined
  const { isCurrent, result } = yield* restore(extraction.name, response, record.value)
  if (!isCurrent) return undefined
  feed?.restored(item.index, item.id)
  return { ...record.value, result, restored: true }
})
