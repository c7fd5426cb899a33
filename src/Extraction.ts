/**
 * An extraction: a schema and how to ask for it. A plain value; nothing happens until it meets an input.
 *
 * **Example** (Extracting a person)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Extraction } from "effect-instructor"
 * import { MockLlm } from "effect-instructor/testing"
 *
 * const Person = Schema.Struct({ name: Schema.String, age: Schema.Int })
 * const person = Extraction.make({ schema: Person })
 *
 * const program = Extraction.extract(person, "My name is John and I am 30 years old").pipe(
 *   Effect.provide(MockLlm.layer([{ name: "John", age: 30 }]))
 * )
 *
 * await Effect.runPromise(program) // => { name: "John", age: 30 }
 * ```
 *
 * @since 0.1.0
 */
import type * as Prompt from "effect/ai/Prompt"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { dual, memoize } from "effect/Function"
import type * as Option from "effect/Option"
import * as Pipeable from "effect/Pipeable"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as SchemaTransformation from "effect/SchemaTransformation"
import * as ExtractionError from "./ExtractionError.ts"
import * as Attempts from "./internal/attempts.ts"
import * as Compiled from "./internal/compiled.ts"
import * as Telemetry from "./internal/telemetry.ts"
import type { Completion } from "./llm/Completion.ts"
import { Llm } from "./llm/Llm.ts"
import type { LlmRequest, OutputMode, Parameters } from "./llm/LlmRequest.ts"
import type * as Usage from "./llm/Usage.ts"
import * as SchemaFromJson from "./schema/SchemaFromJson.ts"

const TypeId = "~effect-instructor/Extraction"

/**
 * What an extraction without a `prompt` of its own takes: a text, or an `effect/ai` prompt.
 *
 * @category models
 * @since 0.1.0
 */
export type PromptInput = Prompt.RawInput

/**
 * @category models
 * @since 0.1.0
 */
export interface Extraction<out A, in Input = PromptInput, out R = never, out E = unknown> extends Pipeable.Pipeable {
  readonly [TypeId]: typeof TypeId
  readonly schema: Schema.ConstraintCodec<A, E, R, unknown>
  readonly name: string
  readonly description: string | undefined
  readonly instructions: string | undefined
  readonly prompt: (input: Input) => PromptInput
  readonly mode: OutputMode
  readonly model: string | undefined
  readonly maxAttempts: number
  readonly timeout: Duration.Duration | undefined
  readonly cache: boolean
  readonly parameters: Parameters
}

/**
 * A value with all there is to know about how it came about.
 *
 * @category models
 * @since 0.1.0
 */
