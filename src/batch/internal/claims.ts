/** Claims the inputs of a run in its journal, and leaves out those that are finished. */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as Compiled from "../../extraction/Compiled.ts"
import type { ExtractionError } from "../../extraction/ExtractionError.ts"
import { fingerprint } from "../../llm/fingerprint.ts"
import type { Llm } from "../../llm/Llm.ts"
import type { LlmRequest } from "../../llm/LlmRequest.ts"
import type { BatchError } from "../BatchError.ts"
import type { Claim, Journal, JournalItem } from "../Journal.ts"
import type { JournalError } from "../JournalError.ts"
import { journalFailure } from "./errors.ts"
import type { Feed } from "./feed.ts"
import { notSent, type Planned } from "./item.ts"
import type { Options } from "./options.ts"
import { chunkSize } from "./source.ts"

/** The part of a run that claims need. An engine may ask another service than an `Llm`. */
export interface Claiming<In> {
  readonly compiled: Pick<Compiled.Compiled<unknown, never, unknown>, "extraction">
  readonly llm: Pick<Llm["Service"], "origin" | "provider">
  readonly options: Options<In>
  readonly feed: Feed | undefined
  readonly toRequest: (item: Planned<In>) => Result.Result<LlmRequest, ExtractionError>
}

export const claim = <In, E, R2>(
  planned: Stream.Stream<Planned<In>, E, R2>,
  run: Claiming<In>,
  journal: Journal["Service"]
): Stream.Stream<Planned<In>, E | BatchError, R2> => {
  const claimSize = journal.claimSize ?? chunkSize
  const claimChunk = Effect.fnUntraced(function*(chunk: ReadonlyArray<Planned<In>>) {
    const pending: Array<Planned<In>> = []
    // Only the requests of one such part are in memory at the same time.
    for (let start = 0; start < chunk.length; start += claimSize) {
      const some = chunk.slice(start, start + claimSize)
      const claims = yield* journal.claim(
        some.map((item): JournalItem => ({
          index: item.index,
          id: item.id,
          content: contentOf(run, run.toRequest(item))
        }))
      )
      for (let i = 0; i < some.length; i++) {
        const claimed = claims[i]!.status === "duplicate"
          ? yield* claimDuplicate(run.compiled.extraction.name, journal, some[i]!)
          : toPending(run, some[i]!, claims[i]!)
        if (claimed !== undefined) pending.push(claimed)
      }
    }
    return pending
  }, Effect.mapError(journalFailure))

  return Stream.chunks(planned).pipe(
    Stream.mapEffect(claimChunk),
    Stream.filter(Arr.isArrayNonEmpty),
    Stream.flattenArray
  )
}

/** The content by which a journal tells whether an item is still the same. */
export const contentOf = (
  { compiled, llm }: Pick<Claiming<never>, "compiled" | "llm">,
  request: Result.Result<LlmRequest, ExtractionError>
): string =>
  Result.isSuccess(request)
    ? fingerprint(llm, request.success) + Compiled.keyOf(compiled)
    : `not sent: ${request.failure.message}`

const toPending = <In>(
  { feed, options: { emitRestored = true, retryFailures = true } }: Claiming<In>,
  item: Planned<In>,
  claim: Claim
): Planned<In> | undefined => {
  const isFinished = claim.status === "ok" || claim.status === "error" && !retryFailures
  if (!isFinished) return { ...item, claim: { ...claim, status: "new" } }
  if (emitRestored) return { ...item, claim }
  feed?.restored(item.index, item.id)
  return undefined
}

/** The second item of an id fails, with its own record next to that of the first. */
const claimDuplicate = <In>(
  extraction: string,
  journal: Journal["Service"],
  { id, ...item }: Planned<In>
): Effect.Effect<Planned<In>, JournalError> =>
  Effect.map(
    journal.claim([{ index: item.index, id: undefined, content: `duplicate ${id}` }]),
    ([claim]) => ({ ...item, id, claim, error: duplicateId(extraction, id) })
  )

const duplicateId = (extraction: string, id: string | undefined) =>
  notSent(
    extraction,
    `The id ${
      JSON.stringify(id)
    } occurs more than once. A journal identifies items by their ids, so each must be unique`
  )
