/** The JSON text of a body, whose end is the same for all requests of an extraction. */
import * as AiError from "effect/ai/AiError"
import { memoize } from "effect/Function"
import * as Result from "effect/Result"
import type { OutputFormat, Parameters } from "../../../llm/LlmRequest.ts"

export const write = (body: object): Result.Result<string, AiError.InvalidUserInputError> =>
  Result.try({
    try: () => JSON.stringify(body),
    catch: (error) =>
      new AiError.InvalidUserInputError({
        description: `The parameters of the request cannot be written as JSON: ${String(error)}`
      })
  })

/**
 * What follows the messages, with the comma before it, written once for an output format and parameters. `false` where
 * extra parameters replace what is written apart.
 */
export const tail = (
  make: (output: OutputFormat, parameters: Parameters) => object,
  apart: ReadonlyArray<string>
): (output: OutputFormat) => (parameters: Parameters) => string | false =>
  memoize((output: OutputFormat) =>
    memoize((parameters: Parameters): string | false => {
      const fields = make(output, parameters)
      if (apart.some((name) => name in fields)) return false
      const text = Result.getOrUndefined(write(fields))
      return text === undefined ? false : text === "{}" ? "" : `,${text.slice(1, -1)}`
    })
  )
