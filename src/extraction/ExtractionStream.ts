/**
 * Streamed extractions: the elements of a list as soon as each closes, and objects while they grow.
 *
 * **Example** (People as they are read)
 *
 * ```ts
 * import { Effect, Schema, Stream } from "effect"
 * import { Extraction, ExtractionStream } from "effect-instructor"
 * import { MockLlm } from "effect-instructor/testing"
 *
 * const person = Extraction.make({ schema: Schema.Struct({ name: Schema.String, age: Schema.Int }) })
 *
 * const program = ExtractionStream.values(person, "John is 30, Maria is 25").pipe(
 *   Stream.map(({ name }) => name),
 *   Stream.runCollect,
 *   Effect.provide(MockLlm.layer([{ items: [{ name: "John", age: 30 }, { name: "Maria", age: 25 }] }]))
 * )
 *
 * await Effect.runPromise(program) // => ["John", "Maria"]
 * ```
 *
 * @since 0.1.0
 */
import type * as Response from "effect/ai/Response"
import * as Arr from "effect/Array"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { dual, memoize } from "effect/Function"
import type * as Pull from "effect/Pull"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Extraction from "./Extraction.ts"
import * as ExtractionError from "./ExtractionError.ts"
import * as Compiled from "./internal/compiled.ts"
import { notSent } from "./internal/failure.ts"
import * as ListStream from "./internal/elements.ts"
import * as PartialStream from "./internal/snapshots.ts"
import { Llm } from "../llm/Llm.ts"
import type { Usage } from "../llm/Usage.ts"
import * as ResponseSchema from "../schema/ResponseSchema.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * How long the answer may pause once it has begun. Before that the provider's own timeout holds, for models that
   * think first.
   *
   * @default "1 minute"
   */
  readonly idleTimeout?: Duration.Input | undefined
  /**
   * The most characters an answer may have.
   *
   * @default 33554432
   */
  readonly maxLength?: number | undefined
  /**
   * How deep an answer may be nested.
   *
   * @default 256
   */
  readonly maxDepth?: number | undefined
}

/**
 * @category models
 * @since 0.1.0
 */
export interface ElementsOptions extends Options {
  /**
   * Whether the model is asked again, at the end of an answer, for the elements that did not decode and for the rest of
   * a list that broke off; only for those, and at most as often as the extraction's `maxAttempts` allows. Elements that
   * did not decode are then held back until it is clear what becomes of them, so they may leave out of order.
   *
   * @default false
   */
  readonly reask?: boolean | undefined
  /** Runs at the end of a stream that came to its end. */
  readonly onEnd?: ((summary: Summary) => Effect.Effect<void>) | undefined
}

/**
 * What a streamed list came to.
 *
 * @category models
 * @since 0.1.0
 */
export interface Summary {
  /** The elements of the list, those that did not decode included. */
  readonly elements: number
  /** Completions received: 1 unless the model was asked again. */
  readonly attempts: number
  /** The usage of all of them. */
  readonly usage: Usage
  readonly model: string
  readonly finishReason: Response.FinishReason
}

/**
 * An element of a streamed list.
 *
 * @category models
 * @since 0.1.0
 */
export interface Element<out A> {
  /** Its position in the list, from 0. */
  readonly index: number
  /** The JSON of the element, as the model wrote it. */
  readonly text: string
  /** Its value, or an `InvalidOutput` with every issue. Paths begin with the element's index. */
  readonly result: Result.Result<A, ExtractionError.ExtractionError>
}

const isDataFirst = (args: IArguments): boolean => Extraction.isExtraction(args[0]) || Schema.isSchema(args[0])

const resolve = <A, Input, R, E>(
  self: Extraction.Extraction<A, Input, R, E> | Schema.ConstraintCodec<A, E, R, unknown>
): Extraction.Extraction<A, Input, R, E> =>
  Extraction.isExtraction(self)
    ? self
    : Extraction.make<A, R, Input, E>({ schema: self })

const listOf = memoize((extraction: Extraction.Extraction<unknown, never, unknown>) =>
  Extraction.make({ ...extraction, schema: Schema.Array(extraction.schema), name: `${extraction.name}List` })
)

