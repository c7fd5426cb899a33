/** The direct engine: each item is one extraction, sent at once. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Compiled from "../../../extraction/Compiled.ts"
import type { Detailed } from "../../../extraction/Extraction.ts"
import type { ExtractionError } from "../../../extraction/ExtractionError.ts"
import type { BatchError } from "../../BatchError.ts"
import type { Claim } from "../../Journal.ts"
import { journalFailure, unrecoverable } from "../errors.ts"
import { finished, type Item, type Planned } from "../item.ts"
import type * as Pool from "../pool.ts"
import { restore, toRecord } from "../records.ts"
import type { Handle, Run } from "../run.ts"

export const make = <A, Input, In, R>(run: Run<A, Input, In, R>): Handle<Item<A, In>, In, R> => {
  const extract: Handle<Item<A, In>, In, R> = (item, control) =>
    // Once there is an answer, it reaches the journal.
    Effect.uninterruptibleMask((restore) =>
      finish(run, item, restore(Effect.result(run.observed(item, ask(run, item)))), control)
    )
  if (run.journal === undefined) return extract
  return (item, control, turn) =>
    item.claim === undefined || item.claim.status === "new"
      ? extract(item, control, turn)
      : Effect.flatMap(
        restored(run, item, item.claim),
        (found) => found === undefined ? extract(item, control, turn) : Effect.succeed(found)
      )
}

/**
 * The engine of `Batch.all`. A failure that would stop the run is given as an item, so that the consumer can interrupt the
 * items in flight at once instead of waiting for them.
 */
export const failFast = <A, Input, In, R>(run: Run<A, Input, In, R>): Handle<Item<A, In>, In, R> => {
  const handle = make(run)
  return (item, control, turn) =>
    Effect.catch(handle(item, control, turn), (error) => {
      if (error.reason._tag !== "Unrecoverable") return Effect.fail(error)
      control.stop(error)
      const { error: failure } = error.reason
      const { attempts, usage } = failure
      return Effect.succeed(
        finished(item, { result: Result.fail(failure), attempts, usage, latencyMillis: 0, restored: false })
      )
    })
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

// Made once: a generator function made for each item leaves a hidden class of its own in the heap each time.
const finish = Effect.fnUntraced(function*<A, Input, In, R>(
  { clock, failurePolicy, feed, journal }: Run<A, Input, In, R>,
  item: Planned<In>,
  asked: Effect.Effect<Result.Result<Detailed<A>, ExtractionError>, never, R>,
  { stop }: Pool.Control<Item<A, In>, BatchError>
): Effect.fn.Return<Item<A, In>, BatchError, R> {
  const { claim, id, index } = item
  feed?.started(index, id)
  const start = clock.currentTimeMillisUnsafe()
  const detailed = yield* asked
  const latencyMillis = clock.currentTimeMillisUnsafe() - start
  const { attempts, usage } = Result.merge(detailed)
  if (Result.isFailure(detailed) && detailed.failure.isUnrecoverable) {
    feed?.left(index)
    feed?.spent(attempts, usage)
    return yield* unrecoverable(detailed.failure)
  }
  if (journal !== undefined && claim !== undefined) {
    const record = yield* toRecord(item, detailed, latencyMillis)
    // The item is finished even so, and its consumer gets it.
    yield* journal.commit(claim, record).pipe(
      Effect.catch((error) => Effect.sync(() => stop(journalFailure(error))))
    )
  }
  const result = Result.map(detailed, ({ value }) => value)
  const done = finished(item, { result, attempts, usage, latencyMillis, restored: false })
  feed?.finished(done)
  const tooMany = failurePolicy(result)
  if (tooMany !== undefined) stop(tooMany)
  return done
})

/** The item as an earlier run finished it, unless its record cannot be used any more. */
const restored = Effect.fnUntraced(function*<A, Input, In, R>(
  { compiled: { extraction, response }, feed, journal }: Run<A, Input, In, R>,
  item: Planned<In>,
  claim: Claim
): Effect.fn.Return<Item<A, In> | undefined, BatchError, R> {
  const record = yield* Effect.mapError(journal!.read(claim), journalFailure)
  if (Option.isNone(record)) return undefined
  const { isCurrent, result } = yield* restore(extraction.name, response, record.value)
  if (!isCurrent) return undefined
  feed?.restored(item.index, item.id)
  return finished(item, { ...record.value, result, restored: true })
})
