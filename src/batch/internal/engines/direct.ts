/** The direct engine: each item is one extraction, sent as soon as it has a place in the pool. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Detailed } from "../../../extraction/Extraction.ts"
import type { ExtractionError } from "../../../extraction/ExtractionError.ts"
import type { BatchError } from "../../BatchError.ts"
import { unrecoverable } from "../errors.ts"
import { finished, type Item, type Outcome, type Planned } from "../item.ts"
import { commit, restored } from "../journaled.ts"
import type * as Pool from "../pool.ts"
import type { Handle, Run } from "../run.ts"

/** What an engine makes of finished items. */
interface Output<A, In, Out> {
  /** What it emits for an item, if anything. */
  readonly emit: (item: Planned<In>, outcome: Outcome<A>) => Out | undefined
  /** Whether it emits an unrecoverable failure, too, instead of failing with it. */
  readonly emitsUnrecoverable: boolean
}

/** Emits an item for each input. */
export const items = <A, Input, In, R>(run: Run<A, Input, In, R>): Handle<Item<A, In>, In, R> =>
  make(run, { emit: finished, emitsUnrecoverable: false })

/** Keeps the results by their index, and emits nothing. */
export const results =
  <A>(out: Array<Result.Result<A, ExtractionError> | undefined>) =>
  <Input, In, R>(run: Run<A, Input, In, R>): Handle<never, In, R> =>
    make<A, Input, In, R, never>(run, {
      emit: ({ index }, { result }) => {
        out[index] = result
        return undefined
      },
      emitsUnrecoverable: false
    })

/**
 * Keeps the values by their index, and emits every failure, so that the consumer can interrupt the items in flight at
 * once.
 */
export const values = <A>(out: Array<A>) => <Input, In, R>(run: Run<A, Input, In, R>): Handle<ExtractionError, In, R> =>
  make(run, {
    emit: ({ index }, { result }) => {
      if (Result.isFailure(result)) return result.failure
      out[index] = result.success
      return undefined
    },
    emitsUnrecoverable: true
  })

const make = <A, Input, In, R, Out>(
  run: Run<A, Input, In, R>,
  output: Output<A, In, Out>
): Handle<Out, In, R> => {
  const { clock, feed, journal } = run
  if (journal === undefined && feed === undefined) {
    return (item, control) => {
      const start = clock.currentTimeMillisUnsafe()
      const latency = (): number => clock.currentTimeMillisUnsafe() - start
      return Effect.matchEffect(run.extract(item), {
        onSuccess: (detailed) =>
          conclude(run, item, Result.succeed(detailed.value), detailed, latency(), control, output),
        onFailure: (error) => conclude(run, item, Result.fail(error), error, latency(), control, output)
      })
    }
  }
  const extract: Handle<Out, In, R> = (item, control) =>
    // An answer that has arrived is recorded and reported, even if the batch is interrupted.
    Effect.uninterruptibleMask((restore) =>
      report(run, item, restore(Effect.result(run.observed(item, run.extract(item)))), control, output)
    )
  if (journal === undefined) return extract
  return (item, control, turn) =>
    item.claim === undefined || item.claim.status === "new"
      ? extract(item, control, turn)
      : Effect.flatMap(
        restored(run, journal, item, item.claim),
        (found) => found === undefined ? extract(item, control, turn) : Effect.succeed(output.emit(item, found))
      )
}

/** Ends an item. An unrecoverable failure stops the run, and the item stays pending. */
const conclude = <A, Input, In, R, Out>(
  { failurePolicy, feed }: Run<A, Input, In, R>,
  item: Planned<In>,
  result: Result.Result<A, ExtractionError>,
  { attempts, usage }: Spent,
  latencyMillis: number,
  { stop }: Pool.Control<Out, BatchError>,
  { emit, emitsUnrecoverable }: Output<A, In, Out>
): Effect.Effect<Out | undefined, BatchError> => {
  const outcome = { result, attempts, usage, latencyMillis, restored: false }
  if (Result.isFailure(result) && result.failure.isUnrecoverable) {
    const error = unrecoverable(result.failure)
    if (!emitsUnrecoverable) return error
    stop(error)
  } else {
    const tooMany = failurePolicy(result)
    if (tooMany !== undefined) stop(tooMany)
    feed?.finished(finished(item, outcome))
  }
  return Effect.succeed(emit(item, outcome))
}

type Spent = Pick<ExtractionError, "attempts" | "usage">

const valueOf = <A>({ value }: Detailed<A>): A => value

// A generator function made for each item would add a hidden class to the heap each time.
const report = Effect.fnUntraced(function*<A, Input, In, R, Out>(
  run: Run<A, Input, In, R>,
  item: Planned<In>,
  asked: Effect.Effect<Result.Result<Detailed<A>, ExtractionError>, never, R>,
  control: Pool.Control<Out, BatchError>,
  output: Output<A, In, Out>
): Effect.fn.Return<Out | undefined, BatchError, R> {
  const { clock, feed, journal } = run
  const { claim, id, index } = item
  feed?.started(index, id)
  const start = clock.currentTimeMillisUnsafe()
  let detailed = yield* asked
  const latencyMillis = clock.currentTimeMillisUnsafe() - start
  if (Result.isFailure(detailed) && detailed.failure.isUnrecoverable) {
    feed?.left(index)
    feed?.spent(detailed.failure.attempts, detailed.failure.usage)
  } else if (journal !== undefined && claim !== undefined) {
    const committed = yield* commit(journal, claim, run.compiled.extraction.name, item, detailed, latencyMillis)
    detailed = committed.detailed
    // The run stops, but the item is finished and emitted.
    if (committed.failure !== undefined) control.stop(committed.failure)
  }
  const result = Result.map(detailed, valueOf)
  return yield* conclude(run, item, result, Result.merge(detailed), latencyMillis, control, output)
})