/**
 * Extracts a list of what `self` describes, each element the moment it closes. An element that does not decode is a
 * failure of its own, and the stream goes on. It fails when the answer as a whole is no good: `Truncated` after the
 * elements that are complete, `Disconnected` or `Stalled` inside an answer, `InvalidOutput` where there is no list or it
 * breaks off, `LimitExceeded`, and the reasons of any extraction.
 *
 * The request is sent when the stream is run, and abandoned when its consumer has enough.
 *
 * **Example** (Keeping what is valid, and what it cost)
 *
 * ```ts
 * import { Effect, Result, Schema, Stream } from "effect"
 * import { ExtractionStream } from "effect-instructor"
 * import { MockLlm } from "effect-instructor/testing"
 *
 * let attempts = 0
 * const program = ExtractionStream.elements(Schema.Struct({ age: Schema.Int }), "30, old, 25", {
 *   onEnd: (summary) => Effect.sync(() => attempts = summary.attempts)
 * }).pipe(
 *   Stream.map(({ result, text }) => Result.isSuccess(result) ? result.success.age : text),
 *   Stream.runCollect,
 *   Effect.provide(MockLlm.layer([{ items: [{ age: 30 }, { age: "old" }, { age: 25 }] }]))
 * )
 *
 * await Effect.runPromise(program) // => [30, "{\"age\":\"old\"}", 25]
 * attempts // => 1
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const elements: {
  <Input>(
    input: Input,
    options?: ElementsOptions
  ): <A, R>(
    self: Extraction.Extraction<A, Input, R>
  ) => Stream.Stream<Element<A>, ExtractionError.ExtractionError, Llm | R>
  <A, Input, R>(
    self: Extraction.Extraction<A, Input, R>,
    input: Input,
    options?: ElementsOptions
  ): Stream.Stream<Element<A>, ExtractionError.ExtractionError, Llm | R>
  <A, R>(
    self: Schema.ConstraintDecoder<A, R>,
    input: Extraction.PromptInput,
    options?: ElementsOptions
  ): Stream.Stream<Element<A>, ExtractionError.ExtractionError, Llm | R>
} = dual(isDataFirst, <A, Input, R>(
  self: Extraction.Extraction<A, Input, R> | Schema.ConstraintDecoder<A, R>,
  input: Input,
  options?: ElementsOptions
): Stream.Stream<Element<A>, ExtractionError.ExtractionError, Llm | R> =>
  Stream.unwrap(Effect.gen(function*() {
    const llm = yield* Llm
    const extraction = resolve<A, Input, R, unknown>(self)
    const list = listOf(extraction) as unknown as Extraction.Extraction<ReadonlyArray<A>, Input, R>
    const compiled = yield* Effect.fromResult(Compiled.make(list, llm.dialect))
    const request = yield* Effect.fromResult(Compiled.toRequest(compiled, input, llm.model))
    const element = yield* Effect.fromResult(Result.mapError(
      ResponseSchema.make(extraction.schema),
      (unsupported) =>
        notSent(extraction.name, new ExtractionError.UnsupportedSchema(unsupported))
    ))
    return ListStream.run(compiled, element, llm, request, options ?? {})
  })))

/**
 * Like `elements`, but the values alone: it fails at the first element that does not decode, after those before it.
 *
 * @category running
 * @since 0.1.0
 */
export const values: {
  <Input>(
    input: Input,
    options?: ElementsOptions
  ): <A, R>(
    self: Extraction.Extraction<A, Input, R>
  ) => Stream.Stream<A, ExtractionError.ExtractionError, Llm | R>
  <A, Input, R>(
    self: Extraction.Extraction<A, Input, R>,
    input: Input,
    options?: ElementsOptions
  ): Stream.Stream<A, ExtractionError.ExtractionError, Llm | R>
  <A, R>(
    self: Schema.ConstraintDecoder<A, R>,
    input: Extraction.PromptInput,
    options?: ElementsOptions
  ): Stream.Stream<A, ExtractionError.ExtractionError, Llm | R>
} = dual(isDataFirst, <A, Input, R>(
  self: Extraction.Extraction<A, Input, R>,
  input: Input,
  options?: ElementsOptions
): Stream.Stream<A, ExtractionError.ExtractionError, Llm | R> => firstFailure(elements(self, input, options)))

