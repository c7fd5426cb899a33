/** What the SDK throws → `AiError`, by status, code and body. */
import * as AiError from "effect/ai/AiError"
import type * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import { APIConnectionError, APIConnectionTimeoutError, APIError } from "openai"
import * as ProviderSignal from "../../../middleware/governor/internal/providerSignal.ts"
import { parseGoDuration, parseRateLimit, parseRetryAfter } from "./rateLimit.ts"

export interface ErrorContext {
  /** Where the request went, without credentials. */
  readonly url: string
  readonly nowMillis: number
  /** Takes secrets out of a text. */
  readonly scrub: (text: string) => string
}

export const toReason = (cause: unknown, context: ErrorContext): AiError.AiErrorReason => {
  if (cause instanceof APIConnectionError) return connection(cause, context)
  if (cause instanceof APIError) return response(cause, context)
  if (cause instanceof SyntaxError) {
    return new AiError.InvalidResponseError({ description: `the response is not valid JSON (POST ${context.url})` })
  }
  // What remains is the body breaking off: fetch reports it as a TypeError of its own.
  return connection(cause, context)
}

const connection = (cause: unknown, { scrub, url }: ErrorContext): AiError.NetworkError => {
  const description = cause instanceof APIConnectionTimeoutError ? "the request timed out" : innermost(cause)
  return new AiError.NetworkError({
    reason: /invalid url|unknown scheme|includes credentials/i.test(description) ? "InvalidUrlError" : "TransportError",
    method: "POST",
    url,
    description: scrub(description)
  })
}

/** The message at the end of the chain of causes: "fetch failed" stands before the one that says why. */
const innermost = (error: unknown): string => {
  let said = "the connection failed"
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    const code = Predicate.hasProperty(at, "code") && Predicate.isString(at.code) ? at.code : ""
    said = at.message || code || said
  }
  return said
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

const contentCodes = new Set(["content_filter", "content_policy_violation", "moderation_blocked"])

const response = (error: APIError, context: ErrorContext): AiError.AiErrorReason => {
  const { headers, status } = error
  const code = text(error.code)
  const type = text(error.type)
  const message = context.scrub(bodyMessage(error))
  const wait = headers === undefined ? undefined : parseRetryAfter(headers, context.nowMillis)
  const http = status === undefined || headers === undefined ? undefined : {
    response: { status, headers: keptHeaders(headers) },
    body: message
  }
  const metadata: AiError.ProviderMetadata = {
    openai: {
      status: status ?? null,
      code: code ?? null,
      type: type ?? null,
      requestId: error.requestID ?? null
    },
    ...ProviderSignal.toMetadata({
      wait,
      kind: limitKind(code, type),
      // 529 is what some gateways say for it.
      overloaded: status === 503 || status === 529,
      ...saidLevels(message),
      ...(headers !== undefined && parseRateLimit(headers))
    })
  }
  const common = {
    description: AiError.buildErrorDescription({
      status: status ?? 0,
      message,
      method: "POST",
      url: context.url,
      errorCode: code,
      errorType: type,
      requestId: error.requestID,
      body: undefined
    }),
    metadata,
    ...(http !== undefined && { http })
  }
  const reason = classify({ status, code, type, message, param: text(error.param), wait }, common)
  switch (headers?.get("x-should-retry")) {
    case "false":
      return reason.isRetryable ? new AiError.UnknownError(common) : reason
    case "true":
      return reason.isRetryable ? reason : new AiError.InternalProviderError(common)
    default:
      return reason
  }
}

const limitKind = (code: string | undefined, type: string | undefined): ProviderSignal.LimitKind | undefined =>
  code === "slow_down" ? "slow_down" : type === "requests" || type === "tokens" ? type : undefined

/** A refusal says which limit it was, and how much of it is used, also where no header does. */
const saidLevels = (
  message: string
): { readonly requests: ProviderSignal.Level | undefined; readonly tokens: ProviderSignal.Level | undefined } => {
  const [, unit, limit, used] = /(requests|tokens) per min.*?Limit:? ([\d,]+), Used:? ([\d,]+)/.exec(message) ?? []
  if (limit === undefined || used === undefined) return { requests: undefined, tokens: undefined }
  const level = { limit: count(limit), remaining: Math.max(0, count(limit) - count(used)) }
  return { requests: unit === "requests" ? level : undefined, tokens: unit === "tokens" ? level : undefined }
}

