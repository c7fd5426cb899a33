/**
 * Many extractions at once, with a bound on how many are in flight.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { BatchEstimate, Options as EstimateOptions } from "./BatchEstimate.ts"
import type { BatchProgress } from "./BatchProgress.ts"
import { Journal } from "./Journal.ts"
import type { BatchError } from "./BatchError.ts"
import * as Extraction from "../extraction/Extraction.ts"
import type { ExtractionError } from "../extraction/ExtractionError.ts"
import * as Estimation from "./internal/estimate.ts"
import * as BatchRun from "./internal/run.ts"
import type { Llm } from "../llm/Llm.ts"
import { asFlow } from "../llm/LlmPriority.ts"
import type { Usage } from "../llm/Usage.ts"

/**
 * How many extractions are in flight when a batch does not say.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultConcurrency: number = BatchRun.defaultConcurrency

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * How many extractions may be in flight.
   *
   * @default defaultConcurrency
   */
  readonly concurrency?: number | "unbounded" | undefined
}

/**
 * @category models
 * @since 0.1.0
 */
export interface StreamOptions<in In> extends Options {
  /**
   * Whether items leave in the order of their inputs instead of as they finish. One slow item then holds up those
   * behind it.
   *
   * @default false
   */
  readonly ordered?: boolean | undefined
  /** What the user calls an item. A journal keeps its record under that name. */
  readonly id?: ((input: Valid<In>, index: number) => string) | undefined
  /** The run stops when this many items have failed: 1 stops at the first failure. By default none does. */
  readonly maxFailures?: number | undefined
  /** The run stops when more than this share of the items have failed, from the hundredth on. By default none does. */
  readonly maxFailureShare?: number | undefined
  /** Bounds the whole run. Nothing does by default. */
  readonly timeout?: Duration.Input | undefined
  /**
   * How long what is in flight may go on after `timeout`.
   *
   * @default "30 seconds"
   */
  readonly grace?: Duration.Input | undefined
  /** Is told what happens. */
  readonly progress?: BatchProgress | undefined
}

/**
 * @category models
 * @since 0.1.0
 */
export interface ResumableOptions<in In> extends StreamOptions<In> {
  /**
   * How long what is in flight may go on after `timeout`, and after the stream's consumer has gone away or was
   * interrupted. What arrives until then is in the journal.
   *
   * @default "30 seconds"
   */
  readonly grace?: Duration.Input | undefined
  /**
   * Whether items that an earlier run ended with an error are done again.
   *
   * @default true
   */
  readonly retryFailures?: boolean | undefined
  /**
   * Whether items that an earlier run ended are put out again, from the journal, instead of left out.
   *
   * @default true
   */
  readonly emitRestored?: boolean | undefined
}

/**
 * An input in a source that tells of unusable ones with an `ExtractionError` in their place. Each of those is an item
 * that failed before anything was sent.
 *
 * @category models
 * @since 0.1.0
 */
export type Valid<In> = Exclude<In, ExtractionError>

/**
 * What became of one input.
 *
 * @category models
 * @since 0.1.0
 */
export interface Item<out A, out In> {
  /** The position of the input in its source, from 0. */
  readonly index: number
  /** What the user calls it. */
  readonly id: string | undefined
  readonly input: In
  readonly result: Result.Result<A, ExtractionError>
  /** Completions received for it, whether it succeeded or failed. */
  readonly attempts: number
  /** The usage of all of them. */
  readonly usage: Usage
  /** How long it took, from its request to its value or error. */
  readonly latency: Duration.Duration
  /** Whether an earlier run had ended it. Then the rest is as it was recorded, and cost nothing again. */
  readonly restored: boolean
}

const resolve = <A, Input, R>(
  self: Extraction.Extraction<A, Input, R> | Schema.ConstraintDecoder<A, R>
): Extraction.Extraction<A, Input, R> =>
  Extraction.isExtraction(self) ? self : Extraction.make<A, R, Input>({ schema: self })

const isDataFirst = (args: IArguments): boolean => Extraction.isExtraction(args[0]) || Schema.isSchema(args[0])