const firstFailure = <A, R>(
  stream: Stream.Stream<Element<A>, ExtractionError.ExtractionError, R>
): Stream.Stream<A, ExtractionError.ExtractionError, R> =>
  Stream.transformPull(stream, (pull) =>
    Effect.sync(() => {
      let failure: ExtractionError.ExtractionError | undefined
      const next: Pull.Pull<Arr.NonEmptyReadonlyArray<A>, ExtractionError.ExtractionError> = Effect.suspend(() =>
        failure !== undefined ? Effect.fail(failure) : Effect.flatMap(pull, (elements) => {
          const values: Array<A> = []
          for (const { result } of elements) {
            if (Result.isFailure(result)) {
              failure = result.failure
              break
            }
            values.push(result.success)
          }
          return Arr.isArrayNonEmpty(values) ? Effect.succeed(values) : next
        })
      )
      return next
    }))

/**
 * An element of the list that one of many inputs holds.
 *
 * @category models
 * @since 0.1.0
 */
export interface BatchElement<out A, out In> {
  readonly input: In
  /** The position of the input in its source, from 0. */
  readonly inputIndex: number
  /** The position of the element in the list of that input; `undefined` when the input itself failed. */
  readonly index: number | undefined
  readonly result: Result.Result<A, ExtractionError.ExtractionError>
}

/**
 * @category models
 * @since 0.1.0
 */
export interface BatchOptions extends Omit<ElementsOptions, "onEnd"> {
  /**
   * How many inputs may be in flight.
   *
   * @default 16
   */
  readonly concurrency?: number | "unbounded" | undefined
}

/**
 * Streams the elements of many inputs, each of whose answers is a list, as they come. What ends the stream of one input
 * is a failure without an `index`, after the elements that input did have; the other inputs go on. After a failure that
 * every further input would meet too, such as a wrong key, the inputs not yet begun get that one without being sent.
 *
 * **Example** (People in many documents)
 *
 * ```ts
 * import { Effect, Result, Schema, Stream } from "effect"
 * import { ExtractionStream } from "effect-instructor"
 * import { MockLlm, Reply } from "effect-instructor/testing"
 *
 * const program = ExtractionStream.batch(Schema.String, ["Ada and Alan", "nobody", "secret"], { concurrency: 1 }).pipe(
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
export const batch: {
  <In, E = never, R2 = never>(
    source: Iterable<In> | Stream.Stream<In, E, R2>,
    options?: BatchOptions
  ): <A, R>(self: Extraction.Extraction<A, In, R>) => Stream.Stream<BatchElement<A, In>, E, Llm | R | R2>
  <A, Input, R, In extends Input, E = never, R2 = never>(
    self: Extraction.Extraction<A, Input, R>,
    source: Iterable<In> | Stream.Stream<In, E, R2>,
    options?: BatchOptions
  ): Stream.Stream<BatchElement<A, In>, E, Llm | R | R2>
  <A, R, In extends Extraction.PromptInput, E = never, R2 = never>(
    self: Schema.ConstraintDecoder<A, R>,
    source: Iterable<In> | Stream.Stream<In, E, R2>,
    options?: BatchOptions
  ): Stream.Stream<BatchElement<A, In>, E, Llm | R | R2>
} = dual(isDataFirst, <A, In, R, E = never, R2 = never>(
  self: Extraction.Extraction<A, In, R>,
  source: Iterable<In> | Stream.Stream<In, E, R2>,
  options?: BatchOptions
): Stream.Stream<BatchElement<A, In>, E, Llm | R | R2> =>
  Stream.suspend(() => {
    const extraction = resolve(self)
    let fatal: ExtractionError.ExtractionError | undefined
    const failed = (input: In, inputIndex: number, error: ExtractionError.ExtractionError): BatchElement<A, In> => {
      if (error.isUnrecoverable) fatal = error
      return { input, inputIndex, index: undefined, result: Result.fail(error) }
    }
    const one = (input: In, inputIndex: number): Stream.Stream<BatchElement<A, In>, never, Llm | R> =>
      Stream.suspend(() =>
        fatal !== undefined ?
          Stream.succeed(failed(input, inputIndex, fatal)) :
          elements(extraction, input, options).pipe(
            Stream.map(({ index, result }): BatchElement<A, In> => ({ input, inputIndex, index, result })),
            Stream.catch((error) => Stream.succeed(failed(input, inputIndex, error)))
          )
      )
    const inputs = Stream.isStream(source) ? source : Stream.fromIterable(source)
    return inputs.pipe(
      Stream.zipWithIndex,
      Stream.flatMap(([input, index]) => one(input, index), { concurrency: options?.concurrency ?? 16 })
    )
  }))

/**
 * What there may be of a value while it is being written: any key may be missing, strings may be unfinished, and
 * optional keys may be `null`. What reaches a model in another shape than it has in the schema (records, tuples, dates)
 * is unknown until it is decoded.
 *
 * @category models
 * @since 0.1.0
 */
