/** What all parts of an offline run share, and how an item ends. */
import type * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Latch from "effect/Latch"
import type * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import type { Compiled } from "../../../../extraction/Compiled.ts"
import type { Detailed } from "../../../../extraction/Extraction.ts"
import { ExtractionError, ProviderFailure, type Reason } from "../../../../extraction/ExtractionError.ts"
import type { Llm } from "../../../../llm/Llm.ts"
import type { LlmBatch } from "../../../../llm/LlmBatch.ts"
import type { LlmError } from "../../../../llm/LlmError.ts"
import type { LlmRequest } from "../../../../llm/LlmRequest.ts"
import type { BatchError } from "../../../BatchError.ts"
import type { Journal } from "../../../Journal.ts"
import { type FailurePolicy, unrecoverable } from "../../errors.ts"
import type { Feed } from "../../feed.ts"
import { finished, type Item, type Outcome, type Planned } from "../../item.ts"
import { commit } from "../../journaled.ts"
import type { Allowance } from "./allowance.ts"
import * as Notes from "./notes.ts"
import type { Finish, OfflineOptions } from "./options.ts"
import type { Carried, Origin, Row } from "./rows.ts"

export interface Context<A, Input, in out In, R> {
  readonly compiled: Compiled<A, Input, R>
  readonly service: LlmBatch["Service"]
  /** What finishes items online. */
  readonly llm: Llm["Service"] | undefined
  readonly journal: Journal["Service"]
  readonly options: OfflineOptions<In>
  readonly finish: Finish
  readonly clock: Clock.Clock
  readonly feed: Feed | undefined
  readonly failurePolicy: FailurePolicy
  readonly toRequest: (item: Planned<In>) => Result.Result<LlmRequest, ExtractionError>
  /** The text of an input that checks compare a value with. */
  readonly sourceOf: (item: Planned<In>) => string
  /** Extracts online, after attempts of batches. */
  readonly extract: (
    item: Planned<In>,
    llm: Llm["Service"],
    request: LlmRequest,
    before: Carried & { readonly request: LlmRequest }
  ) => Effect.Effect<Detailed<A>, ExtractionError, R>
  readonly allowance: Allowance
  readonly emit: (item: Item<A, In>) => Effect.Effect<void>
  /** Ends the run with the first error, once the results that have arrived are recorded. */
  readonly stop: (error: BatchError) => void
  readonly state: State
  /** The ids of all batches that are known. */
  readonly others: Set<string>
  /** When the results are needed, in milliseconds since the epoch. */
  readonly deadlineMillis: number
  /** Opens when the source has ended and every item is known. */
  readonly sourceEnded: Latch.Latch
  /** Opens when what is not answered yet is to be finished online. */
  readonly late: Latch.Latch
  readonly online: Queue.Queue<Row<In>>
}

export interface State {
  stopped: Cause.Cause<BatchError> | undefined
  /** Opens when the run is over: after the last item, or when it has to stop. */
  readonly ended: Latch.Latch
  /** Items that are neither emitted nor left pending. */
  open: number
  /** Fibers that read results. A run that stops waits for them. */
  reading: number
  isLate: boolean
  sourceEnded: boolean
}

type Spent = Pick<ExtractionError, "attempts" | "usage">

export const failed = (extraction: string, reason: Reason, spent: Spent): ExtractionError =>
  new ExtractionError({ extraction, reason, attempts: spent.attempts, usage: spent.usage })

export const providerFailure = (extraction: string, error: LlmError, spent: Spent): ExtractionError =>
  failed(extraction, new ProviderFailure({ error }), spent)

/** Ends an item: records it and emits it. After an unrecoverable failure the run stops, and the item stays pending. */
export const settle = Effect.fnUntraced(function*<A, Input, In, R>(
  context: Context<A, Input, In, R>,
  { item, origin, startMillis }: Row<In>,
  result: Result.Result<Detailed<A>, ExtractionError>
): Effect.fn.Return<void, BatchError> {
  const { clock, compiled, failurePolicy, feed, journal } = context
  const { attempts, usage } = Result.merge(result)
  if (Result.isFailure(result) && result.failure.isUnrecoverable) {
    feed?.left(item.index)
    feed?.spent(attempts, usage)
    return context.stop(unrecoverable(result.failure))
  }
  const latencyMillis = clock.currentTimeMillisUnsafe() - startMillis
  let detailed = result
  if (item.claim !== undefined) {
    const committed = yield* commit(journal, item.claim, compiled.extraction.name, item, result, latencyMillis)
    detailed = committed.detailed
    if (committed.failure !== undefined) context.stop(committed.failure)
  }
  const value = Result.map(detailed, valueOf)
  const tooMany = failurePolicy(value)
  if (tooMany !== undefined) context.stop(tooMany)
  const spent = Result.merge(detailed)
  yield* leave(context, item, {
    result: value,
    attempts: spent.attempts,
    usage: spent.usage,
    latencyMillis,
    restored: false
  })
  if (origin !== undefined) yield* release(context, origin)
})

const valueOf = <A>({ value }: Detailed<A>): A => value

/** Emits an item. */
export const leave = <A, Input, In, R>(
  { emit, feed, state }: Context<A, Input, In, R>,
  item: Planned<In>,
  outcome: Outcome<A>
): Effect.Effect<void> => {
  const emitted = finished(item, outcome)
  if (!outcome.restored) feed?.finished(emitted)
  return Effect.map(emit(emitted), () => {
    state.open--
    if (state.open === 0 && state.sourceEnded) state.ended.openUnsafe()
  })
}

/** An item of a batch has another place. The last one of a batch that has been read leaves nothing to remember. */
export const release = <A, Input, In, R>(
  { journal }: Context<A, Input, In, R>,
  origin: Origin
): Effect.Effect<void, BatchError> => {
  origin.left--
  return origin.left === 0 && origin.collected ? Notes.done(journal, origin.name) : Effect.void
}
