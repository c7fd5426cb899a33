/**
 * Batches: many extractions at once, with a limit on how many are in flight.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Compiled from "../extraction/Compiled.ts"
import type { Extraction, PromptInput } from "../extraction/Extraction.ts"
import type { ExtractionError } from "../extraction/ExtractionError.ts"
import type { ElementsOptions } from "../extraction/ExtractionStream.ts"
import type { Llm } from "../llm/Llm.ts"
import type { BatchError } from "./BatchError.ts"
import * as Direct from "./internal/engines/direct.ts"
import * as Elements from "./internal/engines/elements.ts"
import { skipped } from "./internal/errors.ts"
import type { Item } from "./internal/item.ts"
import type { Options } from "./internal/options.ts"
import * as Run from "./internal/run.ts"
import type { Inputs, Source } from "./internal/source.ts"
import { Journal } from "./Journal.ts"

export {
  /** @since 0.1.0 */
  distributed,
  /** @since 0.1.0 */
  submit,
  /** @since 0.1.0 */
  type Submitted
} from "./internal/distributed.ts"

export type {
  /** @since 0.1.0 */
  Options as DistributedOptions
} from "./internal/distributed/options.ts"

export type {
  /** @since 0.1.0 */
  ElementItem
} from "./internal/engines/elements.ts"

export {
  /** @since 0.1.0 */
  estimate
} from "./internal/estimate.ts"

export type {
  /** @since 0.1.0 */
  Item
} from "./internal/item.ts"

export {
  /** @since 0.1.0 */
  partition,
  /** @since 0.1.0 */
  values
} from "./internal/ends.ts"

export {
  /** @since 0.1.0 */
  defaultConcurrency,
  /** @since 0.1.0 */
  type Options
} from "./internal/options.ts"

export {
  /** @since 0.1.0 */
  type Preview,
  /** @since 0.1.0 */
  preview
} from "./internal/preview.ts"

export {
  /** @since 0.1.0 */
  report
} from "./internal/toReport.ts"

export {
  /** @since 0.1.0 */
  packed,
  /** @since 0.1.0 */
  type PackedOptions,
  /** @since 0.1.0 */
  type PackedSummary
} from "./internal/packed.ts"

export {
  /** @since 0.1.0 */
  restore
} from "./internal/restore.ts"

export {
  /** @since 0.1.0 */
  offline
} from "./internal/offline.ts"

export type {
  /** @since 0.1.0 */
  Finish,
  /** @since 0.1.0 */
  OfflineOptions
} from "./internal/engines/offline/options.ts"

export type {
  /** @since 0.1.0 */
  Inputs,
  /** @since 0.1.0 */
  Source
} from "./internal/source.ts"