export type DeepPartial<E> = PartialStream.DeepPartial<E>

/**
 * A value on its way: what there is of it, and in the end the value itself with all there is to know about it.
 *
 * @category models
 * @since 0.1.0
 */
export type Snapshot<A, E> = PartialStream.Snapshot<A, E>

/**
 * @category models
 * @since 0.1.0
 */
export interface PartialOptions extends Options {
  /**
   * Whether a slow consumer gets every snapshot, each a copy of its own, and the answer waits for it. By default there
   * is one value, which grows in place, and a consumer that comes late sees what it has grown to: copy what you keep.
   *
   * @default false
   */
  readonly every?: boolean | undefined
}

/**
 * Extracts a value, with snapshots of it while it is being written. The last item is the decoded value, and an answer
 * that does not decode is asked for again, as with `Extraction.extract`: then the snapshots start over.
 *
 * **Example** (A form that fills itself in)
 *
 * ```ts
 * import { Effect, Schema, Stream } from "effect"
 * import { ExtractionStream } from "effect-instructor"
 * import { MockLlm } from "effect-instructor/testing"
 *
 * const Person = Schema.Struct({ name: Schema.String, age: Schema.Int })
 *
 * const program = ExtractionStream.partial(Person, "I am Ada, 36", { every: true }).pipe(
 *   Stream.map(({ value }) => value),
 *   Stream.runCollect,
 *   Effect.provide(MockLlm.layer([{ name: "Ada", age: 36 }], { chunkSize: 10 }))
 * )
 *
 * await Effect.runPromise(program) // => [{ name: "A" }, { name: "Ada" }, { name: "Ada", age: 36 }, { name: "Ada", age: 36 }]
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const partial: {
  <Input>(
    input: Input,
    options?: PartialOptions
  ): <A, R, E>(
    self: Extraction.Extraction<A, Input, R, E>
  ) => Stream.Stream<Snapshot<A, E>, ExtractionError.ExtractionError, Llm | R>
  <A, Input, R, E>(
    self: Extraction.Extraction<A, Input, R, E>,
    input: Input,
    options?: PartialOptions
  ): Stream.Stream<Snapshot<A, E>, ExtractionError.ExtractionError, Llm | R>
  <A, E, R>(
    self: Schema.ConstraintCodec<A, E, R, unknown>,
    input: Extraction.PromptInput,
    options?: PartialOptions
  ): Stream.Stream<Snapshot<A, E>, ExtractionError.ExtractionError, Llm | R>
} = dual(isDataFirst, <A, Input, R, E>(
  self: Extraction.Extraction<A, Input, R, E>,
  input: Input,
  options?: PartialOptions
): Stream.Stream<Snapshot<A, E>, ExtractionError.ExtractionError, Llm | R> =>
  Stream.unwrap(Effect.gen(function*() {
    const llm = yield* Llm
    const compiled = yield* Effect.fromResult(Compiled.make<A, Input, R>(resolve(self) as Extraction.Extraction<A, Input, R>, llm.dialect))
    const request = yield* Effect.fromResult(Compiled.toRequest(compiled, input, llm.model))
    return PartialStream.run<A, E, Input, R>(compiled, llm, request, options ?? {})
  })))
