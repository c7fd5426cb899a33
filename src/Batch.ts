/**
 * Many extractions at once, with a bound on how many are in flight.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Extraction from "./Extraction.ts"
import type { ExtractionError } from "./ExtractionError.ts"
import type { Llm } from "./llm/Llm.ts"
import type { Usage } from "./llm/Usage.ts"

/**
 * How many extractions are in flight when a batch does not say.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultConcurrency = 16

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
export interface StreamOptions extends Options {
  /**
   * Whether items leave in the order of their inputs instead of as they finish. One slow item then holds up those
   * behind it.
   *
   * @default false
   */
  readonly ordered?: boolean | undefined
}

/**
 * What became of one input.
 *
 * @category models
 * @since 0.1.0
 */
export interface Item<out A, out Input> {
  /** The position of the input in its source, from 0. */
  readonly index: number
  readonly input: Input
  readonly result: Result.Result<A, ExtractionError>
  /** Completions received for it, whether it succeeded or failed. */
  readonly attempts: number
  /** The usage of all of them. */
  readonly usage: Usage
}

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
  Effect.forEach(inputs, (input) => Extraction.extract(self, input), {
    concurrency: options?.concurrency ?? defaultConcurrency
  }))

/**
 * Extracts from every input and gives one `Result` for each, in input order. Failures are values: none ends the batch.
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
  Effect.forEach(inputs, (input) => Effect.result(Extraction.extract(self, input)), {
    concurrency: options?.concurrency ?? defaultConcurrency
  }))

/**
 * Extracts from a source of any length, in constant memory: inputs are drawn as there is room for them, and each
 * becomes an `Item` as soon as it is done. The stream fails only if its source does.
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
    options?: StreamOptions
  ): <A, R>(self: Extraction.Extraction<A, In, R>) => Stream.Stream<Item<A, In>, E, Llm | R | R2>
  <A, Input, R, In extends Input, E = never, R2 = never>(
    self: Extraction.Extraction<A, Input, R>,
    source: Iterable<In> | Stream.Stream<In, E, R2>,
    options?: StreamOptions
  ): Stream.Stream<Item<A, In>, E, Llm | R | R2>
  <A, R, In extends Extraction.PromptInput, E = never, R2 = never>(
    self: Schema.ConstraintDecoder<A, R>,
    source: Iterable<In> | Stream.Stream<In, E, R2>,
    options?: StreamOptions
  ): Stream.Stream<Item<A, In>, E, Llm | R | R2>
} = dual(isDataFirst, <A, In, R, E = never, R2 = never>(
  self: Extraction.Extraction<A, In, R>,
  source: Iterable<In> | Stream.Stream<In, E, R2>,
  options?: StreamOptions
): Stream.Stream<Item<A, In>, E, Llm | R | R2> => {
  const inputs: Stream.Stream<In, E, R2> = Stream.isStream(source) ? source : Stream.fromIterable(source)
  return Stream.mapEffect(Stream.zipWithIndex(inputs), ([input, index]) => toItem(self, input, index), {
    concurrency: options?.concurrency ?? defaultConcurrency,
    unordered: !(options?.ordered ?? false)
  })
})

const toItem = <A, Input, R>(
  self: Extraction.Extraction<A, Input, R>,
  input: Input,
  index: number
): Effect.Effect<Item<A, Input>, never, Llm | R> =>
  Effect.match(Extraction.extractDetailed(self, input), {
    onSuccess: ({ attempts, usage, value }) => ({ index, input, result: Result.succeed(value), attempts, usage }),
    onFailure: (error) => ({
      index,
      input,
      result: Result.fail(error),
      attempts: error.attempts,
      usage: error.usage
    })
  })
