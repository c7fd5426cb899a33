/** The definition of an extraction. `Extraction` exports the public part. */
import * as Prompt from "effect/ai/Prompt"
import * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import { memoize } from "effect/Function"
import * as Pipeable from "effect/Pipeable"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import type { Llm } from "../../llm/Llm.ts"
import type { LlmRequest, OutputMode, Parameters } from "../../llm/LlmRequest.ts"
import type { StandardSchema } from "../../schema/SchemaFromStandard.ts"
import * as SchemaFromStandard from "../../schema/SchemaFromStandard.ts"
import type { ExtractionError } from "../ExtractionError.ts"
import type { AnyCheck } from "./check.ts"
import type { Detailed } from "./detailed.ts"

const TypeId = "~effect-instructor/Extraction"

/**
 * The input of an extraction without a `prompt` option: a text, or an `effect/ai` prompt with messages and files.
 *
 * @category models
 * @since 0.1.0
 */
export type PromptInput = Prompt.RawInput

/**
 * A reusable description of what to extract. `A` is the type of the value, `Input` that of the input, `R` the services
 * that decoding needs, and `Encoded` the JSON form of the value. Make one with `make`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Extraction<out A, in Input = PromptInput, out R = never, out Encoded = unknown>
  extends Pipeable.Pipeable
{
  readonly [TypeId]: typeof TypeId
  readonly schema: Schema.ConstraintCodec<A, Encoded, R, unknown>
  readonly name: string
  readonly description: string | undefined
  readonly instructions: string | undefined
  readonly prompt: (input: Input) => PromptInput | Result.Result<PromptInput, string>
  /** The mode, if one was chosen. */
  readonly mode: OutputMode | undefined
  readonly model: string | undefined
  readonly maxAttempts: number
  readonly maxContinuations: number
  readonly timeout: Duration.Duration | undefined
  readonly cache: boolean
  readonly coerce: boolean
  readonly tables: boolean
  readonly patch: boolean
  readonly parameters: Parameters
  /** The text of an input that values are looked up in. By default it is the text of the prompt. */
  readonly source: ((input: Input) => string | undefined) | undefined
  readonly checks: ReadonlyArray<AnyCheck<R>>
  /** Inputs with their values, which the model sees before the input. */
  readonly examples: Examples | undefined
  /** How the value comes about if it takes more than one conversation. */
  readonly derivation: Derivation<A, Input, R> | undefined
}

interface ShownExample {
  readonly text: string
  readonly json: Schema.Json
}

interface Examples {
  readonly shown: ReadonlyArray<ShownExample>
  /** The examples for an input, in a fixed order. */
  readonly choose: (text: string) => ReadonlyArray<ShownExample>
}

/**
 * An extraction that is made of others. Whatever runs extractions asks `run` for its value, and takes the request of
 * `base` for its identity.
 */
export interface Derivation<out A, in Input, out R> {
  readonly base: Extraction<unknown, Input, R>
  /** What the value depends on besides the request of `base`. */
  readonly key: string
  /** The same derivation of changed parts. */
  readonly map: (change: Change) => Extraction<A, Input, R>
  readonly run: (context: DerivationContext<Input>) => Effect.Effect<Detailed<A>, ExtractionError, R>
}

/** A change that any part of a derivation may be given. */
export type Change = <A, Input, R, Encoded>(
  part: Extraction<A, Input, R, Encoded>
) => Extraction<A, Input, R, Encoded>

interface DerivationContext<out Input> {
  readonly llm: Llm["Service"]
  readonly input: Input
  /** The request of `base` for this input. */
  readonly request: LlmRequest
}

/** What extractions have besides their options. An extraction is given as options to keep it. */
type Kept<A, Input, R> = Partial<Pick<Extraction<A, Input, R>, "source" | "checks" | "derivation" | "examples">>

/**
 * The options of an extraction that `with` can change: all but the schema and the prompt.
 *
 * @category models
 * @since 0.1.0
 */
