/** Results from a journal. `Batch` exports `restore`. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as Compiled from "../../extraction/Compiled.ts"
import type { Extraction } from "../../extraction/Extraction.ts"
import type { ExtractionError } from "../../extraction/ExtractionError.ts"
import type { JournalRecord } from "../Journal.ts"
import * as Records from "./records.ts"

/**
 * Returns the result that a journal recorded for an item, decoded through the current schema. Use it to read the results
 * of a run from the `records` of a `Journal`.
 *
 * **Example** (Reading a journal)
 *
 * ```ts
 * import { Effect, Result, Schema, Stream } from "effect"
 * import { Batch, Extraction, Journal } from "effect-instructor"
 * import { MockLlm } from "effect-instructor/testing"
 *
 * const person = Extraction.make({ schema: Schema.Struct({ name: Schema.String }) })
 *
 * const program = Effect.gen(function*() {
 *   yield* Stream.runDrain(Batch.resumable(person, ["I am Ada"]))
 *   const journal = yield* Journal.Journal
 *   const records = yield* Stream.runCollect(journal.records)
 *   return yield* Effect.forEach(records, ({ record }) => Batch.restore(person, record))
 * }).pipe(Effect.provide([Journal.layerMemory, MockLlm.layer([{ name: "Ada" }])]))
 *
 * await Effect.runPromise(program) // => [Result.succeed({ name: "Ada" })]
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const restore = <A, Input, R>(
  self: Extraction<A, Input, R> | Schema.ConstraintDecoder<A, R>,
  record: JournalRecord
): Effect.Effect<Result.Result<A, ExtractionError>, never, R> => {
  const extraction = Compiled.resolve<A, Input, R, unknown>(self)
  const response = Compiled.response(extraction)
  return Result.isFailure(response)
    ? Effect.succeed(Result.fail(response.failure))
    : Effect.map(Records.restore(extraction, response.success, record), ({ result }) => result)
}
