/** What engines do with the journal of a run: record an item, and restore one. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type { Compiled } from "../../extraction/Compiled.ts"
import type { Detailed } from "../../extraction/Extraction.ts"
import { ExtractionError, LimitExceeded } from "../../extraction/ExtractionError.ts"
import type { BatchError } from "../BatchError.ts"
import type { Claim, Journal } from "../Journal.ts"
import { journalFailure } from "./errors.ts"
import type { Feed } from "./feed.ts"
import type { Outcome, Planned } from "./item.ts"
import { restore, toRecord } from "./records.ts"

type Spent = Pick<ExtractionError, "attempts" | "usage">

export interface Committed<out A> {
  /** What was recorded: another failure if no record can hold the answer. */
  readonly detailed: Result.Result<Detailed<A>, ExtractionError>
  /** Why the run has to stop. */
  readonly failure: BatchError | undefined
}

/** Records an item. */
export const commit = Effect.fnUntraced(function*<A, In>(
  journal: Journal["Service"],
  claim: Claim,
  extraction: string,
  item: Planned<In>,
  detailed: Result.Result<Detailed<A>, ExtractionError>,
  latencyMillis: number
): Effect.fn.Return<Committed<A>> {
  const write = (result: typeof detailed) =>
    Effect.flatMap(toRecord(item, result, latencyMillis), (record) => Effect.result(journal.commit(claim, record)))
  const committed = yield* write(detailed)
  if (Result.isSuccess(committed)) return { detailed, failure: undefined }
  if (committed.failure.isUnrecoverable) return { detailed, failure: journalFailure(committed.failure) }
  const instead = Result.fail(unrecordable(extraction, Result.merge(detailed)))
  const second = yield* write(instead)
  return { detailed: instead, failure: Result.isFailure(second) ? journalFailure(second.failure) : undefined }
})

/** The failure of an item whose answer no record can hold. Other items can still be recorded. */
const unrecordable = (extraction: string, { attempts, usage }: Spent): ExtractionError =>
  new ExtractionError({ extraction, reason: new LimitExceeded({ limit: "maxDepth", maximum: 500 }), attempts, usage })

/** The part of a run that restoring needs. */
interface Restoring<A, Input, R> {
  readonly compiled: Compiled<A, Input, R>
  readonly feed: Feed | undefined
}

/** The outcome that an earlier run recorded, or `undefined` if the record cannot be used any more. */
export const restored = Effect.fnUntraced(function*<A, Input, In, R>(
  { compiled: { extraction, response }, feed }: Restoring<A, Input, R>,
  journal: Journal["Service"],
  item: Planned<In>,
  claim: Claim
): Effect.fn.Return<Outcome<A> | undefined, BatchError, R> {
  const record = yield* Effect.mapError(journal.read(claim), journalFailure)
  if (Option.isNone(record)) return undefined
  const { isCurrent, result } = yield* restore(extraction, response, record.value)
  if (!isCurrent) return undefined
  feed?.restored(item.index, item.id)
  return { ...record.value, result, restored: true }
})
