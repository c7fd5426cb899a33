/**
 * An extraction, compiled for the dialect of a provider: it builds the request for an input and interprets the answer.
 * Everything that runs extractions uses it, the batch engines and the streams included.
 */
import * as Prompt from "effect/ai/Prompt"
import * as Effect from "effect/Effect"
import { memoize } from "effect/Function"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import type { Completion } from "../llm/Completion.ts"
import type { Llm } from "../llm/Llm.ts"
import type { JsonFormat, LlmRequest, OutputMode } from "../llm/LlmRequest.ts"
import * as Messages from "../prompt/Messages.ts"
import type { Dialect, Unsupported } from "../schema/Dialect.ts"
import * as ResponseSchema from "../schema/ResponseSchema.ts"
import { type ExtractionError, InvalidInput, UnsupportedMode, UnsupportedSchema } from "./ExtractionError.ts"
import * as Attempts from "./internal/attempts.ts"
import { type Extraction, type PromptInput, sourceText } from "./internal/definition.ts"
import type { Detailed } from "./internal/detailed.ts"
import * as Failure from "./internal/failure.ts"
import * as Step from "./internal/step.ts"
import type { Spent } from "./internal/telemetry.ts"

export { Cut } from "./internal/continuation.ts"
export { resolve } from "./internal/definition.ts"
export { Patching } from "./internal/patch.ts"
export { cut as promptCut } from "./internal/promptSize.ts"
export { requestOf } from "./internal/step.ts"

export interface Compiled<out A, in Input, out R> {
  readonly extraction: Extraction<A, Input, R>
  readonly output: JsonFormat
  /** Whether the system message shows the schema, if not as the mode says. */
  readonly shown: boolean | undefined
  readonly response: ResponseSchema.ResponseSchema<A, R>
  /** Whether a model goes on with its own words if they are the last message. */
  readonly continues: Dialect["continues"]
  /** The extraction whose request stands for this one, if it is made of others. */
  readonly base: Compiled<unknown, Input, R> | undefined
}

/** Compiles an extraction, or reports why its schema cannot be sent. The result is cached for each extraction and dialect. */
export const make = <A, Input, R>(
  extraction: Extraction<A, Input, R>,
  dialect: Dialect
): Result.Result<Compiled<A, Input, R>, ExtractionError> =>
  compile(dialect)(extraction) as Result.Result<Compiled<A, Input, R>, ExtractionError>

const compile = memoize((dialect: Dialect) =>
  memoize((extraction: Extraction<unknown, never, unknown>): Result.Result<
    Compiled<unknown, never, unknown>,
    ExtractionError
  > => {
    const { derivation } = extraction
    if (derivation !== undefined) {
      return Result.flatMap(make(derivation.base, dialect), (base) =>
        Result.map(response(extraction), (response) => ({ ...base, extraction, response, base })))
    }
    const mode = modeOf(extraction, dialect)
    if (Result.isFailure(mode)) {
      return Result.fail(mode.failure)
    }
    return Result.flatMap(
      response(extraction),
      (response) =>
        Result.map(acceptedIn(mode.success, response, dialect), ({ jsonSchema, shown, strict }) => ({
          extraction,
          response,
          shown,
          output: toFormat(extraction, mode.success, jsonSchema as JsonFormat["jsonSchema"], strict),
          continues: dialect.continues,
          base: undefined
        })).pipe(Result.mapError((unsupported) =>
          unsupportedSchema(extraction.name, unsupported)
        ))
    )
  })
)

/** The mode of an extraction, or the best of the provider where it names none. */
const modeOf = (
  { mode, model, name }: Extraction<unknown, never, unknown>,
  dialect: Dialect
): Result.Result<OutputMode, ExtractionError> => {
  const modes = dialect.modes?.(model)
  if (modes === undefined) return Result.succeed(mode ?? "json_schema")
  const chosen = mode ?? modes[0] ?? "markdown"
  return modes.includes(chosen)
    ? Result.succeed(chosen)
    : Result.fail(Failure.notSent(name, new UnsupportedMode({ mode: chosen, provider: dialect.name, modes })))
}

/** The modes that show the schema as text need no dialect. */
const acceptedIn = (
  mode: OutputMode,
  response: ResponseSchema.ResponseSchema<unknown, unknown>,
  dialect: Dialect
): Result.Result<
  { readonly jsonSchema: object; readonly strict: boolean | undefined; readonly shown?: boolean | undefined },
  Unsupported
> =>
  mode === "json_schema" || mode === "tools"
    ? response.accepted(dialect)
    : Result.succeed({ jsonSchema: response.jsonSchema, strict: undefined })

const toFormat = (
  { description, name }: Extraction<unknown, never, unknown>,
  mode: OutputMode,
  jsonSchema: JsonFormat["jsonSchema"],
  strict: boolean | undefined
): JsonFormat => ({
  mode,
  name: name.replace(/[^\w-]+/g, "_").slice(0, 64) || "Response",
  ...(description !== undefined && { description }),
  jsonSchema,
  ...(strict !== undefined && { strict })
})

export const unsupportedSchema = (extraction: string, unsupported: Unsupported): ExtractionError =>
  Failure.notSent(extraction, new UnsupportedSchema(unsupported))

