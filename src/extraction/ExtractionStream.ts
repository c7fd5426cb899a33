/**
 * Streamed extractions: the elements of a list as soon as each closes, and objects while they grow. Use them to show
 * results while the model is still answering, and for answers that are too long to wait for.
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
import * as Effect from "effect/Effect"
import { memoize } from "effect/Function"
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Llm } from "../llm/Llm.ts"
import type { LlmRequest } from "../llm/LlmRequest.ts"
import type { Usage } from "../llm/Usage.ts"
import * as Compiled from "./Compiled.ts"
import { type ExtractionError, InvalidInput } from "./ExtractionError.ts"
import { type Extraction, make, type PromptInput, resolve } from "./internal/definition.ts"
import type { Detailed } from "./internal/detailed.ts"
import * as Elements from "./internal/elements.ts"
import { notSent } from "./internal/failure.ts"
import * as Snapshots from "./internal/snapshots.ts"
import type { StreamOptions } from "./internal/streamOptions.ts"
import { stopAtFailure } from "./stopAtFailure.ts"

export type {
  /**
   * The limits of every streamed extraction.
   *
   * @category models
   * @since 0.1.0
   */
  StreamOptions as Options
} from "./internal/streamOptions.ts"

/**
 * Options of `elements` and `values`.
 *
 * @category models
 * @since 0.1.0
 */
export interface ElementsOptions extends StreamOptions {
  /**
   * Whether to ask again, at the end of an answer, for the elements that did not decode and for the rest of a list that
   * broke off. A reask asks for nothing else, and there are at most as many as `maxAttempts` allows. Elements that did not
   * decode are held back until the reask is answered, so they may be emitted out of order.
   *
   * @default false
   */
  readonly reask?: boolean | undefined
  /** Runs when the stream ends without a failure. */
  readonly onEnd?: ((summary: Summary) => Effect.Effect<void>) | undefined
}

/**
 * The size and the usage of a streamed list: what `onEnd` receives.
 *
 * @category models
 * @since 0.1.0
 */
export interface Summary {
  /** The number of elements, invalid ones included. */
  readonly elements: number
  /** Completions received: 1 without a reask. */
  readonly attempts: number
  /** The usage of all of them. */
  readonly usage: Usage
  readonly model: string
  readonly finishReason: Response.FinishReason
}

/**
 * An element of a streamed list: what `elements` emits.
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
  readonly result: Result.Result<A, ExtractionError>
}

const listOf = memoize((extraction: Extraction<unknown, never, unknown>) =>
  make({ ...extraction, schema: Schema.Array(extraction.schema), name: `${extraction.name}List`, tables: false })
)

/** A table has no form in which it could grow. */
const withoutTables = memoize((extraction: Extraction<unknown, never, unknown>) =>
  extraction.tables ? make({ ...extraction, tables: false }) : extraction
)

const notStreamed =
  "An extraction with checks, or made of others, cannot be streamed: its value is not known before its end"

const compile = Effect.fnUntraced(function*<A, Input, R>(
  extraction: Extraction<A, Input, R>,
  input: Input
): Effect.fn.Return<
  { readonly compiled: Compiled.Compiled<A, Input, R>; readonly llm: Llm["Service"]; readonly request: LlmRequest },
  ExtractionError,
  Llm
> {
  const llm = yield* Llm
  if (extraction.derivation !== undefined || extraction.checks.length > 0) {
    return yield* notSent(extraction.name, new InvalidInput({ description: notStreamed }))
  }
  const compiled = yield* Effect.fromResult(Compiled.make(extraction, llm.dialect))
  return { compiled, llm, request: yield* Effect.fromResult(Compiled.toRequest(compiled, input, llm.model)) }
})

