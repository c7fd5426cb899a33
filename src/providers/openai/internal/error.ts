/** Errors that OpenAI's protocol reports → `Failure`, by status, code and body. */
import * as AiError from "effect/ai/AiError"
import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type { RateLimitWindow } from "../../../llm/Completion.ts"
import * as LlmError from "../../../llm/LlmError.ts"
import type { Usage } from "../../../llm/Usage.ts"
import type { Headers, Response } from "../../../transport/Transport.ts"
import * as Connection from "../../internal/connection.ts"
import { clampLevel, parseGoDuration, readRetryAfter, readWindows } from "../../internal/rateLimit.ts"
import type { Server } from "../../internal/server.ts"
import type { Failure } from "../../Protocol.ts"

/** The failure that a response with an error status reports. */
export const fromResponse = (
  { body, headers, status }: Response<string>,
  server: Server,
  nowMillis: number
): Failure => {
  const data = Result.getOrUndefined(Result.try((): unknown => JSON.parse(body)))
  return toFailure({ status, headers, error: errorIn(data, true) ?? {}, text: body }, server, nowMillis)
}

/** The failure that an answer with the status 200 reports, with the usage that it had reported by then. */
export const fromInside = (
  error: Fields,
  headers: Headers,
  server: Server,
  nowMillis: number,
  usage?: Usage
): Failure => toFailure({ status: undefined, headers, error, text: "" }, server, nowMillis, usage)

/** The error in a body or in an event. Some servers send one with the status 200. */
export const errorIn = (data: unknown, isError: boolean): Fields | undefined => {
  // Gemini's compatible endpoint puts the error into a list.
  if (Array.isArray(data) && data.length === 1) return errorIn(data[0], isError)
  const error = Predicate.isObject(data) ? data["error"] : undefined
  if (Predicate.isObject(error)) return { ...outside(data), ...error }
  if (Predicate.isNotNullish(error) && error !== false && error !== "") {
    return { ...outside(data), message: Predicate.isString(error) ? error : JSON.stringify(error) }
  }
  if (!isError || data === undefined) return undefined
  return Predicate.isObject(data) ? data : { message: JSON.stringify(data) }
}

/** The code that xAI and Cerebras put beside the error. */
const outside = (data: unknown): Fields => {
  const code = Predicate.isObject(data) ? data["status_code"] ?? data["code"] : undefined
  return code === undefined ? {} : { code }
}

export type Fields = { readonly [key: string]: unknown }

interface Reported {
  readonly status: number | undefined
  readonly headers: Headers
  readonly error: Fields
  /** The whole body, for servers whose errors are no JSON. */
  readonly text: string
}

const quotaCodes = new Set([
  "insufficient_quota",
  "credit_balance_exhausted",
  "organization_spend_limit_exceeded",
  "project_spend_limit_exceeded",
  "organization_usage_limit_exceeded",
  "billing_hard_limit_reached",
  "billing_not_active"
])

const contentCodes = new Set([
  "content_filter",
  "content_policy_violation",
  "moderation_blocked",
  "image_content_policy_violation",
  "misalignment_policy_violation",
  "bio_policy"
])

/** What a response says, with the status 200, of a request that no repetition would mend. */
const invalidCodes =
  /^(?:invalid_|image_|empty_image|unsupported_image|failed_to_download_image|data_residency|context_length)/

/** What Groq says instead of sending the answer that does not fit, which it bills. */
const rejectedCodes = new Set<unknown>(["json_validate_failed", "tool_use_failed", "output_parse_failed"])

/** The answer that a server has refused to send because it does not fit the schema. */
export const rejectedAnswer = ({ body }: Response<string>): string | undefined => {
  const error = errorIn(Result.getOrUndefined(Result.try((): unknown => JSON.parse(body))), true)
  const answer = error?.["failed_generation"]
  return error !== undefined && rejectedCodes.has(error["code"]) && Predicate.isString(answer) ? answer : undefined
}

/** 498 and 529 are what some gateways and providers answer instead of 503. */
const overloadedStatuses = new Set([498, 503, 529])

/** How nginx and Go answer a request without TLS where they expect it. */
const plainHttpRefused = /plain HTTP request was sent to HTTPS port|sent an HTTP request to an HTTPS server/