/** Builds the request for an input. Every request is built here. */
export const toRequest = <A, Input, R>(
  { base, extraction, output, shown }: Compiled<A, Input, R>,
  input: Input,
  defaultModel: string
): Result.Result<LlmRequest, ExtractionError> => {
  if (base !== undefined) return toRequest(base, input, defaultModel)
  const { instructions, model = defaultModel, name, parameters } = extraction
  const messages = Result.flatMap(
    promptOf(extraction, input),
    (prompt) =>
      Result.try({
        try: () => {
          const { examples } = extraction
          const messages = Messages.fromPrompt(Prompt.make(prompt), { instructions, output, shown })
          return examples === undefined
            ? messages
            : Messages.withExamples(messages, toShown(extraction, input), output)
        },
        catch: (cause) => `The input is neither a text nor a prompt: ${String(cause)}`
      })
  )
  return Result.isSuccess(messages)
    ? Result.succeed({ model, messages: messages.success, output, parameters })
    : Result.fail(Failure.notSent(name, new InvalidInput({ description: messages.failure })))
}

/** The examples for an input, with their answers in the form in which the model answers. */
const toShown = <A, Input, R>(
  extraction: Extraction<A, Input, R>,
  input: Input
): ReadonlyArray<Messages.ShownExample> => {
  const write = Result.getOrUndefined(response(extraction))?.write
  return extraction.examples!.choose(sourceOf(extraction, input)).map(({ json, text }) => ({
    text,
    answer: JSON.stringify(write?.(json) ?? json)
  }))
}

/** The prompt of an input in the form that `convert` gives it, for a request that is built elsewhere. */
export const toPrompt = <A, Input, R, B>(
  extraction: Extraction<A, Input, R>,
  input: Input,
  convert: (prompt: PromptInput) => B
): Result.Result<B, ExtractionError> =>
  promptOf(extraction, input).pipe(
    Result.flatMap((prompt) =>
      Result.try({
        try: () => convert(prompt),
        catch: (cause) => `The input is neither a text nor a prompt: ${String(cause)}`
      })
    ),
    Result.mapError((description) => Failure.notSent(extraction.name, new InvalidInput({ description })))
  )

/** A `prompt` that throws fails its own input, and not a batch around it. */
const promptOf = <A, Input, R>(
  extraction: Extraction<A, Input, R>,
  input: Input
): Result.Result<PromptInput, string> => {
  const prompt = Result.try({
    try: () => extraction.prompt(input),
    catch: (cause) => `The prompt of the extraction threw: ${String(cause)}`
  })
  return Result.isFailure(prompt) || !Result.isResult(prompt.success)
    ? prompt as Result.Result<PromptInput, string>
    : prompt.success
}

/** The decoder of the answers, which does not depend on the dialect. */
export const response = <A, Input, R>(
  { name, schema, tables }: Extraction<A, Input, R>
): Result.Result<ResponseSchema.ResponseSchema<A, R>, ExtractionError> =>
  Result.mapError(ResponseSchema.make(schema, { tables }), (unsupported) => unsupportedSchema(name, unsupported))

/** What a completion means: a value, the next request, or the reason of a failure. `spent` receives what checks use. */
export const step = <A, Input, R>(
  compiled: Compiled<A, Input, R>,
  first: LlmRequest,
  completion: Completion,
  { before, source, spent }: {
    readonly before: Step.Before
    readonly source: (() => string) | undefined
    readonly spent: Spent
  }
): Effect.Effect<Step.Step<A>, never, R> => Step.make(compiled, first, completion, before, { spent, source })

/** Whether an extraction sends several requests for an input, which depend on each other. */
export const isDerived = <A, Input, R>({ extraction }: Compiled<A, Input, R>): boolean =>
  extraction.derivation !== undefined

/** What the value of an item depends on besides its request. */
export const keyOf = <A, Input, R>(
  { extraction: { derivation } }: Pick<Compiled<A, Input, R>, "extraction">
): string => derivation === undefined ? "" : ` ${derivation.key}`

/** The text of an input that values are looked up in. Instructions and examples are no part of it. */
export const sourceOf: <A, Input, R>(extraction: Extraction<A, Input, R>, input: Input) => string = sourceText

/** The JSON of an answer in the ordinary form of its schema: without a wrapper, and coerced. */
export const jsonOf = <A, Input, R>(extraction: Extraction<A, Input, R>, answer: Schema.Json): Schema.Json =>
  Result.match(response(extraction), {
    // What was read from JSON is JSON.
    onSuccess: (response) => response.read(answer, extraction.coerce).json as Schema.Json,
    onFailure: () => answer
  })

/** Sends requests until an answer is valid or the extraction fails. It may go on after attempts of another engine. */
export const run = <A, Input, R>(
  compiled: Compiled<A, Input, R>,
  llm: Llm["Service"],
  request: LlmRequest,
  input: Input,
  before?: Attempts.Before
): Effect.Effect<Detailed<A>, ExtractionError, R> => {
  const { derivation } = compiled.extraction
  return derivation === undefined
    ? Attempts.run(compiled, llm, request, () => sourceOf(compiled.extraction, input), before)
    : derivation.run({ llm, input, request })
}

/** Compiles, builds the request and runs it: a part of a derivation, or an extraction that is run alone. */
export const extract = <A, Input, R>(
  extraction: Extraction<A, Input, R>,
  llm: Llm["Service"],
  input: Input
): Effect.Effect<Detailed<A>, ExtractionError, R> => {
  const compiled = make(extraction, llm.dialect)
  if (Result.isFailure(compiled)) return Effect.fail(compiled.failure)
  const request = toRequest(compiled.success, input, llm.model)
  return Result.isFailure(request) ? Effect.fail(request.failure) : run(compiled.success, llm, request.success, input)
}