/**
 * Extracts a list of the values that `self` describes, and emits each element as soon as it closes. Use it to process
 * the elements of a long list as they arrive, valid or not. An element that does not decode is emitted as a failure, and
 * the stream continues.
 *
 * The stream fails when the answer as a whole cannot be used: with `Truncated` after the complete elements, with
 * `Disconnected` or `Stalled` within an answer, with `InvalidOutput` if there is no list or it breaks off, with
 * `LimitExceeded`, or with any other reason of an extraction. The request is sent when the stream runs, and aborted when
 * its consumer stops.
 *
 * **Example** (Valid and invalid elements)
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
  <A, Input, R>(
    self: Extraction<A, Input, R>,
    input: Input,
    options?: ElementsOptions
  ): Stream.Stream<Element<A>, ExtractionError, Llm | R>
  <A, R>(
    self: Schema.ConstraintDecoder<A, R>,
    input: PromptInput,
    options?: ElementsOptions
  ): Stream.Stream<Element<A>, ExtractionError, Llm | R>
} = <A, Input, R>(
  self: Extraction<A, Input, R> | Schema.ConstraintDecoder<A, R>,
  input: Input,
  options?: ElementsOptions
): Stream.Stream<Element<A>, ExtractionError, Llm | R> =>
  Stream.unwrap(Effect.gen(function*() {
    const extraction = resolve<A, Input, R, unknown>(self)
    const list = listOf(extraction) as unknown as Extraction<ReadonlyArray<A>, Input, R>
    const { compiled, llm, request } = yield* compile(list, input)
    const element = yield* Effect.fromResult(Compiled.response(extraction))
    return Elements.run({ list: compiled, element, llm, request, options: options ?? {} })
  }))

/**
 * Like `elements`, with the values only: the stream fails at the first element that does not decode, after the elements
 * before it. Use it where an invalid element makes the rest useless.
 *
 * **Example** (Up to the first invalid element)
 *
 * ```ts
 * import { Effect, Schema, Stream } from "effect"
 * import { ExtractionStream } from "effect-instructor"
 * import { MockLlm } from "effect-instructor/testing"
 *
 * const ages: Array<number> = []
 * const program = ExtractionStream.values(Schema.Int, "30, old, 25").pipe(
 *   Stream.runForEach((age) => Effect.sync(() => ages.push(age))),
 *   Effect.catchReason("ExtractionError", "InvalidOutput", ({ issues }) => Effect.succeed(issues[0]?.path)),
 *   Effect.provide(MockLlm.layer([{ items: [30, "old", 25] }]))
 * )
 *
 * await Effect.runPromise(program) // => [1]
 * ages // => [30]
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const values: {
  <A, Input, R>(
    self: Extraction<A, Input, R>,
    input: Input,
    options?: ElementsOptions
  ): Stream.Stream<A, ExtractionError, Llm | R>
  <A, R>(
    self: Schema.ConstraintDecoder<A, R>,
    input: PromptInput,
    options?: ElementsOptions
  ): Stream.Stream<A, ExtractionError, Llm | R>
} = <A, Input, R>(
  self: Extraction<A, Input, R> | Schema.ConstraintDecoder<A, R>,
  input: Input,
  options?: ElementsOptions
): Stream.Stream<A, ExtractionError, Llm | R> => stopAtFailure(elements<A, Input, R>(resolve(self), input, options))

/**
 * A value while it is being written: any key may be missing, strings may be unfinished, and optional keys may be `null`.
 * Parts whose JSON form depends on the dialect (records and tuples) are `unknown`, as are values that are not JSON.
 *
 * @category models
 * @since 0.1.0
 */
export type DeepPartial<Encoded> = Encoded extends string ? string
  : Encoded extends number | boolean | null ? Encoded
  : Encoded extends ReadonlyArray<infer Item>
    ? number extends Encoded["length"] ? ReadonlyArray<DeepPartial<Item>> : unknown
  : Encoded extends Date | bigint | symbol | Uint8Array | ((...args: ReadonlyArray<never>) => unknown) ? unknown
  : Encoded extends object ? string extends keyof Encoded ? unknown
    : {
      readonly [K in keyof Encoded]?:
        | DeepPartial<Exclude<Encoded[K], undefined>>
        | (
          undefined extends Encoded[K] ? null : never
        )
    }
  : unknown

/**
 * What `partial` emits: the value so far and, at the end, the decoded value with its usage.
 *
 * @category models
 * @since 0.1.0
 */
export type Snapshot<A, Encoded> =
  | { readonly _tag: "Partial"; readonly value: DeepPartial<Encoded> }
  | { readonly _tag: "Complete" } & Detailed<A>

/**
 * Options of `partial`.
 *
 * @category models
 * @since 0.1.0
 */
export interface PartialOptions extends StreamOptions {
  /**
   * Whether to emit every snapshot as a copy, and let the answer wait for a slow consumer. By default the snapshots are
   * one value that grows in place, and a slow consumer misses intermediate states: copy what you keep.
   *
   * @default false
   */
  readonly every?: boolean | undefined
}

/**
 * Extracts a value, and emits snapshots of it while the model writes it. Use it to fill in a form or a table live. The
 * last snapshot has the decoded value. After an answer that does not decode there is a reask, as with
 * `Extraction.extract`, and the snapshots start over.
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
  <A, Input, R, Encoded>(
    self: Extraction<A, Input, R, Encoded>,
    input: Input,
    options?: PartialOptions
  ): Stream.Stream<Snapshot<A, Encoded>, ExtractionError, Llm | R>
  <A, Encoded, R>(
    self: Schema.ConstraintCodec<A, Encoded, R, unknown>,
    input: PromptInput,
    options?: PartialOptions
  ): Stream.Stream<Snapshot<A, Encoded>, ExtractionError, Llm | R>
} = <A, Input, R, Encoded>(
  self: Extraction<A, Input, R, Encoded> | Schema.ConstraintCodec<A, Encoded, R, unknown>,
  input: Input,
  options?: PartialOptions
): Stream.Stream<Snapshot<A, Encoded>, ExtractionError, Llm | R> =>
  Stream.unwrap(Effect.map(
    compile(
      withoutTables(resolve<A, Input, R, Encoded>(self)) as unknown as Extraction<A, Input, R, Encoded>,
      input
    ),
    ({ compiled, llm, request }) => Snapshots.run<A, Encoded, Input, R>(compiled, llm, request, options ?? {})
  ))
