/** What Anthropic answers instead of a message → the reason of an `LlmError`. */
import * as AiError from "effect/ai/AiError"
import type * as Duration from "effect/Duration"
import * as LlmError from "../../../llm/LlmError.ts"
import type { Headers } from "../../../transport/Transport.ts"
import { readRetryAfter } from "../../internal/rateLimit.ts"
import type { Server } from "../../internal/server.ts"
import { type Node, object, shorten, string, text } from "../../internal/wireJson.ts"
import type { Failure } from "../../Protocol.ts"
import { readWindows } from "./rateLimit.ts"

interface Facts {
  readonly status: number | undefined
  readonly type: string | undefined
  readonly message: string
  /** The code in the details of an error. */
  readonly code: string | undefined
  readonly delay: Duration.Duration | undefined
  readonly description: string
}

/** The failure in a body or in an event. `status` is absent where the status of the response was 200. */
export const toFailure = (
  body: Node | undefined,
  raw: string,
  response: { readonly status: number | undefined; readonly headers: Headers },
  server: Server,
  nowMillis: number
): Failure => {
  const { scrub } = server.secrets
  const error = object(body?.["error"])
  const type = scrubbed(error?.["type"], scrub)
  const code = scrubbed(object(error?.["details"])?.["error_code"], scrub)
  const requestId = text(response.headers["request-id"]) ?? text(body?.["request_id"])
  const message = shorten(scrub(string(error?.["message"]) ?? raw))
  const delay = readRetryAfter(response.headers, nowMillis)
  const facts: Facts = {
    status: response.status ?? statusOf(type),
    type,
    message,
    code,
    delay,
    description: AiError.buildErrorDescription({
      status: response.status ?? 0,
      message,
      method: "POST",
      url: server.url,
      errorCode: code,
      errorType: type,
      requestId: requestId === undefined ? undefined : scrub(requestId),
      body: undefined
    })
  }
  const rateLimits = readWindows(response.headers, nowMillis)
  const reported = code ?? type
  return {
    reason: obey(response.headers["x-should-retry"], classify(facts, server), facts),
    ...(response.status !== undefined && { status: response.status }),
    ...(reported !== undefined && { code: reported }),
    ...(requestId !== undefined && { requestId: scrub(requestId) }),
    ...(delay !== undefined && { serverDelay: delay }),
    ...(rateLimits !== undefined && { rateLimits })
  }
}

const scrubbed = (value: unknown, scrub: (text: string) => string): string | undefined => {
  const found = text(value)
  return found === undefined ? undefined : scrub(found)
}

/** The status that an error in a stream would have had. */
const statusOf = (type: string | undefined): number | undefined => type === undefined ? undefined : statuses[type]

const statuses: Readonly<Record<string, number>> = {
  invalid_request_error: 400,
  authentication_error: 401,
  billing_error: 402,
  permission_error: 403,
  not_found_error: 404,
  request_too_large: 413,
  rate_limit_error: 429,
  api_error: 500,
  timeout_error: 504,
  overloaded_error: 529
}

/** `x-should-retry` overrules what the status says, but not that the account has spent what it may. */
const obey = (shouldRetry: string | undefined, reason: LlmError.Reason, { description }: Facts): LlmError.Reason => {
  if (reason._tag === "QuotaExhaustedError" || reason._tag === "RateLimitError") return reason
  if (shouldRetry === "false" && reason.isRetryable) return new AiError.UnknownError({ description })
  if (shouldRetry === "true" && !reason.isRetryable) return new AiError.InternalProviderError({ description })
  return reason
}

const spent = /^You have reached your specified API usage limits|credit balance is too low/i

const schemaProblem =
  /too many optional parameters|too many parameters with union types|compiled grammar is too large|^output_config\.format\.schema|input_schema|schemas? (?:is|are) not supported/i

const classify = (facts: Facts, { baseUrlHint, secrets }: Server): LlmError.Reason => {
  const { code, delay, description, message, status, type } = facts
  if (code === "enforced_spend_limit_reached" || type === "billing_error" || status === 402 || spent.test(message)) {
    return new AiError.QuotaExhaustedError({ http: { body: message } })
  }
  switch (status) {
    case 400:
      return schemaProblem.test(message)
        ? new AiError.UnsupportedSchemaError({ description })
        : new AiError.InvalidRequestError({
          description,
          ...(/prompt is too long|exceed context limit/i.test(message) && {
            constraint: "is longer than the model's context window"
          })
        })
    case 401:
      return new AiError.AuthenticationError({
        description,
        kind: !secrets.exist() || message.includes("header is required") ? "MissingKey" : "InvalidKey"
      })
    case 403:
      return new AiError.AuthenticationError({ description, kind: "InsufficientPermissions" })
    case 404:
      return new LlmError.NotFoundError({
        description: message.startsWith("model:") ? description : `${description}. ${baseUrlHint}`
      })
    case 413:
      return new LlmError.RequestTooLargeError({ description })
    case 429:
      return new AiError.RateLimitError({ http: { body: message }, ...(delay !== undefined && { retryAfter: delay }) })
    case 503:
    case 529:
      return new LlmError.OverloadedError({ description })
    case undefined:
    case 408:
    case 409:
      return new AiError.InternalProviderError({ description })
    default:
      if (status >= 500) return new AiError.InternalProviderError({ description })
      return status < 400
        ? new AiError.InvalidResponseError({ description })
        : new AiError.InvalidRequestError({ description })
  }
}