interface Facts {
  readonly status: number | undefined
  readonly code: string | undefined
  readonly type: string | undefined
  readonly message: string
  readonly param: string | undefined
  readonly delay: Duration.Duration | undefined
  /** The message with what identifies the request. */
  readonly description: string
}

const toFailure = (reported: Reported, server: Server, nowMillis: number, usage?: Usage): Failure => {
  const { headers, status } = reported
  server.state.answered = true
  const requestId = headers["x-request-id"]
  const facts = readFacts(reported, server, nowMillis)
  const code = facts.code ?? facts.type
  const limit = readLimit(facts)
  const rateLimits = readAllWindows(headers, facts.message, server)
  return {
    reason: plainHttpRefused.test(facts.message)
      ? Connection.unreachable(Connection.needsTls, server)
      : obey(headers["x-should-retry"], classify(facts, server), facts),
    ...(status !== undefined && { status }),
    ...(code !== undefined && { code }),
    ...(requestId !== undefined && { requestId: server.secrets.scrub(requestId) }),
    ...(facts.delay !== undefined && { serverDelay: facts.delay }),
    ...(limit !== undefined && { limit }),
    ...(rateLimits !== undefined && { rateLimits }),
    ...(usage !== undefined && { usage })
  }
}

const readFacts = (
  { error, headers, status, text: body }: Reported,
  { secrets: { scrub }, url }: Server,
  nowMillis: number
): Facts => {
  const read = (value: unknown): string | undefined => {
    const string = text(value)
    return string === undefined ? undefined : scrub(string)
  }
  const message = shorten(scrub(messageOf(error) ?? body))
  const code = read(error["code"])
  const type = read(error["type"])
  return {
    // An error inside a body or a stream whose status is 200 may have the status that it deserves for a code.
    status: status ?? (/^[45]\d\d$/.test(code ?? "") ? Number(code) : undefined),
    code,
    type,
    message,
    param: read(error["param"]),
    delay: readRetryAfter(headers, nowMillis) ?? retryInfo(error) ?? delayIn(message),
    description: AiError.buildErrorDescription({
      status: status ?? 0,
      message,
      method: "POST",
      url,
      errorCode: code,
      errorType: type,
      requestId: read(headers["x-request-id"]),
      body: undefined
    })
  }
}

const text = (value: unknown): string | undefined =>
  Predicate.isString(value) ? value : Predicate.isNumber(value) ? String(value) : undefined

/** `detail` is what servers made with FastAPI say. */
const messageOf = (error: Fields): string | undefined =>
  text(error["message"]) ?? text(error["detail"]) ??
    (Object.keys(error).length === 0 ? undefined : JSON.stringify(error))

const maxMessage = 500

const shorten = (message: string): string =>
  message.length > maxMessage ? `${message.slice(0, maxMessage)}… (${message.length} characters)` : message

/** `x-should-retry` overrules what the status says. */
const obey = (
  shouldRetry: string | undefined,
  reason: LlmError.Reason,
  { description }: Facts
): LlmError.Reason => {
  if (shouldRetry === "false" && reason.isRetryable) return new AiError.UnknownError({ description })
  if (shouldRetry === "true" && !reason.isRetryable) return new AiError.InternalProviderError({ description })
  return reason
}

const classify = (facts: Facts, { baseUrlHint, secrets }: Server): LlmError.Reason => {
  const { code, description, message, status, type } = facts
  if (quotaCodes.has(code ?? "") || quotaCodes.has(type ?? "") || status === 402 || isSpent(facts)) {
    return new AiError.QuotaExhaustedError({ http: { body: message } })
  }
  if (contentCodes.has(code ?? "")) return new AiError.ContentPolicyError({ description })
  if (code === "slow_down" || status === undefined && code === "rate_limit_exceeded") return rateLimit(facts)
  if (overloadedStatuses.has(status ?? 0) || code === "server_is_overloaded") {
    return new LlmError.OverloadedError({ description })
  }
  switch (status) {
    case 400:
      return message.startsWith("Invalid schema for ")
        ? new AiError.UnsupportedSchemaError({ description })
        : invalidRequest(facts)
    case 401:
      return new AiError.AuthenticationError({
        description,
        kind: !secrets.exist() || message.includes("didn't provide an API key") ? "MissingKey" : "InvalidKey"
      })
    case 403:
      return new AiError.AuthenticationError({ description, kind: "InsufficientPermissions" })
    case 404:
      // OpenAI has a code for a model that does not exist. Without it, there may be nothing at this path.
      return new LlmError.NotFoundError({
        description: code === "model_not_found" ? description : `${description}. ${baseUrlHint}`
      })
    case 413:
      return new LlmError.RequestTooLargeError({ description })
    case 429:
      return neverFits(message) ? new LlmError.RequestTooLargeError({ description }) : rateLimit(facts)
    case undefined:
      return invalidCodes.test(code ?? "")
        ? invalidRequest(facts)
        : new AiError.InternalProviderError({ description })
    case 408:
    case 409:
      return new AiError.InternalProviderError({ description })
    default:
      if (status < 400) return new AiError.InvalidResponseError({ description })
      return status >= 500 ? new AiError.InternalProviderError({ description }) : invalidRequest(facts)
  }
}

