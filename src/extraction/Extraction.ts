/**
 * Extractions: a schema, and how to ask a model for a value of it. An extraction is a plain value. Define it once and run
 * it with as many inputs as you like.
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
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as JsonSchema from "effect/JsonSchema"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as AnswerIssue from "../answer/AnswerIssue.ts"
import { Llm } from "../llm/Llm.ts"
import type { LlmRequest } from "../llm/LlmRequest.ts"
import { type DialectInput, toDialect } from "../schema/dialects/builtIn.ts"
import * as SchemaFromJson from "../schema/SchemaFromJson.ts"
import * as Compiled from "./Compiled.ts"
import { type ExtractionError, InvalidOutput } from "./ExtractionError.ts"
import { type Extraction, make, type Options, type PromptInput, resolve } from "./internal/definition.ts"
import type { Detailed } from "./internal/detailed.ts"
import { notSent } from "./internal/failure.ts"
import * as Telemetry from "./internal/telemetry.ts"

export {
  /** @since 0.1.0 */
  type Extraction,
  /** @since 0.1.0 */
  isExtraction,
  /** @since 0.1.0 */
  make,
  /** @since 0.1.0 */
  type Options,
  /** @since 0.1.0 */
  type Overrides,
  /** @since 0.1.0 */
  type PromptInput,
  /** @since 0.1.0 */
  type StandardOptions
} from "./internal/definition.ts"

export {
  /** @since 0.1.0 */
  type Check,
  /** @since 0.1.0 */
  check,
  /** @since 0.1.0 */
  type CheckContext,
  /** @since 0.1.0 */
  type CheckIssue,
  /** @since 0.1.0 */
  type CheckOptions,
  /** @since 0.1.0 */
  type CheckOutput
} from "./internal/check.ts"

export {
  /** @since 0.1.0 */
  cascade,
  /** @since 0.1.0 */
  type CascadeOptions
} from "./internal/cascade.ts"

export {
  /** @since 0.1.0 */
  confidence,
  /** @since 0.1.0 */
  type ConfidenceOptions,
  /** @since 0.1.0 */
  type Confident,
  /** @since 0.1.0 */
  type ConfidentLeaf
} from "./internal/confidence.ts"

export {
  /** @since 0.1.0 */
  isStandardSchema,
  /** @since 0.1.0 */
  type StandardSchema
} from "../schema/SchemaFromStandard.ts"

export type {
  /** @since 0.1.0 */
  Detailed
} from "./internal/detailed.ts"

export {
  /** @since 0.1.0 */
  type Grounded,
  /** @since 0.1.0 */
  grounded,
  /** @since 0.1.0 */
  type GroundedOptions,
  /** @since 0.1.0 */
  requireGrounding
} from "./internal/grounded.ts"

export {
  /** @since 0.1.0 */
  type Example,
  /** @since 0.1.0 */
  type ExamplesOptions,
  /** @since 0.1.0 */
  withExamples
} from "./internal/examples.ts"

export {
  /** @since 0.1.0 */
  lint,
  /** @since 0.1.0 */
  type LintIssue
} from "./internal/lint.ts"

export {
  /** @since 0.1.0 */
  split
} from "./internal/split.ts"

export {
  /** @since 0.1.0 */
  long,
  /** @since 0.1.0 */
  type LongOptions,
  /** @since 0.1.0 */
  type MergeOptions,
  /** @since 0.1.0 */
  type SplitOptions
} from "./internal/long.ts"

export {
  /** @since 0.1.0 */
  mapInput,
  /** @since 0.1.0 */
  with
} from "./internal/variants.ts"

export {
  /** @since 0.1.0 */
  vote,
  /** @since 0.1.0 */
  type VoteOptions
} from "./internal/vote.ts"

export {
  /** @since 0.1.0 */
  metrics
} from "./internal/metrics.ts"

export {
  /** @since 0.1.0 */
  option
} from "./internal/option.ts"

/**
 * Makes an extraction from a JSON Schema document (draft 4 to 2020-12). Use it for schemas in files or from other
 * languages. The value is plain JSON that the document accepts, with formats checked: nothing is added to it or left out,
 * and `coerce` is `false` by default. References to other documents are not fetched. Fails with `UnsupportedSchema` where
 * the document is not valid.
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
): Result.Result<Extraction<Schema.Json, Input>, ExtractionError> =>
  SchemaFromJson.make(document).pipe(
    Result.map((schema) => make<Schema.Json, never, Input>({ ...options, coerce: options?.coerce ?? false, schema })),
    Result.mapError((unsupported) => Compiled.unsupportedSchema(options?.name ?? "Response", unsupported))
  )

/**
 * Builds the request for an input without sending it. Use it to inspect a request, or to send it in another way.
 *
 * **Example** (A request without sending it)
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
    /** The model to ask if the extraction does not name one. */
    readonly model: string
    /**
     * The dialect of JSON Schema that the provider accepts.
     *
     * @default "openai"
     */
    readonly dialect?: DialectInput | undefined
  }
): Result.Result<LlmRequest, ExtractionError> =>
  Result.flatMap(
    Compiled.make(self, toDialect(options.dialect ?? "openai")),
    (compiled) => Compiled.toRequest(compiled, input, options.model)
  )

