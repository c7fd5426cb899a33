/** Failures without a response: the connection could not be made, or it broke. */
import * as AiError from "effect/ai/AiError"
import * as Predicate from "effect/Predicate"
import { APIConnectionTimeoutError } from "openai"
import type { Context } from "./context.ts"

export const toReason = (cause: unknown, { scrub, url }: Context): AiError.NetworkError => {
  const description = describe(cause)
  return new AiError.NetworkError({
    reason: /invalid url|unknown scheme|includes credentials/i.test(description) ? "InvalidUrlError" : "TransportError",
    method: "POST",
    url,
    description: scrub(description)
  })
}

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
