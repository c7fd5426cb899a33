/** The reasons for a run to stop. */
import * as Result from "effect/Result"
import { ExtractionError, Skipped } from "../../extraction/ExtractionError.ts"
import { zero } from "../../llm/Usage.ts"
import { BatchError, JournalFailure, TooManyFailures, Unrecoverable } from "../BatchError.ts"
import type { JournalError } from "../JournalError.ts"
import type { Options } from "./options.ts"

export const unrecoverable = (error: ExtractionError): BatchError =>
  new BatchError({ reason: new Unrecoverable({ error }) })

export const journalFailure = (error: JournalError): BatchError =>
  new BatchError({ reason: new JournalFailure({ error }) })

/** The error of an item that a stopped batch did not finish. */
export const skipped = (extraction: string, { reason }: BatchError): ExtractionError =>
  reason._tag === "Unrecoverable"
    ? reason.error
    : new ExtractionError({
      extraction,
      reason: new Skipped({ description: reason.message }),
      attempts: 0,
      usage: zero
    })

/** The share of failures among fewer items says little. */
const minItemsForShare = 100

/** Counts results, and returns the error to stop with if there are too many failures. */
export type FailurePolicy = (result: Result.Result<unknown, ExtractionError>) => BatchError | undefined

export const makeFailurePolicy = ({ maxFailures = Infinity, maxFailureShare = 1 }: Options): FailurePolicy => {
  let finished = 0
  let failed = 0
  return (result) => {
    finished++
    if (Result.isSuccess(result)) return undefined
    failed++
    const tooMany = failed >= maxFailures || finished >= minItemsForShare && failed / finished > maxFailureShare
    return tooMany
      ? new BatchError({ reason: new TooManyFailures({ failed, finished, last: result.failure }) })
      : undefined
  }
}