/**
 * Returns the JSON Schema that an extraction sends. Use it to inspect the schema, or to check in a test that a provider
 * accepts it. The modes `json` and `markdown` send ordinary JSON Schema in every dialect.
 *
 * **Example** (A schema that OpenAI does not accept)
 *
 * ```ts
 * import { Result, Schema } from "effect"
 * import { Extraction } from "effect-instructor"
 *
 * const codes = Extraction.make({ schema: Schema.Literals(Array.from({ length: 2000 }, (_, i) => `code ${i}`)) })
 *
 * Result.isSuccess(Extraction.jsonSchema(codes, "openai")) // => false
 * Result.isSuccess(Extraction.jsonSchema(codes, "plain")) // => true
 * ```
 *
 * @category converting
 * @since 0.1.0
 */
export const jsonSchema = <A, Input, R>(
  self: Extraction<A, Input, R> | Schema.ConstraintDecoder<A, R>,
  /** `openai` by default. */
  dialect: DialectInput = "openai"
): Result.Result<JsonSchema.JsonSchema, ExtractionError> =>
  Result.map(
    Compiled.make(resolve<A, Input, R, unknown>(self), toDialect(dialect)),
    ({ output }) => output.jsonSchema
  )

/**
 * Decodes the JSON of an answer as `extract` does. Use it for answers that were stored, or that another program received.
 * Fails with an `InvalidOutput` that has every issue.
 *
 * **Example** (A stored answer)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Extraction } from "effect-instructor"
 *
 * const day = Extraction.make({ schema: Schema.Struct({ day: Schema.DateFromString }) })
 *
 * const program = Effect.map(Extraction.decode(day, { day: "2026-11-24" }), ({ day }) => day.getUTCDate())
 *
 * await Effect.runPromise(program) // => 24
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const decode = <A, Input, R>(
  self: Extraction<A, Input, R> | Schema.ConstraintDecoder<A, R>,
  json: Schema.Json
): Effect.Effect<A, ExtractionError, R> => {
  const extraction = resolve<A, Input, R, unknown>(self)
  const response = Compiled.response(extraction)
  return Result.isFailure(response)
    ? Effect.fail(response.failure)
    : Effect.mapError(response.success.decode(response.success.read(json, extraction.coerce)), (issue) =>
      notSent(
        extraction.name,
        new InvalidOutput({ attempts: [{ text: JSON.stringify(json), issues: AnswerIssue.fromSchemaIssue(issue) }] })
      ))
}

/**
 * Extracts a value from an input. Use it for a single input, and `Batch` for many. A bare schema is an extraction with
 * the default options.
 *
 * **Example** (A fallback when there is no valid answer)
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
  <A, Input, R>(self: Extraction<A, Input, R>, input: Input): Effect.Effect<A, ExtractionError, Llm | R>
  <A, R>(self: Schema.ConstraintDecoder<A, R>, input: PromptInput): Effect.Effect<A, ExtractionError, Llm | R>
} = <A, Input, R>(
  self: Extraction<A, Input, R> | Schema.ConstraintDecoder<A, R>,
  input: Input
): Effect.Effect<A, ExtractionError, Llm | R> => Effect.map(extractDetailed<A, Input, R>(resolve(self), input), valueOf)

const valueOf = <A>({ value }: Detailed<A>): A => value

/**
 * Extracts a value, and returns it with its usage, cost, attempts and completion. Use it for accounting and debugging.
 *
 * **Example** (The cost of a value)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Extraction } from "effect-instructor"
 * import { MockLlm } from "effect-instructor/testing"
 *
 * const program = Extraction.extractDetailed(Schema.Struct({ city: Schema.String }), "I live in Paris").pipe(
 *   Effect.map(({ attempts, usage, value }) => ({ ...value, attempts, tokens: usage.outputTokens })),
 *   Effect.provide(MockLlm.layer([{ city: "Paris" }]))
 * )
 *
 * await Effect.runPromise(program) // => { city: "Paris", attempts: 1, tokens: 4 }
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const extractDetailed: {
  <A, Input, R>(self: Extraction<A, Input, R>, input: Input): Effect.Effect<Detailed<A>, ExtractionError, Llm | R>
  <A, R>(self: Schema.ConstraintDecoder<A, R>, input: PromptInput): Effect.Effect<Detailed<A>, ExtractionError, Llm | R>
} = <A, Input, R>(
  self: Extraction<A, Input, R> | Schema.ConstraintDecoder<A, R>,
  input: Input
): Effect.Effect<Detailed<A>, ExtractionError, Llm | R> =>
  Llm.use((llm) => Compiled.extract(resolve<A, Input, R, unknown>(self), llm, input))

/**
 * Whether spans contain the messages and answers, as `gen_ai.input.messages` and `gen_ai.output.messages`. Set it to
 * `true` only where traces may contain the texts of your users.
 *
 * @default false
 * @category references
 * @since 0.1.0
 */
export const RecordContent: Context.Reference<boolean> = Telemetry.RecordContent