export interface Detailed<out A> {
  readonly value: A
  /** The usage of all attempts together, with their cost: `usage.usd`, or `Usage.cost`. */
  readonly usage: Usage.Usage
  /** Completions received: 1 unless the model had to be asked again. */
  readonly attempts: number
  /** The model that gave the valid answer. */
  readonly model: string
  readonly finishReason: Completion["finishReason"]
  /** The valid answer as it came. */
  readonly completion: Completion
  /** The JSON in it that the value was decoded from. */
  readonly answer: Schema.Json
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Options<out A, in Input = PromptInput, out R = never, out E = unknown> {
  /** Decodes the answer, with its transformations, checks and services. Its descriptions reach the model. */
  readonly schema: Schema.ConstraintCodec<A, E, R, unknown>
  /**
   * What the value is called, for the model, for errors and for spans. The schema's identifier or title by default.
   */
  readonly name?: string | undefined
  /** What the value is. The schema's description by default. */
  readonly description?: string | undefined
  /**
   * Opens the conversation, as the system message. Without any, and without a system message in the prompt, the model is
   * told to extract what is there and to make nothing up.
   */
  readonly instructions?: string | undefined
  /** Makes the rest of the conversation of an input. By default the input is a text or a prompt itself. */
  readonly prompt?: ((input: Input) => PromptInput) | undefined
  /**
   * How the schema is sent and the answer comes back.
   *
   * @default "json_schema"
   */
  readonly mode?: OutputMode | undefined
  /** The model to ask. The layer's by default. */
  readonly model?: string | undefined
  /**
   * How often the model is asked, the first time included. Retries of transport failures do not count.
   *
   * @default 3
   */
  readonly maxAttempts?: number | undefined
  /** Bounds the whole: attempts, retries and waits together. Nothing does by default. */
  readonly timeout?: Duration.Input | undefined
  /**
   * Whether a cache, where there is one, may answer, and keep what it answers.
   *
   * @default true
   */
  readonly cache?: boolean | undefined
  /** What else the request says: the most tokens of an answer, the temperature and the like. */
  readonly parameters?: Parameters | undefined
}

const Proto = {
  [TypeId]: TypeId,
  ...Pipeable.Prototype
}

/**
 * @category guards
 * @since 0.1.0
 */
export const isExtraction = (u: unknown): u is Extraction<unknown, never, unknown> => Predicate.hasProperty(u, TypeId)

/**
 * Makes an extraction.
 *
 * **Example** (Asking for more than the default)
 *
 * ```ts
 * import { Schema } from "effect"
 * import { Extraction } from "effect-instructor"
 *
 * const Invoice = Schema.Struct({
 *   number: Schema.String.annotate({ description: "as printed, with its dashes" }),
 *   total: Schema.Finite.check(Schema.isGreaterThan(0))
 * })
 *
 * export const invoice = Extraction.make({
 *   schema: Invoice,
 *   name: "invoice",
 *   instructions: "Extract the invoice. Amounts are in euros.",
 *   prompt: (scan: { readonly pages: ReadonlyArray<string> }) => scan.pages.join("\n"),
 *   timeout: "1 minute",
 *   parameters: { maxTokens: 500 }
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <A, R = never, Input = PromptInput, E = unknown>(
  options: Options<A, Input, R, E>
): Extraction<A, Input, R, E> => {
  const { ast } = options.schema
  const annotations = { ...ast.annotations, ...SchemaAST.resolve(ast) }
  const named = [options.name, annotations["identifier"], annotations["title"]].find(Predicate.isString)
  const described = [options.description, annotations["description"]].find(Predicate.isString)
  const maxAttempts = Math.floor(options.maxAttempts ?? 3)
  return Object.assign(Object.create(Proto), {
    schema: options.schema,
    name: named ?? "Response",
    description: described,
    instructions: options.instructions,
    // Without a prompt of its own, Input is PromptInput.
    prompt: options.prompt ?? ((input: Input) => input as PromptInput),
    mode: options.mode ?? "json_schema",
    model: options.model,
    // Not Math.max, which would pass on a NaN and ask for ever.
    maxAttempts: maxAttempts >= 1 ? maxAttempts : 1,
    timeout: options.timeout === undefined ? undefined : Duration.fromInputUnsafe(options.timeout),
    cache: options.cache ?? true,
    parameters: options.parameters ?? {}
  })
}

/**
 * The extraction of what a JSON Schema document (draft 4 to 2020-12) describes, as JSON.
 *
 * **Example** (A schema from a file)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Extraction } from "effect-instructor"
 * import { MockLlm } from "effect-instructor/testing"
 *
 * const document = { type: "object", properties: { city: { type: "string" } }, required: ["city"] }
 *
 * const program = Effect.gen(function*() {
 *   const city = yield* Effect.fromResult(Extraction.fromJsonSchema(document, { name: "city" }))
 *   return yield* Extraction.extract(city, "I live in Paris")
 * }).pipe(Effect.provide(MockLlm.layer([{ city: "Paris" }])))
 *
 * await Effect.runPromise(program) // => { city: "Paris" }
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromJsonSchema = <Input = PromptInput>(
  document: unknown,
  options?: Omit<Options<Schema.Json, Input>, "schema">
): Result.Result<Extraction<Schema.Json, Input>, ExtractionError.ExtractionError> =>
  SchemaFromJson.make(document).pipe(
    Result.map((schema) => make<Schema.Json, never, Input>({ ...options, schema })),
    Result.mapError((unsupported) =>
      ExtractionError.beforeSending(options?.name ?? "Response", new ExtractionError.UnsupportedSchema(unsupported))
    )
  )

const fromSchema = memoize((schema: Schema.ConstraintDecoder<unknown, unknown>) => make({ schema }))

/** A bare schema is the extraction with every default. */
const resolve = <A, Input, R>(
  self: Extraction<A, Input, R> | Schema.ConstraintDecoder<A, R>
): Extraction<A, Input, R> => isExtraction(self) ? self : fromSchema(self) as unknown as Extraction<A, Input, R>

/**
 * The extraction of a value that may not be there. What the model finds arrives as a `Some`; where it finds nothing,
 * it may say so instead of making something up, and a `None` arrives.
 *
 * **Example** (A person, if there is one)
 *
 * ```ts
 * import { Effect, Option, Schema } from "effect"
 * import { Extraction } from "effect-instructor"
 * import { MockLlm } from "effect-instructor/testing"
 *
 * const Person = Schema.Struct({ name: Schema.String, age: Schema.Int })
 * const person = Extraction.maybe(Person)
 *
 * const program = Extraction.extract(person, "It rained all day").pipe(
 *   Effect.provide(MockLlm.layer([{ result: null, reason: "no person is mentioned" }]))
 * )
 *
 * await Effect.runPromise(program) // => Option.none()
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const maybe: {
  <A, Input, R>(self: Extraction<A, Input, R>): Extraction<Option.Option<A>, Input, R>
  <A, R>(self: Schema.ConstraintDecoder<A, R>): Extraction<Option.Option<A>, PromptInput, R>
} = <A, Input, R>(
  self: Extraction<A, Input, R> | Schema.ConstraintDecoder<A, R>
): Extraction<Option.Option<A>, Input, R> => {
  const extraction = resolve(self)
  return make({ ...extraction, schema: toMaybe(extraction.schema) })
}

const toMaybe = <A, R>(schema: Schema.ConstraintDecoder<A, R>): Schema.ConstraintDecoder<Option.Option<A>, R> =>
  Schema.Struct({
    result: Schema.OptionFromNullOr(schema).annotate({ description: "null when there is none to be found" }),
    reason: Schema.optionalKey(Schema.NullOr(Schema.String)).annotate({ description: "why there is none" })
  }).pipe(
    Schema.decodeTo(
      Schema.Option(Schema.toType(schema)),
      SchemaTransformation.transform({
        decode: ({ result }) => result,
        encode: (result) => ({ result })
      })
    )
  )

/**
 * The request that an extraction makes of an input: what every engine sends, caches, or writes to a file.
 *
 * **Example** (Looking at a request without sending it)
 *
 * ```ts
 * import { Result, Schema } from "effect"
 * import { Extraction } from "effect-instructor"
 *
 * const city = Extraction.make({ schema: Schema.Struct({ city: Schema.String }), instructions: "Which city?" })
 *
 * const request = Extraction.toRequest(city, "I live in Paris", { model: "small" })
 *
 * Result.getOrThrow(request).messages // => [{ role: "system", content: "Which city?" }, { role: "user", content: "I live in Paris" }]
 * ```
 *
 * @category converting
 * @since 0.1.0
 */
export const toRequest = <A, Input, R>(
  self: Extraction<A, Input, R>,
  input: Input,
  options: {
    /** The model for an extraction that names none. */
    readonly model: string
  }
): Result.Result<LlmRequest, ExtractionError.ExtractionError> =>
  Result.flatMap(Compiled.make(self), (compiled) => Compiled.toRequest(compiled, input, options.model))

/**
 * Extracts a value from an input. A bare schema in place of an extraction is asked for with every default.
 *
 * **Example** (Falling back when there is no valid answer)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Extraction } from "effect-instructor"
 * import { MockLlm } from "effect-instructor/testing"
 *
 * const program = Extraction.extract(Schema.Struct({ city: Schema.String }), "It rained").pipe(
 *   Effect.catchReason("ExtractionError", "InvalidOutput", () => Effect.succeed({ city: "unknown" })),
 *   Effect.provide(MockLlm.layer(() => ({ city: null })))
 * )
 *
 * await Effect.runPromise(program) // => { city: "unknown" }
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const extract: {
  <Input>(
    input: Input
  ): <A, R>(self: Extraction<A, Input, R>) => Effect.Effect<A, ExtractionError.ExtractionError, Llm | R>
  <A, Input, R>(
    self: Extraction<A, Input, R>,
    input: Input
  ): Effect.Effect<A, ExtractionError.ExtractionError, Llm | R>
  <A, R>(
    self: Schema.ConstraintDecoder<A, R>,
    input: PromptInput
  ): Effect.Effect<A, ExtractionError.ExtractionError, Llm | R>
} = dual(2, <A, Input, R>(
  self: Extraction<A, Input, R> | Schema.ConstraintDecoder<A, R>,
  input: Input
): Effect.Effect<A, ExtractionError.ExtractionError, Llm | R> =>
  Effect.map(run(resolve(self), input), ({ value }) => value))

/**
 * Like `extract`, with the usage, the attempts and the completion the value came from.
 *
 * **Example** (What a value cost)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Extraction } from "effect-instructor"
 * import { MockLlm, Reply } from "effect-instructor/testing"
 *
 * const program = Extraction.extractDetailed(Schema.Struct({ age: Schema.Int }), "I am 30").pipe(
 *   Effect.map(({ attempts, usage, value }) => [value.age, attempts, usage.outputTokens]),
 *   Effect.provide(MockLlm.layer([
 *     Reply.withUsage({ age: "thirty" }, { inputTokens: 20, outputTokens: 4 }),
 *     Reply.withUsage({ age: 30 }, { inputTokens: 40, outputTokens: 3 })
 *   ]))
 * )
 *
 * await Effect.runPromise(program) // => [30, 2, 7]
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const extractDetailed: {
  <Input>(
    input: Input
  ): <A, R>(self: Extraction<A, Input, R>) => Effect.Effect<Detailed<A>, ExtractionError.ExtractionError, Llm | R>
  <A, Input, R>(
    self: Extraction<A, Input, R>,
    input: Input
  ): Effect.Effect<Detailed<A>, ExtractionError.ExtractionError, Llm | R>
  <A, R>(
    self: Schema.ConstraintDecoder<A, R>,
    input: PromptInput
  ): Effect.Effect<Detailed<A>, ExtractionError.ExtractionError, Llm | R>
} = dual(2, <A, Input, R>(
  self: Extraction<A, Input, R> | Schema.ConstraintDecoder<A, R>,
  input: Input
): Effect.Effect<Detailed<A>, ExtractionError.ExtractionError, Llm | R> => run(resolve(self), input))

/**
 * Whether spans carry the messages and answers themselves, as `gen_ai.input.messages` and `gen_ai.output.messages`.
 * They may hold what nobody should find in a trace, so by default they do not.
 *
 * @category references
 * @since 0.1.0
 */
export const RecordContent: Context.Reference<boolean> = Telemetry.RecordContent

const run = <A, Input, R>(
  self: Extraction<A, Input, R>,
  input: Input
): Effect.Effect<Detailed<A>, ExtractionError.ExtractionError, Llm | R> =>
  Llm.use((llm) => {
    const compiled = Compiled.make(self)
    if (Result.isFailure(compiled)) return Effect.fail(compiled.failure)
    const request = Compiled.toRequest(compiled.success, input, llm.model)
    return Result.isFailure(request)
      ? Effect.fail(request.failure)
      : Attempts.run(compiled.success, llm, request.success)
  })
