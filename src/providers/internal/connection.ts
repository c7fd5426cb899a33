/** Failures without a response: the connection could not be made, or it broke. */
import * as AiError from "effect/ai/AiError"
import * as Predicate from "effect/Predicate"
import * as LlmError from "../../llm/LlmError.ts"
import type { TransportError } from "../../transport/Transport.ts"
import type { Server } from "./server.ts"

export const toReason = (error: TransportError, context: Server): LlmError.Reason => {
  const { url } = context
  switch (error.reason) {
    case "Timeout":
      return network(error.description, context)
    case "LimitExceeded":
      return new LlmError.LimitExceeded({
        description: `${error.description} (POST ${url})`,
        limit: error.limit ?? "maxResponseBytes",
        maximum: error.maximum ?? 0
      })
    case "Redirect":
      return new AiError.InvalidResponseError({
        description: `${context.secrets.scrub(error.description)} (POST ${url})`
      })
    case "Connection":
      return disconnected(error.cause ?? error, context)
  }
}

const network = (description: string, { url }: Server): LlmError.Reason =>
  new AiError.NetworkError({ reason: "TransportError", method: "POST", url, description })

const disconnected = (cause: unknown, context: Server): LlmError.Reason => {
  const { url } = context
  const failure = innermost(cause)
  const description = context.secrets.scrub(failure.message)
  const hindrance = hindranceOf(failure, description, context)
  if (hindrance !== undefined) return unreachable(hindrance, context)
  if (invalidHeader.test(description)) {
    return new AiError.AuthenticationError({
      kind: "InvalidKey",
      description: `the API key or another header contains characters that HTTP does not allow (POST ${url})`
    })
  }
  // The base URL has been checked, so what `fetch` rejects is where a redirect leads.
  return redirectProblem.test(description)
    ? new AiError.InvalidResponseError({
      description: `the server redirects to where no request can be sent: ${description} (POST ${url})`
    })
    : network(description, context)
}

export const unreachable = (description: string, { url }: Server): LlmError.UnreachableError =>
  new LlmError.UnreachableError({ description: `${description} (POST ${url})` })

/** What a closed connection means once the server has turned out to speak TLS. */
export const needsTls = "it expects TLS on this port, so the base URL has to start with https:"

export const describe = (cause: unknown): string => innermost(cause).message

interface Failure {
  readonly message: string
  readonly code: string
  /** The host of a name that could not be resolved. */
  readonly hostname: unknown
  /** The bytes that an HTTP parser did not accept, as text. */
  readonly data: unknown
}

/** The failure at the end of the chain of causes. The first one is only "fetch failed". */
const innermost = (error: unknown): Failure => {
  let failure: Failure = { message: "the connection failed", code: "", hostname: undefined, data: undefined }
  let depth = 0
  for (let at = error; at instanceof Error && depth < 5; at = next(at), depth++) {
    const code = Predicate.hasProperty(at, "code") && Predicate.isString(at.code) ? at.code : ""
    failure = {
      message: at.message || code || failure.message,
      code: code || at.name,
      hostname: Predicate.hasProperty(at, "hostname") ? at.hostname : undefined,
      data: Predicate.hasProperty(at, "data") ? at.data : undefined
    }
  }
  return failure
}

/** Each address of a host that was tried has an error of its own. */
const next = (error: Error): unknown => error instanceof AggregateError ? error.errors[0] : error.cause

/** Whether the connection failed because of the server's certificate, which is to say over TLS. */
export const isUntrusted = (cause: unknown): boolean => certificateCode.test(innermost(cause).code)

const certificateCode = /CERT|^UNABLE_TO_|^INVALID_(?:CA|PURPOSE)$|^HOSTNAME_MISMATCH$|^PATH_LENGTH_EXCEEDED$/

const notTlsCode =
  /^ERR_SSL_(?:WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST|UNSUPPORTED_PROTOCOL|.*ALERT_PROTOCOL_VERSION)$|^EPROTO$/

const invalidHeader = /invalid (?:\S+ )?header|invalid character in header|to a ByteString/i

const redirectProblem = /redirect|invalid url|url scheme|cross origin/i

/**
 * Why waiting does not help, if it does not. Once the server has answered, an unknown host is an outage of the network,
 * and nonsense in place of HTTP a fault of one connection.
 */
const hindranceOf = ({ code, data, hostname }: Failure, description: string, context: Server): string | undefined => {
  if (certificateCode.test(code)) return `its certificate is not accepted: ${description}`
  if (context.state.answered) return undefined
  const url = new URL(context.url)
  if (code === "ENOTFOUND" && hostname === url.hostname) return `the host "${url.hostname}" is unknown: ${description}`
  if (notTlsCode.test(code)) {
    return `it does not speak TLS on this port, so the base URL may have to start with http: (${description.trim()})`
  }
  // A server that expects TLS may answer HTTP with an alert, which begins with these bytes.
  if (Predicate.isString(data) && data.startsWith("\u0015\u0003")) return needsTls
  if (code === "HTTPParserError") return `it does not speak HTTP: ${description}`
  return description === "bad port" ? "`fetch` does not connect to this port" : undefined
}
