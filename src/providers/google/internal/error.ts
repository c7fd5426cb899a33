/** What Google answers instead of an answer → the reason of an `LlmError`. */
import * as AiError from "effect/ai/AiError"
import * as Duration from "effect/Duration"
import * as LlmError from "../../../llm/LlmError.ts"
import type { Headers } from "../../../transport/Transport.ts"
import { readRetryAfter } from "../../internal/rateLimit.ts"
import type { Server } from "../../internal/server.ts"
import { type Node, object, objects, shorten, string, text } from "../../internal/wireJson.ts"
import type { Failure } from "../../Protocol.ts"

interface Facts {
  readonly status: number | undefined
  /** The canonical code: `RESOURCE_EXHAUSTED`. */
  readonly name: string | undefined
  readonly message: string
  /** The reason in the details: `API_KEY_INVALID`. */
  readonly detail: string | undefined
  readonly quota: ReadonlyArray<Node>
  readonly delay: Duration.Duration | undefined
  readonly description: string
}

/** The error in a body: an object or, from the compatible endpoint, a list of one. */
export const errorIn = (body: unknown): Node | undefined =>
  object(object(Array.isArray(body) ? body[0] : body)?.["error"])

/** The failure in a body or in an event. `status` is absent where the status of the response was 200. */
export const toFailure = (
  error: Node | undefined,
  raw: string,
  response: { readonly status: number | undefined; readonly headers: Headers },
  server: Server,
  nowMillis: number
): Failure => {
  const { scrub } = server.secrets
  const details = objects(error?.["details"])
  const name = scrubbed(error?.["status"], scrub)
  const detail = scrubbed(detailOf(details, "ErrorInfo")?.["reason"], scrub)
  const message = shorten(scrub([string(error?.["message"]) ?? raw, ...fieldsOf(details)].join(" ").trim()))
  const delay = readRetryAfter(response.headers, nowMillis) ?? delayIn(details, message)
  const code = typeof error?.["code"] === "number" ? error["code"] : undefined
  const facts: Facts = {
    status: response.status ?? code,
    name,
    message,
    detail,
    quota: objects(detailOf(details, "QuotaFailure")?.["violations"]),
    delay,
    description: AiError.buildErrorDescription({
      status: response.status ?? 0,
      message,
      method: "POST",
      url: server.url,
      errorCode: detail,
      errorType: name,
      requestId: undefined,
      body: undefined
    })
  }
  const limit = limitOf(facts)
  const reported = detail ?? name
  return {
    reason: classify(facts, server),
    ...(response.status !== undefined && { status: response.status }),
    ...(reported !== undefined && { code: reported }),
    ...(delay !== undefined && { serverDelay: delay }),
    ...(limit !== undefined && { limit })
  }
}

const scrubbed = (value: unknown, scrub: (text: string) => string): string | undefined => {
  const found = text(value)
  return found === undefined ? undefined : scrub(found)
}

const detailOf = (details: ReadonlyArray<Node>, type: string): Node | undefined =>
  details.find((detail) => string(detail["@type"])?.endsWith(`google.rpc.${type}`) === true)

/** Some messages are only "Request contains an invalid argument.", with the rest in the details. */
const fieldsOf = (details: ReadonlyArray<Node>): ReadonlyArray<string> =>
  objects(detailOf(details, "BadRequest")?.["fieldViolations"]).map(({ description, field }) =>
    [string(field), string(description)].filter((part) => part !== undefined).join(": ")
  )

/** No rate limit is reset later than this. */
const maxSeconds = 31 * 86_400

const delayIn = (details: ReadonlyArray<Node>, message: string): Duration.Duration | undefined => {
  const seconds = /^(\d+(?:\.\d+)?)s$/.exec(string(detailOf(details, "RetryInfo")?.["retryDelay"]) ?? "")?.[1] ??
    /Please retry in (\d+(?:\.\d+)?)s/.exec(message)?.[1]
  return seconds === undefined ? undefined : Duration.seconds(Math.min(Number(seconds), maxSeconds))
}

const limitOf = ({ quota, status }: Facts): "requests" | "tokens" | undefined => {
  const id = string(quota[0]?.["quotaId"])
  if (status !== 429 || id === undefined) return undefined
  return /Tokens?Per|TokenCount/i.test(id) ? "tokens" : /RequestsPer/i.test(id) ? "requests" : undefined
}

/** A quota of a day is full for hours, and one of 0 is never available. */
const isSpent = ({ message, quota }: Facts): boolean =>
  quota.some((violation) =>
    string(violation["quotaId"])?.includes("PerDay") === true || Number(violation["quotaValue"] ?? NaN) === 0
  ) || /\blimit: 0\b/.test(message) || /spending cap|billing account.*(?:disabled|closed)/i.test(message)

const schemaProblem = /too many states|response_?(?:json_)?schema|parameters_?json_?schema|function_declarations|\$ref/i

const classify = (facts: Facts, { baseUrlHint, secrets }: Server): LlmError.Reason => {
  const { delay, description, detail, message, name, status } = facts
  switch (status) {
    case 400:
      if (detail === "API_KEY_INVALID" || /API key not valid|API key expired/i.test(message)) {
        return new AiError.AuthenticationError({ description, kind: "InvalidKey" })
      }
      // Billing is off, or the country is not served: nothing that another request would change.
      if (name === "FAILED_PRECONDITION") {
        return new AiError.AuthenticationError({ description, kind: "InsufficientPermissions" })
      }
      return schemaProblem.test(message)
        ? new AiError.UnsupportedSchemaError({ description })
        : new AiError.InvalidRequestError({
          description,
          ...(/token count.*exceeds/i.test(message) && { constraint: "is longer than the model's context window" })
        })
    case 401:
      return new AiError.AuthenticationError({ description, kind: secrets.exist() ? "InvalidKey" : "MissingKey" })
    case 402:
      return new AiError.QuotaExhaustedError({ http: { body: message } })
    case 403:
      return new AiError.AuthenticationError({
        description,
        kind: /unregistered callers/i.test(message) ? "MissingKey" : "InsufficientPermissions"
      })
    case 404:
      return new LlmError.NotFoundError({
        description: /models\//.test(message) ? description : `${description}. ${baseUrlHint}`
      })
    case 413:
      return new LlmError.RequestTooLargeError({ description })
    case 429:
      return isSpent(facts)
        ? new AiError.QuotaExhaustedError({ http: { body: message } })
        : new AiError.RateLimitError({ http: { body: message }, ...(delay !== undefined && { retryAfter: delay }) })
    case 503:
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
