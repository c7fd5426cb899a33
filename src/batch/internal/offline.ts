/** Batches over the batch APIs of providers. `Batch` exports it. */
import type * as Schema from "effect/Schema"
import type * as Stream from "effect/Stream"
import * as Compiled from "../../extraction/Compiled.ts"
import type { Extraction, PromptInput } from "../../extraction/Extraction.ts"
import type { Llm } from "../../llm/Llm.ts"
import type { LlmBatch } from "../../llm/LlmBatch.ts"
import type { BatchError } from "../BatchError.ts"
import * as Engine from "./engines/offline/engine.ts"
import type { OfflineOptions } from "./engines/offline/options.ts"
import type { Item } from "./item.ts"
import type { Source } from "./source.ts"

/** The options of a run that finishes in batches. */
interface InBatches {
  readonly finish?: "batch" | "none" | undefined
  readonly deadline?: undefined
}

/**
 * Extracts through the batch API of a provider, which costs about half and takes up to 24 hours. It emits the same items
 * as `stream`: every input gets one, whatever happens to its batch.
 *
 * Inputs are written to batches as large as the provider allows. What is not answered, or not valid, goes into the next
 * batch. With a `FileSystem` in the context, lines wait in temporary files instead of memory.
 *
 * With a `Journal` in the context, a run that was interrupted goes on where it stopped: run it again with the same journal.
 * Nothing is submitted twice, and `stream` and `offline` share the journal. Without one, the batches of a run that is
 * interrupted are cancelled.
 *
 * **Example** (At half the price)
 *
 * ```ts
 * import { Effect, Result, Schema, Stream } from "effect"
 * import { Batch } from "effect-instructor"
 * import { MockLlmBatch } from "effect-instructor/testing"
 *
 * const program = Batch.offline(Schema.Struct({ name: Schema.String }), ["I am Ada", "I am Alan"], { ordered: true }).pipe(
 *   Stream.map(({ result }) => Result.isSuccess(result) ? result.success.name : "failed"),
 *   Stream.runCollect,
 *   Effect.provide(MockLlmBatch.layer({ "I am Ada": { name: "Ada" }, "I am Alan": { name: "Alan" } }))
 * )
 *
 * await Effect.runPromise(program) // => ["Ada", "Alan"]
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const offline: {
  <A, Input, R, In extends Input, E = never, R2 = never>(
    self: Extraction<A, Input, R>,
    source: Source<In, E, R2>,
    options?: OfflineOptions<In> & InBatches
  ): Stream.Stream<Item<A, In>, E | BatchError, LlmBatch | R | R2>
  <A, Input, R, In extends Input, E = never, R2 = never>(
    self: Extraction<A, Input, R>,
    source: Source<In, E, R2>,
    options: OfflineOptions<In>
  ): Stream.Stream<Item<A, In>, E | BatchError, LlmBatch | Llm | R | R2>
  <A, R, In extends PromptInput, E = never, R2 = never>(
    self: Schema.ConstraintDecoder<A, R>,
    source: Source<In, E, R2>,
    options?: OfflineOptions<In> & InBatches
  ): Stream.Stream<Item<A, In>, E | BatchError, LlmBatch | R | R2>
  <A, R, In extends PromptInput, E = never, R2 = never>(
    self: Schema.ConstraintDecoder<A, R>,
    source: Source<In, E, R2>,
    options: OfflineOptions<In>
  ): Stream.Stream<Item<A, In>, E | BatchError, LlmBatch | Llm | R | R2>
} = <A, Input, R, In extends Input, E = never, R2 = never>(
  self: Extraction<A, Input, R> | Schema.ConstraintDecoder<A, R>,
  source: Source<In, E, R2>,
  options?: OfflineOptions<In>
): Stream.Stream<Item<A, In>, E | BatchError, LlmBatch | R | R2> =>
  Engine.run(Compiled.resolve<A, Input, R, unknown>(self), source, options ?? {})