/** What servers say, with a status for something else, when the account has nothing left for today or at all. */
const spent =
  /used all (?:of )?(?:its |your )?available credits|(?:monthly|hard) spending limit|free-models-per-day|insufficient (?:credits?|balance|funds)|credits? (?:are |is |have been |has been )?(?:exhausted|depleted|used up)/i

const isSpent = ({ message, status }: Facts): boolean =>
  (status === undefined || status === 429 || status === 403) && spent.test(message)

const invalidRequest = ({ code, description, param }: Facts): AiError.InvalidRequestError =>
  new AiError.InvalidRequestError({
    description,
    ...(param !== undefined && { parameter: param }),
    ...(code === "context_length_exceeded" && { constraint: "is longer than the model's context window" })
  })

const rateLimit = ({ delay, message }: Facts): AiError.RateLimitError =>
  new AiError.RateLimitError({ http: { body: message }, ...(delay !== undefined && { retryAfter: delay }) })

const readLimit = ({ code, type }: Facts): LlmError.LlmError["limit"] =>
  code === "slow_down" ? "growth" : type === "requests" || type === "tokens" ? type : undefined

/** `google.rpc.RetryInfo`, as Gemini's compatible endpoint sends it. */
const retryInfo = ({ details }: Fields): Duration.Duration | undefined => {
  const delays = (Array.isArray(details) ? details : []).map((detail: unknown) =>
    Predicate.hasProperty(detail, "retryDelay") ? text(detail.retryDelay) : undefined
  )
  const delay = delays.find((delay) => delay !== undefined)
  return delay === undefined ? undefined : parseGoDuration(delay)
}

const delayIn = (message: string): Duration.Duration | undefined => {
  const delay = /(?:try again|[Rr]etry) in ([\d.]+(?:ms|[smhd])(?:[\d.]+(?:ms|[smhd]))*)/.exec(message)?.[1]
  return delay === undefined ? undefined : parseGoDuration(delay)
}

/** The windows of the headers, or else the one that the message quotes. */
const readAllWindows = (
  headers: Headers,
  message: string,
  { rateLimits }: Server
): ReadonlyArray<RateLimitWindow> | undefined => {
  const windows = readWindows(headers, rateLimits)
  if (windows !== undefined) return windows
  const quoted = windowIn(message)
  return quoted === undefined ? undefined : [quoted]
}

const periods = { sec: "second", min: "minute", hour: "hour", day: "day" } as const

const windowIn = (message: string): RateLimitWindow | undefined => {
  const match = /(requests|tokens) per (sec|min|hour|day).*?Limit:? ([\d,]+), Used:? ([\d,]+)/.exec(message)
  if (match === null) return undefined
  const period = periods[match[2] as keyof typeof periods]
  const quoted = count(match[3]!)
  const { limit, remaining } = clampLevel(quoted, quoted - count(match[4]!))
  if (limit === 0) return undefined
  return {
    unit: match[1] as "requests" | "tokens",
    period,
    limit,
    remaining,
    // The window refills at a constant rate.
    resetAfter: Duration.times(Duration.fromInputUnsafe(`1 ${period}`), (limit - remaining) / limit)
  }
}

const count = (text: string): number => Number(text.replaceAll(",", ""))

/** A request that asks for more than a whole limit is refused with the same 429 as one that came too early. */
const neverFits = (message: string): boolean => {
  const [, limit, requested] = /Limit:? ([\d,]+).*?Requested:? ([\d,]+)/.exec(message) ?? []
  return limit !== undefined && requested !== undefined
    ? count(requested) > count(limit)
    : message.startsWith("Request too large")
}
