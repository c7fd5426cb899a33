/** Failures of the files and batches of a provider, by status and body. */
import * as AiError from "effect/ai/AiError"
import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import { LlmError, NotFoundError, OverloadedError, type Reason, RequestTooLargeError } from "../../llm/LlmError.ts"

/** What an error says, in the bodies of OpenAI, Anthropic and Google. */
interface Facts {
  readonly status: number | undefined
  readonly message: string
  readonly code: string | undefined
  readonly type: string | undefined
}

export interface Call {
  readonly provider: string
  readonly method: string
  readonly path: string
  readonly scrub: (text: string) => string
}

const mark = "<redacted>"

/** Removes secrets, and what looks like one. */
export const scrubber = (secrets: ReadonlyArray<string>): (text: string) => string => (text) =>
  secrets.reduce((text, secret) => secret === "" ? text : text.replaceAll(secret, mark), text)
    .replace(/\b(?:sk|gsk)-[\w*-]+/g, mark)
    // oxlint-disable-next-line eslint/no-control-regex
    .replace(/[\u0000-\u001F\u007F-\u009F\u2028\u2029]+/g, " ")

/** The message at the end of the chain of causes. */
export const innermost = (cause: unknown): string => {
  let message = "the connection failed"
  let at = cause
  for (let depth = 0; at instanceof Error && depth < 5; depth++) {
    message = at.message || message
    at = at instanceof AggregateError ? at.errors[0] : at.cause
  }
  return message
}

export const fromResponse = (response: Response, text: string, call: Call): LlmError => {
  const parsed = Result.getOrElse(Result.try(() => JSON.parse(text) as unknown), () => text)
  const { method, path, provider, scrub } = call
  const facts = readFacts(parsed, response.status, scrub)
  const code = facts.code ?? facts.type
  const delay = retryAfter(response.headers)
  const requestId = response.headers.get("x-request-id") ?? response.headers.get("request-id")
  return new LlmError({
    provider,
    reason: classify(facts, `${facts.message} (status ${response.status}, ${method} ${scrub(path)})`),
    status: response.status,
    ...(code !== undefined && { code }),
    ...(requestId !== null && { requestId: scrub(requestId) }),
    ...(delay !== undefined && { serverDelay: delay })
  })
}

/** The error of one request of a batch. */
export const fromRow = (
  error: unknown,
  status: number | undefined,
  { provider, scrub }: Pick<Call, "provider" | "scrub">
): LlmError => {
  const facts = readFacts(error, status === 0 ? undefined : status, scrub)
  const code = facts.code ?? facts.type
  return new LlmError({
    provider,
    reason: classify(facts, facts.message),
    ...(facts.status !== undefined && { status: facts.status }),
    ...(code !== undefined && { code })
  })
}

/**
 * The refusal of a batch. A 429 without a time to wait is no rate limit: too much is enqueued already, which takes as long
 * as the batches in front.
 */
export const ofSubmission = (error: LlmError): LlmError =>
  error.reason._tag === "RateLimitError" && error.serverDelay === undefined
    ? new LlmError({
      provider: error.provider,
      reason: error.reason,
      code: "token_limit_exceeded",
      ...(error.status !== undefined && { status: error.status }),
      ...(error.requestId !== undefined && { requestId: error.requestId })
    })
    : error

const maxMessage = 500

const readFacts = (body: unknown, status: number | undefined, scrub: Call["scrub"]): Facts => {
  const outer = Array.isArray(body) ? body[0] as unknown : body
  const error = Predicate.hasProperty(outer, "error") && Predicate.isObject(outer.error) ? outer.error : outer
  const field = (name: string): string | undefined => {
    const value = Predicate.isObject(error) ? error[name] : undefined
    return Predicate.isString(value) ? scrub(value) : undefined
  }
  const message = field("message") ?? scrub(Predicate.isString(error) ? error : JSON.stringify(error) ?? "")
  return {
    status,
    message: message.length > maxMessage ? `${message.slice(0, maxMessage)}…` : message,
    code: field("code") ?? field("status"),
    type: field("type")
  }
}

const retryAfter = (headers: Headers): Duration.Duration | undefined => {
  const millis = Number(headers.get("retry-after-ms") ?? NaN)
  const seconds = Number(headers.get("retry-after") ?? NaN)
  const delay = Number.isFinite(millis) ? millis : seconds * 1000
  return Number.isFinite(delay) && delay >= 0 ? Duration.millis(Math.min(delay, 3_600_000)) : undefined
}

const quota =
  /insufficient_quota|billing|credit_balance|spend_limit|usage_limit|specified API usage limits|enforced_spend_limit/

const classify = ({ code, message, status, type }: Facts, description: string): Reason => {
  const names = `${code ?? ""} ${type ?? ""}`
  if (status === 402 || quota.test(names) || status === 400 && quota.test(message)) {
    return new AiError.QuotaExhaustedError({ http: { body: message } })
  }
  if (/rate_limit|slow_down|token_limit_exceeded|RESOURCE_EXHAUSTED/.test(names)) return rateLimit(message)
  if (/content_(filter|policy)|moderation/.test(names)) return new AiError.ContentPolicyError({ description })
  if (/server_is_overloaded|overloaded_error/.test(names)) return new OverloadedError({ description })
  switch (status) {
    case undefined:
    case 408:
    case 409:
      return /invalid_request|invalid_|mismatched|duplicate|not_found|unsupported/.test(names)
        ? new AiError.InvalidRequestError({ description })
        : new AiError.InternalProviderError({ description })
    case 401:
      return new AiError.AuthenticationError({ kind: "InvalidKey", description })
    case 403:
      return new AiError.AuthenticationError({ kind: "InsufficientPermissions", description })
    case 404:
      return new NotFoundError({ description })
    case 413:
      return new RequestTooLargeError({ description })
    case 429:
      return rateLimit(message)
    case 498:
    case 503:
    case 529:
      return new OverloadedError({ description })
    default:
      return status >= 500
        ? new AiError.InternalProviderError({ description })
        : new AiError.InvalidRequestError({ description })
  }
}

const rateLimit = (message: string): AiError.RateLimitError => new AiError.RateLimitError({ http: { body: message } })