/**
 * Extracts from every input and gives the values in input order. The first failure fails the batch and interrupts what
 * is in flight.
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
  <Input>(
    inputs: Iterable<Input>,
    options?: Options
  ): <A, R>(self: Extraction.Extraction<A, Input, R>) => Effect.Effect<Array<A>, ExtractionError, Llm | R>
  <A, Input, R>(
    self: Extraction.Extraction<A, Input, R>,
    inputs: Iterable<Input>,
    options?: Options
  ): Effect.Effect<Array<A>, ExtractionError, Llm | R>
  <A, R>(
    self: Schema.ConstraintDecoder<A, R>,
    inputs: Iterable<Extraction.PromptInput>,
    options?: Options
  ): Effect.Effect<Array<A>, ExtractionError, Llm | R>
} = dual(isDataFirst, <A, Input, R>(
  self: Extraction.Extraction<A, Input, R>,
  inputs: Iterable<Input>,
  options?: Options
): Effect.Effect<Array<A>, ExtractionError, Llm | R> =>
  asFlow(Effect.forEach(inputs, (input) => Extraction.extract(self, input), {
    concurrency: options?.concurrency ?? defaultConcurrency
  })))

/**
 * Extracts from every input and gives one `Result` for each, in input order. Failures are values: none ends the batch.
 * After a failure that every further input would meet too, such as a wrong key, the inputs not yet begun get that one
 * without being sent.
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
  <Input>(
    inputs: Iterable<Input>,
    options?: Options
  ): <A, R>(
    self: Extraction.Extraction<A, Input, R>
  ) => Effect.Effect<Array<Result.Result<A, ExtractionError>>, never, Llm | R>
  <A, Input, R>(
    self: Extraction.Extraction<A, Input, R>,
    inputs: Iterable<Input>,
    options?: Options
  ): Effect.Effect<Array<Result.Result<A, ExtractionError>>, never, Llm | R>
  <A, R>(
    self: Schema.ConstraintDecoder<A, R>,
    inputs: Iterable<Extraction.PromptInput>,
    options?: Options
  ): Effect.Effect<Array<Result.Result<A, ExtractionError>>, never, Llm | R>
} = dual(isDataFirst, <A, Input, R>(
  self: Extraction.Extraction<A, Input, R>,
  inputs: Iterable<Input>,
  options?: Options
): Effect.Effect<Array<Result.Result<A, ExtractionError>>, never, Llm | R> =>
  Effect.suspend(() => {
    let fatal: Result.Result<A, ExtractionError> | undefined
    const one = (input: Input): Effect.Effect<Result.Result<A, ExtractionError>, never, Llm | R> =>
      Effect.suspend(() => fatal === undefined ? Effect.result(Extraction.extract(self, input)) : Effect.succeed(fatal))
    return asFlow(Effect.forEach(inputs, (input) =>
      Effect.tap(one(input), (result) => {
        if (Result.isFailure(result) && result.failure.isUnrecoverable) fatal = result
        return Effect.void
      }), { concurrency: options?.concurrency ?? defaultConcurrency }))
  }))

/**
 * Extracts from a source of any length, in constant memory: inputs are drawn as there is room for them, and each
 * becomes an `Item` as soon as it is done. Failures are values; the stream fails if its source does, or with a
 * `BatchError` when going on makes no sense.
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
  <In, E = never, R2 = never>(
    source: Iterable<In> | Stream.Stream<In, E, R2>,
    options?: StreamOptions<In>
  ): <A, R>(
    self: Extraction.Extraction<A, Valid<In>, R>
  ) => Stream.Stream<Item<A, In>, E | BatchError, Llm | R | R2>
  <A, Input, R, In extends Input | ExtractionError, E = never, R2 = never>(
    self: Extraction.Extraction<A, Input, R>,
    source: Iterable<In> | Stream.Stream<In, E, R2>,
    options?: StreamOptions<In>
  ): Stream.Stream<Item<A, In>, E | BatchError, Llm | R | R2>
  <A, R, In extends Extraction.PromptInput | ExtractionError, E = never, R2 = never>(
    self: Schema.ConstraintDecoder<A, R>,
    source: Iterable<In> | Stream.Stream<In, E, R2>,
    options?: StreamOptions<In>
  ): Stream.Stream<Item<A, In>, E | BatchError, Llm | R | R2>
} = dual(isDataFirst, <A, In, R, E = never, R2 = never>(
  self: Extraction.Extraction<A, Valid<In>, R> | Schema.ConstraintDecoder<A, R>,
  source: Iterable<In> | Stream.Stream<In, E, R2>,
  options?: StreamOptions<In>
): Stream.Stream<Item<A, In>, E | BatchError, Llm | R | R2> =>
  BatchRun.run(resolve(self), source, options ?? {}, undefined))

/**
 * Like `stream`, over a journal: an item leaves once what became of it is recorded, and a run over the same journal
 * goes on where the last one stopped. Items are known by their `id`, else by their content, so a change to the input,
 * to the extraction or to the model has just the items done again that it affects, and a change of order none.
 *
 * When the consumer goes away, no item is begun any more, and those in flight are finished within `grace`.
 *
 * **Example** (Two runs, and nothing done twice)
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
  <In, E = never, R2 = never>(
    source: Iterable<In> | Stream.Stream<In, E, R2>,
    options?: ResumableOptions<In>
  ): <A, R>(
    self: Extraction.Extraction<A, Valid<In>, R>
  ) => Stream.Stream<Item<A, In>, E | BatchError, Llm | Journal | R | R2>
  <A, Input, R, In extends Input | ExtractionError, E = never, R2 = never>(
    self: Extraction.Extraction<A, Input, R>,
    source: Iterable<In> | Stream.Stream<In, E, R2>,
    options?: ResumableOptions<In>
  ): Stream.Stream<Item<A, In>, E | BatchError, Llm | Journal | R | R2>
  <A, R, In extends Extraction.PromptInput | ExtractionError, E = never, R2 = never>(
    self: Schema.ConstraintDecoder<A, R>,
    source: Iterable<In> | Stream.Stream<In, E, R2>,
    options?: ResumableOptions<In>
  ): Stream.Stream<Item<A, In>, E | BatchError, Llm | Journal | R | R2>
} = dual(isDataFirst, <A, In, R, E = never, R2 = never>(
  self: Extraction.Extraction<A, Valid<In>, R> | Schema.ConstraintDecoder<A, R>,
  source: Iterable<In> | Stream.Stream<In, E, R2>,
  options?: ResumableOptions<In>
): Stream.Stream<Item<A, In>, E | BatchError, Llm | Journal | R | R2> =>
  Stream.unwrap(Effect.map(Journal, (journal) => BatchRun.run(resolve(self), source, options ?? {}, journal))))

/**
 * What a batch will come to: requests, tokens, cost and time, from a sample of its items. Sends nothing, unless it is to
 * probe.
 *
 * **Example** (Before a large batch)
 *
 * ```ts
 * import { Duration, Effect, Schema } from "effect"
 * import { Batch } from "effect-instructor"
 * import { MockLlm } from "effect-instructor/testing"
 *
 * const texts = Array.from({ length: 10_000 }, (_, i) => `My name is John ${i} and I am 30 years old`)
 *
 * const program = Batch.estimate(Schema.Struct({ name: Schema.String }), texts, {
 *   concurrency: 100,
 *   requestsPerMinute: 500
 * }).pipe(
 *   Effect.map(({ duration, requests }) => [requests, Duration.format(duration)]),
 *   Effect.provide(MockLlm.layer([], { model: "gpt-5.4-mini" }))
 * )
 *
 * await Effect.runPromise(program) // => [10_000, "20m"]
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const estimate: {
  <In, E = never, R2 = never>(
    source: Iterable<In> | Stream.Stream<In, E, R2>,
    options?: EstimateOptions
  ): <A, R>(
    self: Extraction.Extraction<A, Valid<In>, R>
  ) => Effect.Effect<BatchEstimate, E | ExtractionError, Llm | R | R2>
  <A, Input, R, In extends Input | ExtractionError, E = never, R2 = never>(
    self: Extraction.Extraction<A, Input, R>,
    source: Iterable<In> | Stream.Stream<In, E, R2>,
    options?: EstimateOptions
  ): Effect.Effect<BatchEstimate, E | ExtractionError, Llm | R | R2>
  <A, R, In extends Extraction.PromptInput | ExtractionError, E = never, R2 = never>(
    self: Schema.ConstraintDecoder<A, R>,
    source: Iterable<In> | Stream.Stream<In, E, R2>,
    options?: EstimateOptions
  ): Effect.Effect<BatchEstimate, E | ExtractionError, Llm | R | R2>
} = dual(isDataFirst, <A, In, R, E = never, R2 = never>(
  self: Extraction.Extraction<A, Valid<In>, R> | Schema.ConstraintDecoder<A, R>,
  source: Iterable<In> | Stream.Stream<In, E, R2>,
  options?: EstimateOptions
): Effect.Effect<BatchEstimate, E | ExtractionError, Llm | R | R2> =>
  Estimation.estimate(resolve(self), source, { ...options, concurrency: BatchRun.toLimit(options?.concurrency) }))
