/** What an extraction says, worked out once: the form it asks for, and the decoder of what comes back. */
import * as Prompt from "effect/ai/Prompt"
import { memoize } from "effect/Function"
import * as Result from "effect/Result"
import type { Extraction } from "../Extraction.ts"
import * as ExtractionError from "../ExtractionError.ts"
import type { LlmRequest, OutputFormat } from "../llm/LlmRequest.ts"
import * as Messages from "../prompt/Messages.ts"
import * as ResponseSchema from "../schema/ResponseSchema.ts"

export interface Compiled<out A, in Input, out R> {
  readonly extraction: Extraction<A, Input, R>
  readonly output: OutputFormat
  readonly response: ResponseSchema.ResponseSchema<A, R>
}

/** Compiles an extraction, or tells why its schema cannot be asked for. The same extraction gives the same result. */
export const make = <A, Input, R>(
  extraction: Extraction<A, Input, R>
): Result.Result<Compiled<A, Input, R>, ExtractionError.ExtractionError> =>
  compile(extraction) as Result.Result<Compiled<A, Input, R>, ExtractionError.ExtractionError>

const compile = memoize((extraction: Extraction<unknown, never, unknown>) => {
  const { description, mode, name } = extraction
  const form = mode === "json_schema" || mode === "tools" ? "strict" : "natural"
  return Result.flatMap(
    ResponseSchema.make(extraction.schema),
    (response) =>
      Result.map(response.jsonSchema(form), (jsonSchema): Compiled<unknown, never, unknown> => ({
        extraction,
        response,
        output: {
          mode,
          name: name.replace(/[^\w-]+/g, "_").slice(0, 64) || "Response",
          ...(description !== undefined && { description }),
          jsonSchema: jsonSchema as OutputFormat["jsonSchema"]
        }
      }))
  ).pipe(
    Result.mapError((unsupported) =>
      ExtractionError.beforeSending(name, new ExtractionError.UnsupportedSchema(unsupported))
    )
  )
})

/**
 * The one place where a request is built. An input that the extraction's own `prompt` cannot make anything of is no
 * good, which is for its item to say and not for the batch around it to die of.
 */
export const toRequest = <A, Input, R>(
  { extraction, output }: Compiled<A, Input, R>,
  input: Input,
  defaultModel: string
): Result.Result<LlmRequest, ExtractionError.ExtractionError> =>
  Result.try({
    try: () => ({
      model: extraction.model ?? defaultModel,
      messages: Messages.fromPrompt(Prompt.make(extraction.prompt(input)), {
        instructions: extraction.instructions,
        output
      }),
      output,
      parameters: extraction.parameters
    }),
    catch: (cause) =>
      ExtractionError.beforeSending(
        extraction.name,
        new ExtractionError.InvalidInput({ description: `The input makes no prompt: ${String(cause)}` })
      )
  })