const count = (text: string): number => Number(text.replaceAll(",", ""))

interface Facts {
  readonly status: number | undefined
  readonly code: string | undefined
  readonly type: string | undefined
  readonly message: string
  readonly param: string | undefined
  readonly wait: Duration.Duration | undefined
}

interface Common {
  readonly description: string
  readonly metadata: AiError.ProviderMetadata
  readonly http?: typeof AiError.HttpContext.Type
}

const classify = (facts: Facts, common: Common): AiError.AiErrorReason => {
  const { code, message, param, status, type } = facts
  if (quotaCodes.has(code ?? "") || quotaCodes.has(type ?? "") || status === 402) {
    return new AiError.QuotaExhaustedError(common)
  }
  if (contentCodes.has(code ?? "")) return new AiError.ContentPolicyError(common)
  switch (status) {
    case 400:
      if (message.startsWith("Invalid schema for ")) return new AiError.UnsupportedSchemaError(common)
      return new AiError.InvalidRequestError({
        ...common,
        ...(param !== undefined && { parameter: param }),
        ...(code === "context_length_exceeded" && { constraint: "is longer than the model's context window" })
      })
    case 401:
      return new AiError.AuthenticationError({
        ...common,
        kind: message.includes("didn't provide an API key") ? "MissingKey" : "InvalidKey"
      })
    case 403:
      return new AiError.AuthenticationError({ ...common, kind: "InsufficientPermissions" })
    case 404:
      return new AiError.InvalidRequestError({ ...common, parameter: param ?? "model" })
    case 408:
    case 409:
      return new AiError.InternalProviderError(common)
    case 413:
      return new AiError.InvalidRequestError({ ...common, constraint: "is too large" })
    case 429:
      return neverFits(message)
        ? new AiError.InvalidRequestError({ ...common, constraint: "is larger than the rate limit itself" })
        : rateLimit(facts, common)
    case undefined:
      // An error inside a stream that had begun: the status was 200, and only the code tells.
      return code === "rate_limit_exceeded" ? rateLimit(facts, common) : new AiError.InternalProviderError(common)
    default:
      return status >= 500 ? new AiError.InternalProviderError(common) : new AiError.InvalidRequestError({
        ...common,
        ...(param !== undefined && { parameter: param })
      })
  }
}

const rateLimit = ({ message, wait }: Facts, common: Common): AiError.RateLimitError => {
  const said = /try again in ([\d.]+(?:ms|[smhd])(?:[\d.]+(?:ms|[smhd]))*)/.exec(message)?.[1]
  const retryAfter = wait ?? (said === undefined ? undefined : parseGoDuration(said))
  return new AiError.RateLimitError({
    metadata: common.metadata,
    ...(common.http !== undefined && { http: common.http }),
    ...(retryAfter !== undefined && { retryAfter })
  })
}

/** A request that asks for more than the whole limit is refused with the same 429 as one that came too early. */
const neverFits = (message: string): boolean => {
  const [, limit, requested] = /Limit:? ([\d,]+).*?Requested:? ([\d,]+)/.exec(message) ?? []
  return limit !== undefined && requested !== undefined
    ? count(requested) > count(limit)
    : message.startsWith("Request too large")
}

const text = (value: unknown): string | undefined =>
  Predicate.isString(value) ? value : Predicate.isNumber(value) ? String(value) : undefined

const maxBody = 500

const bodyMessage = (error: APIError): string => {
  const said = Predicate.hasProperty(error.error, "message") ? text(error.error.message) : text(error.error)
  const message = said ?? error.message.replace(/^\d{3} /, "")
  return message.length > maxBody ? `${message.slice(0, maxBody)}… (${message.length} characters)` : message
}

/** Headers that explain a failure; others may carry cookies and accounts. */
const explaining = /^(?:x-request-id|retry-after(?:-ms)?|x-ratelimit-.*|x-should-retry|content-type|date|server|via)$/

const keptHeaders = (headers: Headers): Readonly<Record<string, string>> =>
  Object.fromEntries(Array.from(headers).filter(([name]) => explaining.test(name)))
