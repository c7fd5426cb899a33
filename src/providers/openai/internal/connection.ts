/** Failures without a response: the connection could not be made, or it broke. */
import * as AiError from "effect/ai/AiError"
import * as Predicate from "effect/Predicate"
import { APIConnectionTimeoutError } from "openai"
import type * as LlmError from "../../../llm/LlmError.ts"
import type { Context } from "./context.ts"

export const toReason = (cause: unknown, { scrub, url }: Context): LlmError.Reason => {
  const description = scrub(describe(cause))
  // The base URL has been checked, so what `fetch` rejects is where a redirect leads.
  return redirectProblem.test(description)
    ? new AiError.InvalidResponseError({
      description: `the server redirects to where no request can be sent: ${description} (POST ${url})`
    })
    : new AiError.NetworkError({ reason: "TransportError", method: "POST", url, description })
}

const redirectProblem = /redirect|invalid url|url scheme|cross origin/i

export const describe = (cause: unknown): string =>
  cause instanceof APIConnectionTimeoutError ? "the request timed out" : innermost(cause)

/** The message at the end of the chain of causes. The first one is only "fetch failed". */
const innermost = (error: unknown): string => {
  let message = "the connection failed"
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    const code = Predicate.hasProperty(at, "code") && Predicate.isString(at.code) ? at.code : ""
    message = at.message || code || message
  }
  return message
}
