/** Counts what a resumable batch would do. `Batch` exports `preview`. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Compiled from "../../extraction/Compiled.ts"
import type { Extraction, PromptInput } from "../../extraction/Extraction.ts"
import { Llm } from "../../llm/Llm.ts"
import type { BatchError } from "../BatchError.ts"
import { Journal, type JournalItem } from "../Journal.ts"
import { contentOf } from "./claims.ts"
import { journalFailure, unrecoverable } from "./errors.ts"
import { plan, type Planned } from "./item.ts"
import type { Options } from "./options.ts"
import { chunkSize, refuseText, type Source, toStream } from "./source.ts"

/**
 * What a resumable batch would do with its items.
 *
 * @category models
 * @since 0.1.0
 */
export interface Preview {
  /** Items that the journal has a value of. */
  readonly succeeded: number
  /** Items that the journal has a failure of, and that run again unless `retryFailures` is false. */
  readonly failed: number
  /** Items that the journal does not have, or has with other content. */
  readonly pending: number
}

/**
 * Counts which items of a resumable batch its journal has already. Use it before a run, to find out whether a change of
 * the extraction, the model or the server would send items again. Nothing is sent.
 *
 * **Example** (What a change of the instructions costs)
 *
 * ```ts
 * import { Effect, Schema, Stream } from "effect"
 * import { Batch, Extraction, Journal } from "effect-instructor"
 * import { MockLlm } from "effect-instructor/testing"
 *
 * const person = Extraction.make({ schema: Schema.Struct({ name: Schema.String }) })
 * const texts = ["I am Ada", "I am Alan"]
 *
 * const program = Effect.gen(function*() {
 *   yield* Stream.runDrain(Batch.resumable(person, texts))
 *   const changed = Extraction.with(person, { instructions: "Who is it?" })
 *   return [yield* Batch.preview(person, texts), yield* Batch.preview(changed, texts)]
 * }).pipe(Effect.provide([Journal.layerMemory, MockLlm.layer([{ name: "Ada" }, { name: "Alan" }])]))
 *
 * const [same, changed] = await Effect.runPromise(program)
 * same // => { succeeded: 2, failed: 0, pending: 0 }
 * changed // => { succeeded: 0, failed: 0, pending: 2 }
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const preview: {
  <A, Input, R, In extends Input, E = never, R2 = never>(
    self: Extraction<A, Input, R>,
    source: Source<In, E, R2>,
    options?: Pick<Options<In>, "id">
  ): Effect.Effect<Preview, E | BatchError, Llm | Journal | R2>
  <A, R, In extends PromptInput, E = never, R2 = never>(
    self: Schema.ConstraintDecoder<A, R>,
    source: Source<In, E, R2>,
    options?: Pick<Options<In>, "id">
  ): Effect.Effect<Preview, E | BatchError, Llm | Journal | R2>
} = Effect.fnUntraced(function*<A, Input, R, In extends Input, E = never, R2 = never>(
  self: Extraction<A, Input, R> | Schema.ConstraintDecoder<A, R>,
  source: Source<In, E, R2>,
  options?: Pick<Options<In>, "id">
): Effect.fn.Return<Preview, E | BatchError, Llm | Journal | R2> {
  const extraction = Compiled.resolve<A, Input, R, unknown>(self)
  const refused = refuseText(extraction.name, source)
  if (refused !== undefined) return yield* unrecoverable(refused)
  const llm = yield* Llm
  const journal = yield* Journal
  const compiled = yield* Effect.mapError(Effect.fromResult(Compiled.make(extraction, llm.dialect)), unrecoverable)
  let [succeeded, failed, pending] = [0, 0, 0]

  const toItem = ({ error, id, index, input }: Planned<In>): JournalItem => ({
    index,
    id,
    content: contentOf(
      { compiled, llm },
      error === undefined ? Compiled.toRequest(compiled, input, llm.model) : Result.fail(error)
    )
  })
  const count = (chunk: ReadonlyArray<Planned<In>>): Effect.Effect<void, BatchError> =>
    Effect.mapBoth(journal.claim(chunk.map(toItem)), {
      onSuccess: (claims) => {
        for (const { status } of claims) {
          if (status === "ok") succeeded++
          else if (status === "error") failed++
          else pending++
        }
      },
      onFailure: journalFailure
    })

  return yield* Effect.scoped(Effect.gen(function*() {
    yield* Effect.mapError(journal.begin, journalFailure)
    yield* plan(toStream(source, chunkSize), extraction.name, options ?? {}).pipe(
      Stream.rechunk(chunkSize),
      Stream.runForEachArray(count)
    )
    return { succeeded, failed, pending }
  }))
})
