/**
 * An extraction, compiled for the dialect of a provider: it builds the request for an input and interprets the answer.
 * Everything that runs extractions uses it, the batch engines and the streams included.
 */
import * as Prompt from "effect/ai/Prompt"
import type * as Effect from "effect/Effect"
import { memoize } from "effect/Function"
import * as Result from "effect/Result"
import type { Llm } from "../llm/Llm.ts"
import type { JsonFormat, LlmRequest, OutputMode } from "../llm/LlmRequest.ts"
import * as Messages from "../prompt/Messages.ts"
import type { Dialect, Unsupported } from "../schema/Dialect.ts"
import * as ResponseSchema from "../schema/ResponseSchema.ts"
import { type ExtractionError, InvalidInput, UnsupportedSchema } from "./ExtractionError.ts"
import * as Attempts from "./internal/attempts.ts"
import type { Extraction, PromptInput } from "./internal/definition.ts"
import type { Detailed } from "./internal/detailed.ts"
import * as Failure from "./internal/failure.ts"

export { resolve } from "./internal/definition.ts"

export interface Compiled<out A, in Input, out R> {
  readonly extraction: Extraction<A, Input, R>
  readonly output: JsonFormat
  /** Whether the system message shows the schema, if not as the mode says. */
  readonly shown: boolean | undefined
  readonly response: ResponseSchema.ResponseSchema<A, R>
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
  > =>
    Result.flatMap(
      response(extraction),
      (response) =>
        Result.map(acceptedIn(extraction.mode, response, dialect), ({ jsonSchema, shown, strict }) => ({
          extraction,
          response,
          shown,
          output: toFormat(extraction, jsonSchema as JsonFormat["jsonSchema"], strict)
        })).pipe(Result.mapError((unsupported) => unsupportedSchema(extraction.name, unsupported)))
    )
  )
)

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
  { description, mode, name }: Extraction<unknown, never, unknown>,
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
  { extraction, output, shown }: Compiled<A, Input, R>,
  input: Input,
  defaultModel: string
): Result.Result<LlmRequest, ExtractionError> => {
  const { instructions, model = defaultModel, name, parameters } = extraction
  const messages = Result.flatMap(
    promptOf(extraction, input),
    (prompt) =>
      Result.try({
        try: () => Messages.fromPrompt(Prompt.make(prompt), { instructions, output, shown }),
        catch: (cause) => `The input is neither a text nor a prompt: ${String(cause)}`
      })
  )
  return Result.isSuccess(messages)
    ? Result.succeed({ model, messages: messages.success, output, parameters })
    : Result.fail(Failure.notSent(name, new InvalidInput({ description: messages.failure })))
}

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
  { name, schema }: Extraction<A, Input, R>
): Result.Result<ResponseSchema.ResponseSchema<A, R>, ExtractionError> =>
  Result.mapError(ResponseSchema.make(schema), (unsupported) => unsupportedSchema(name, unsupported))

/** Sends requests until an answer is valid or the extraction fails. */
export const run: <A, Input, R>(
  compiled: Compiled<A, Input, R>,
  llm: Llm["Service"],
  request: LlmRequest
) => Effect.Effect<Detailed<A>, ExtractionError, R> = Attempts.run