export interface Overrides {
  /**
   * The name of the value, in requests, errors and spans.
   *
   * @default the schema's identifier or title
   */
  readonly name?: string | undefined
  /**
   * A description of the value for the model.
   *
   * @default the schema's description
   */
  readonly description?: string | undefined
  /**
   * The system message.
   *
   * @default to extract only what the input states, unless the prompt has a system message of its own
   */
  readonly instructions?: string | undefined
  /**
   * How the schema reaches the model and the answer comes back.
   *
   * @default the best mode of the provider, which is "json_schema" for most
   */
  readonly mode?: OutputMode | undefined
  /**
   * The model to ask.
   *
   * @default the model of the layer
   */
  readonly model?: string | undefined
  /**
   * The maximum number of completions for one input: the first one and the reasks. Retries of a request do not count.
   *
   * @default 3
   */
  readonly maxAttempts?: number | undefined
  /**
   * How many times to ask for the rest of an answer that was cut off at the token limit. The parts are joined only where
   * the rest repeats the end of the answer, or the model goes on with its own words; otherwise the extraction fails with
   * `Truncated`, as it does by default. Each rest is a request without a schema that is enforced, and the joined answer is
   * decoded as a whole.
   *
   * @default 0
   */
  readonly maxContinuations?: number | undefined
  /** The maximum time for one input, with all attempts, retries and waits. Unlimited by default. */
  readonly timeout?: Duration.Input | undefined
  /**
   * Whether an `LlmCache` may answer the requests and store the answers.
   *
   * @default true
   */
  readonly cache?: boolean | undefined
  /**
   * Whether values that are written in another way are accepted where exactly one reading exists: a literal in another
   * case, a number as text, one value for a list of one, a key in another case. `Detailed.coercions` reports them.
   *
   * @default true
   */
  readonly coerce?: boolean | undefined
  /**
   * Whether lists of objects are asked for as tables: the names of the keys once, then rows of values. Long lists cost
   * about a quarter fewer tokens so. The answer is read back exactly, and a row that does not fit its columns is an issue. A
   * list whose objects have a key that may be absent or null stays as it is, as do streamed lists and snapshots.
   *
   * @default false
   */
  readonly tables?: boolean | undefined
  /**
   * Whether a reask asks for the invalid places of a value only, as a JSON Patch, and not for the whole value again. Use it
   * for large values. The patched value is decoded as a whole. A patch that changes any other place is refused, and the
   * whole value is asked for, as it is where an issue is about the whole.
   *
   * @default false
   */
  readonly patch?: boolean | undefined
  /** Parameters of the request: the token limit of an answer, the temperature and others. */
  readonly parameters?: Parameters | undefined
}

/**
 * The options of `make`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<out A, in Input = PromptInput, out R = never, out Encoded = unknown> extends Overrides {
  /** Decodes the answer, with its transformations, checks and services. Its descriptions reach the model. */
  readonly schema: Schema.ConstraintCodec<A, Encoded, R, unknown>
  /**
   * Builds the prompt for an input. To reject an input, return a failed `Result` with a description: the extraction then
   * fails with `InvalidInput`, and nothing is sent.
   *
   * @default the input itself, which must be a text or a prompt
   */
  readonly prompt?: ((input: Input) => PromptInput | Result.Result<PromptInput, string>) | undefined
}

/**
 * The options of `make` with a schema of another library.
 *
 * @category models
 * @since 0.1.0
 */
export interface StandardOptions<out A, in Input = PromptInput>
  extends Overrides, Pick<Options<unknown, Input>, "prompt">
{
  /** Decodes the answer. Its JSON Schema, with the descriptions, is what the model is asked for. */
  readonly schema: StandardSchema<A>
}

const Proto = {
  [TypeId]: TypeId,
  ...Pipeable.Prototype
}

/**
 * Whether a value is an extraction. Use it to tell an extraction from a bare schema.
 *
 * @category guards
 * @since 0.1.0
 */
export const isExtraction = (u: unknown): u is Extraction<unknown, never, unknown> => Predicate.hasProperty(u, TypeId)