/**
 * Extracts from every input, and returns the values in input order. Use it when you need all values or none: the first
 * failure fails the batch and interrupts the items in flight. If the `timeout` passes, the error is `Skipped`.
 *
 * **Example** (Three people, two at a time)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Batch, Extraction } from "effect-instructor"
 * import { MockLlm } from "effect-instructor/testing"
 *
 * const person = Extraction.make({ schema: Schema.Struct({ name: Schema.String, age: Schema.Int }) })
 *
 * const program = Batch.all(person, ["John is 30", "Maria is 25", "Alex is 42"], { concurrency: 2 }).pipe(
 *   Effect.map((people) => people.map(({ name }) => name)),
 *   Effect.provide(MockLlm.layer({
 *     "John is 30": { name: "John", age: 30 },
 *     "Maria is 25": { name: "Maria", age: 25 },
 *     "Alex is 42": { name: "Alex", age: 42 }
 *   }))
 * )
 *
 * await Effect.runPromise(program) // => ["John", "Maria", "Alex"]
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const all: {
  <A, Input, R>(
    self: Extraction<A, Input, R>,
    inputs: Inputs<Input>,
    options?: Options<Input>
  ): Effect.Effect<Array<A>, ExtractionError, Llm | R>
  <A, R>(
    self: Schema.ConstraintDecoder<A, R>,
    inputs: Inputs<PromptInput>,
    options?: Options<PromptInput>
  ): Effect.Effect<Array<A>, ExtractionError, Llm | R>
} = <A, Input, R>(
  self: Extraction<A, Input, R> | Schema.ConstraintDecoder<A, R>,
  inputs: Inputs<Input>,
  options?: Options<Input>
): Effect.Effect<Array<A>, ExtractionError, Llm | R> =>
  Effect.suspend(() => {
    const extraction = Compiled.resolve<A, Input, R, unknown>(self)
    const values: Array<A> = []
    return Run.run(extraction, inputs, { ...options, maxFailures: 1 }, undefined, Direct.values(values)).pipe(
      Stream.runForEach(Effect.fail),
      Effect.mapError((error) => error._tag === "BatchError" ? skipped(extraction.name, error) : error),
      Effect.as(values)
    )
  })

/**
 * Extracts from every input, and returns one `Result` for each, in input order. Use it when you want to handle failures
 * one by one: the effect itself never fails. If the batch stops early, the remaining items fail, too: after an
 * unrecoverable failure, such as a wrong key, with that failure, and after too many failures or the `timeout` with
 * `Skipped`.
 *
 * **Example** (Keeping what succeeded)
 *
 * ```ts
 * import { Effect, Result, Schema } from "effect"
 * import { Batch } from "effect-instructor"
 * import { MockLlm, Reply } from "effect-instructor/testing"
 *
 * const program = Batch.results(Schema.Struct({ name: Schema.String }), ["I am Ada", "secret"], { concurrency: 2 }).pipe(
 *   Effect.map((results) =>
 *     results.map(Result.match({
 *       onSuccess: ({ name }) => name,
 *       onFailure: ({ reason }) => reason._tag
 *     }))
 *   ),
 *   Effect.provide(MockLlm.layer({ "I am Ada": { name: "Ada" }, "secret": Reply.refusal("No.") }))
 * )
 *
 * await Effect.runPromise(program) // => ["Ada", "Refused"]
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const results: {
  <A, Input, R>(
    self: Extraction<A, Input, R>,
    inputs: Inputs<Input>,
    options?: Options<Input>
  ): Effect.Effect<Array<Result.Result<A, ExtractionError>>, never, Llm | R>
  <A, R>(
    self: Schema.ConstraintDecoder<A, R>,
    inputs: Inputs<PromptInput>,
    options?: Options<PromptInput>
  ): Effect.Effect<Array<Result.Result<A, ExtractionError>>, never, Llm | R>
} = <A, Input, R>(
  self: Extraction<A, Input, R> | Schema.ConstraintDecoder<A, R>,
  inputs: Inputs<Input>,
  options?: Options<Input>
): Effect.Effect<Array<Result.Result<A, ExtractionError>>, never, Llm | R> =>
  Effect.suspend(() => {
    const extraction = Compiled.resolve<A, Input, R, unknown>(self)
    const list = typeof inputs === "string" ? inputs : Array.from(inputs)
    const out: Array<Result.Result<A, ExtractionError> | undefined> = Array.from({ length: list.length })
    return Run.run(extraction, list, options ?? {}, undefined, Direct.results(out)).pipe(
      Stream.runDrain,
      Effect.as(undefined),
      Effect.catch((error) => Effect.succeed(Result.fail(skipped(extraction.name, error)))),
      Effect.map((rest) => out.map((result) => result ?? rest!))
    )
  })

/**
 * Extracts from a source of any length in constant memory. Use it for inputs that do not fit in memory, or to process
 * results early. Inputs are pulled when there is room for them, and each is emitted as an `Item` as soon as it is
 * finished. A failed item is a value. The stream fails if its source fails, and with a `BatchError` if the batch stops.
 *
 * **Example** (A source of any length)
 *
 * ```ts
 * import { Effect, Result, Schema, Stream } from "effect"
 * import { Batch } from "effect-instructor"
 * import { MockLlm } from "effect-instructor/testing"
 *
 * const source = Stream.range(1, 1000).pipe(Stream.map((i) => `number ${i}`))
 *
 * const program = Batch.stream(Schema.Struct({ ok: Schema.Boolean }), source, { concurrency: 100 }).pipe(
 *   Stream.filter(({ result }) => Result.isSuccess(result)),
 *   Stream.runCount,
 *   Effect.provide(MockLlm.layer(() => ({ ok: true })))
 * )
 *
 * await Effect.runPromise(program) // => 1000
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const stream: {
  <A, Input, R, In extends Input, E = never, R2 = never>(
    self: Extraction<A, Input, R>,
    source: Source<In, E, R2>,
    options?: Options<In>
  ): Stream.Stream<Item<A, In>, E | BatchError, Llm | R | R2>
  <A, R, In extends PromptInput, E = never, R2 = never>(
    self: Schema.ConstraintDecoder<A, R>,
    source: Source<In, E, R2>,
    options?: Options<In>
  ): Stream.Stream<Item<A, In>, E | BatchError, Llm | R | R2>
} = <A, Input, R, In extends Input, E = never, R2 = never>(
  self: Extraction<A, Input, R> | Schema.ConstraintDecoder<A, R>,
  source: Source<In, E, R2>,
  options?: Options<In>
): Stream.Stream<Item<A, In>, E | BatchError, Llm | R | R2> =>
  Run.run(Compiled.resolve<A, Input, R, unknown>(self), source, options ?? {}, undefined, Direct.items<A, Input, In, R>)

/**
 * Like `stream`, with a journal: an item is emitted once its result is recorded, and a run with the same journal resumes
 * where the last one stopped. Use it for batches that are too long or too expensive to start over.
 *
 * Items are identified by their `id`, or by their content. After a change of an input, the extraction, the model or the
 * server only the affected items run again, and after a change of order none. When the consumer is interrupted, no
 * further item starts, and the items in flight may finish within `grace`.
 *
 * **Example** (Two runs that send each item once)
 *
 * ```ts
 * import { Effect, Schema, Stream } from "effect"
 * import { Batch, Journal } from "effect-instructor"
 * import { MockLlm } from "effect-instructor/testing"
 *
 * const texts = ["I am Ada", "I am Alan", "I am Grace"]
 * const run = Batch.resumable(Schema.Struct({ name: Schema.String }), texts, { concurrency: 1 })
 *
 * const program = Effect.gen(function*() {
 *   yield* run.pipe(Stream.take(1), Stream.runDrain)
 *   return yield* run.pipe(Stream.map(({ restored }) => restored), Stream.runCollect)
 * }).pipe(Effect.provide([
 *   Journal.layerMemory,
 *   MockLlm.layer(["Ada", "Alan", "Grace"].map((name) => ({ name })))
 * ]))
 *
 * const restored = await Effect.runPromise(program)
 * restored[0] // => true
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const resumable: {
  <A, Input, R, In extends Input, E = never, R2 = never>(
    self: Extraction<A, Input, R>,
    source: Source<In, E, R2>,
    options?: Options<In>
  ): Stream.Stream<Item<A, In>, E | BatchError, Llm | Journal | R | R2>
  <A, R, In extends PromptInput, E = never, R2 = never>(
    self: Schema.ConstraintDecoder<A, R>,
    source: Source<In, E, R2>,
    options?: Options<In>
  ): Stream.Stream<Item<A, In>, E | BatchError, Llm | Journal | R | R2>
} = <A, Input, R, In extends Input, E = never, R2 = never>(
  self: Extraction<A, Input, R> | Schema.ConstraintDecoder<A, R>,
  source: Source<In, E, R2>,
  options?: Options<In>
): Stream.Stream<Item<A, In>, E | BatchError, Llm | Journal | R | R2> =>
  Stream.unwrap(
    Effect.map(Journal, (journal) =>
      Run.run(
        Compiled.resolve<A, Input, R, unknown>(self),
        source,
        options ?? {},
        journal,
        Direct.items<A, Input, In, R>
      ))
  )

/**
 * Extracts a list from every input, and emits the elements as they close. Use it for documents that contain many records
 * each. An element that does not decode is emitted as a failure. The failure of an input is emitted without an `index`,
 * after the elements before it.
 *
 * **Example** (People in many documents)
 *
 * ```ts
 * import { Effect, Result, Schema, Stream } from "effect"
 * import { Batch } from "effect-instructor"
 * import { MockLlm, Reply } from "effect-instructor/testing"
 *
 * const program = Batch.elements(Schema.String, ["Ada and Alan", "no one", "secret"], { concurrency: 1 }).pipe(
 *   Stream.map(({ inputIndex, result }) => [inputIndex, Result.isSuccess(result) ? result.success : "failed"]),
 *   Stream.runCollect,
 *   Effect.provide(MockLlm.layer([{ items: ["Ada", "Alan"] }, { items: [] }, Reply.refusal("No.")]))
 * )
 *
 * await Effect.runPromise(program) // => [[0, "Ada"], [0, "Alan"], [2, "failed"]]
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const elements: {
  <A, Input, R, In extends Input, E = never, R2 = never>(
    self: Extraction<A, Input, R>,
    source: Source<In, E, R2>,
    options?: Options<In> & Omit<ElementsOptions, "onEnd">
  ): Stream.Stream<Elements.ElementItem<A, In>, E | BatchError, Llm | R | R2>
  <A, R, In extends PromptInput, E = never, R2 = never>(
    self: Schema.ConstraintDecoder<A, R>,
    source: Source<In, E, R2>,
    options?: Options<In> & Omit<ElementsOptions, "onEnd">
  ): Stream.Stream<Elements.ElementItem<A, In>, E | BatchError, Llm | R | R2>
} = <A, Input, R, In extends Input, E = never, R2 = never>(
  self: Extraction<A, Input, R> | Schema.ConstraintDecoder<A, R>,
  source: Source<In, E, R2>,
  options?: Options<In> & Omit<ElementsOptions, "onEnd">
): Stream.Stream<Elements.ElementItem<A, In>, E | BatchError, Llm | R | R2> => {
  const extraction = Compiled.resolve<A, Input, R, unknown>(self)
  return Run.run(
    extraction,
    source,
    options ?? {},
    undefined,
    Elements.make<A, Input, In, R>(extraction, options ?? {})
  )
}
