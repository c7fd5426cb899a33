/** Submits inputs without a run around them. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Compiled from "../../../../extraction/Compiled.ts"
import type { Extraction } from "../../../../extraction/Extraction.ts"
import { ExtractionError, ProviderFailure } from "../../../../extraction/ExtractionError.ts"
import { LlmBatch, type Reference } from "../../../../llm/LlmBatch.ts"
import { isLlmError, type LlmError } from "../../../../llm/LlmError.ts"
import { zero } from "../../../../llm/Usage.ts"
import type { BatchError } from "../../../BatchError.ts"
import { notSent } from "../../item.ts"
import { arrayChunkSize, refuseText, toStream } from "../../source.ts"
import { notDerived, type OfflineOptions, sizeOf } from "./options.ts"
import { byteLength, newName } from "./parts.ts"
import * as Remote from "./remote.ts"
import { idOf } from "./rows.ts"
import * as Spool from "./spool.ts"

interface Part {
  readonly name: string
  readonly model: string
  readonly spool: Spool.Spool
  requests: number
  bytes: number
}

export const submitAll = <A, Input, R, In extends Input, E, R2>(
  self: Extraction<A, Input, R>,
  source: Iterable<In> | Stream.Stream<In, E, R2>,
  options: Pick<OfflineOptions, "maxBytes" | "maxRequests">
): Effect.Effect<ReadonlyArray<Reference>, E | BatchError | ExtractionError, LlmBatch | R2> =>
  Effect.scoped(Effect.gen(function*() {
    const refused = refuseText(self.name, source)
    if (refused !== undefined) return yield* refused
    const service = yield* LlmBatch
    const compiled = yield* Effect.fromResult(Compiled.make(self, service.dialect))
    if (Compiled.isDerived(compiled)) return yield* notSent(self.name, notDerived)
    const size = sizeOf(options, service.limits)
    const openSpool = yield* Spool.make
    const references: Array<Reference> = []
    let part: Part | undefined
    const toError = (error: LlmError): ExtractionError =>
      new ExtractionError({ extraction: self.name, reason: new ProviderFailure({ error }), attempts: 0, usage: zero })

    const flush = Effect.gen(function*() {
      if (part === undefined) return
      const { spool, ...rest } = part
      part = undefined
      const since = yield* Clock.currentTimeMillis
      const submission = { ...rest, lines: yield* spool.lines }
      references.push(
        yield* Effect.mapError(
          Remote.submit(service, submission, { since, others: new Set(references.map(({ id }) => id)) }, Effect.void),
          (error) => isLlmError(error) ? toError(error) : error
        )
      )
      yield* spool.close
    })

    const add = Effect.fnUntraced(function*(input: In) {
      const request = yield* Effect.fromResult(Compiled.toRequest(compiled, input, service.model))
      const encode = (into: Part) =>
        Effect.mapError(Effect.fromResult(service.encode(idOf(into.name, into.requests), request)), toError)
      let line = part === undefined ? "" : yield* encode(part)
      const isFull = part === undefined || part.model !== request.model || part.requests >= size.requests ||
        part.bytes + byteLength(line) > size.bytes
      if (isFull) {
        yield* flush
        part = { name: yield* newName, model: request.model, spool: yield* openSpool, requests: 0, bytes: 0 }
        line = yield* encode(part)
      }
      const text = `${line}\n`
      yield* part!.spool.append(text)
      part!.requests++
      part!.bytes += byteLength(text)
    })

    yield* Stream.runForEach(toStream(source, arrayChunkSize), add)
    yield* flush
    return references
  }))