/**
 * Makes an extraction. Define it once, outside of the functions that run it: its schema is compiled only once. Besides
 * Effect Schemas it takes the schemas of other libraries that offer JSON Schema (`StandardSchema`).
 *
 * **Example** (An extraction with options)
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
export const make = (<A, R, Input, Encoded>(
  options: Options<A, Input, R, Encoded> | StandardOptions<A, Input>
): Extraction<A, Input, R, Encoded> => {
  const schema = isStandard(options) ? SchemaFromStandard.make(options.schema) : options.schema
  const { ast } = schema
  const annotations = { ...ast.annotations, ...SchemaAST.resolve(ast) }
  const named = [options.name, annotations["identifier"], annotations["title"]].find(Predicate.isString)
  const described = [options.description, annotations["description"]].find(Predicate.isString)
  const maxAttempts = Math.floor(options.maxAttempts ?? 3)
  const maxContinuations = Math.floor(options.maxContinuations ?? 0)
  const kept = options as Kept<A, Input, R>
  return Object.assign(Object.create(Proto), {
    schema,
    name: named ?? "Response",
    description: described,
    instructions: options.instructions,
    // Without a prompt, Input is PromptInput.
    prompt: options.prompt ?? ((input: Input) => input as PromptInput),
    mode: options.mode,
    model: options.model,
    // Not Math.max, which returns NaN for NaN.
    maxAttempts: maxAttempts >= 1 ? maxAttempts : 1,
    maxContinuations: maxContinuations >= 0 ? maxContinuations : 0,
    timeout: options.timeout === undefined ? undefined : Duration.fromInputUnsafe(options.timeout),
    cache: options.cache ?? true,
    coerce: options.coerce ?? true,
    tables: options.tables ?? false,
    patch: options.patch ?? false,
    parameters: options.parameters ?? {},
    source: kept.source,
    checks: kept.checks ?? [],
    examples: kept.examples,
    derivation: kept.derivation
  })
}) as {
  <A, R = never, Input = PromptInput, Encoded = unknown>(
    options: Options<A, Input, R, Encoded>
  ): Extraction<A, Input, R, Encoded>
  <A, Input = PromptInput>(options: StandardOptions<A, Input>): Extraction<A, Input>
}

/** Effect's own schemas may be Standard Schemas too. */
const isStandard = <A, Input, R, Encoded>(
  options: Options<A, Input, R, Encoded> | StandardOptions<A, Input>
): options is StandardOptions<A, Input> =>
  !Schema.isSchema(options.schema) && SchemaFromStandard.isStandardSchema(options.schema)

const fromSchema = memoize((schema: Schema.ConstraintCodec<unknown, unknown, unknown, unknown>) => make({ schema }))

/** A bare schema is an extraction with the default options. */
export const resolve = <A, Input, R, Encoded>(
  self: Extraction<A, Input, R, Encoded> | Schema.ConstraintCodec<A, Encoded, R, unknown>
): Extraction<A, Input, R, Encoded> =>
  isExtraction(self) ? self : fromSchema(self) as unknown as Extraction<A, Input, R, Encoded>

/** The text of an input: what `source` says, the input itself, or the text of the user's messages in the prompt. */
export const sourceText = <A, Input, R>(extraction: Extraction<A, Input, R>, input: Input): string => {
  const given = extraction.source?.(input)
  if (given !== undefined) return given
  if (typeof input === "string") return input
  const prompt = Result.try(() => extraction.prompt(input))
  if (Result.isFailure(prompt)) return ""
  const made = Result.isResult(prompt.success) ? prompt.success : Result.succeed(prompt.success)
  return Result.isFailure(made) ? "" : Result.getOrElse(Result.try(() => textOf(Prompt.make(made.success))), () => "")
}

const textOf = ({ content }: Prompt.Prompt): string =>
  content.flatMap((message) =>
    message.role === "user" ? message.content.flatMap((part) => part.type === "text" ? [part.text] : []) : []
  ).join("\n\n")
