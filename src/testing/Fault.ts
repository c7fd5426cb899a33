/**
 * Failures of a server, for `OpenAiSimulator`: error responses, connections that close, and requests that hang.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import * as Reply from "./Reply.ts"

const TypeId = "~effect-instructor/testing/Fault"

/**
 * A failure of a server. An answer function of the simulator returns one in place of a reply.
 *
 * @category models
 * @since 0.1.0
 */
export type Fault = Respond | Drop | Hang

/**
 * A response with any status, headers and body.
 *
 * @category models
 * @since 0.1.0
 */
export interface Respond {
  readonly [TypeId]: typeof TypeId
  readonly _tag: "Respond"
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly contentType: string
  readonly body: string
}

/**
 * A connection that closes: before the answer, or inside it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Drop {
  readonly [TypeId]: typeof TypeId
  readonly _tag: "Drop"
  readonly inside: PartOfReply | undefined
}

/**
 * A connection that stays open without an answer, or without the rest of one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Hang {
  readonly [TypeId]: typeof TypeId
  readonly _tag: "Hang"
  readonly inside: PartOfReply | undefined
}

/**
 * The beginning of a reply: the given number of its pieces.
 *
 * @category models
 * @since 0.1.0
 */
export interface PartOfReply {
  readonly reply: Reply.Reply
  readonly chunks: number
}

/**
 * Whether a value is a fault. Use it to tell faults from replies.
 *
 * **Example** (A fault and a reply)
 *
 * ```ts
 * import { Fault, Reply } from "effect-instructor/testing"
 *
 * Fault.isFault(Fault.error(400, { message: "no" })) // => true
 * Fault.isFault(Reply.text("Paris")) // => false
 * ```
 *
 * @category guards
 * @since 0.1.0
 */
export const isFault = (u: unknown): u is Fault => Predicate.hasProperty(u, TypeId)

/**
 * A response with any status and body. Use it for responses that no other constructor makes, such as invalid JSON with
 * status 200.
 *
 * **Example** (A success without JSON)
 *
 * ```ts
 * import { Fault } from "effect-instructor/testing"
 * import { OpenAiSimulator } from "effect-instructor/testing/simulators"
 *
 * export const Broken = OpenAiSimulator.layer({
 *   answer: () => Fault.respond({ status: 200, body: "<html>", contentType: "text/html" })
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const respond = (options: {
  readonly status: number
  readonly body: string
  readonly contentType?: string | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
}): Respond => ({
  [TypeId]: TypeId,
  _tag: "Respond",
  status: options.status,
  headers: options.headers ?? {},
  contentType: options.contentType ?? "application/json",
  body: options.body
})

/**
 * An error response in OpenAI's format.
 *
 * **Example** (A key that is not valid)
 *
 * ```ts
 * import { Fault } from "effect-instructor/testing"
 *
 * const fault = Fault.error(401, { message: "Incorrect API key provided", code: "invalid_api_key" })
 *
 * fault.status // => 401
 * JSON.parse(fault.body).error.code // => "invalid_api_key"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const error = (status: number, error: {
  readonly message: string
  readonly type?: string | undefined
  readonly code?: string | null | undefined
  readonly param?: string | null | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
}): Respond =>
  respond({
    status,
    headers: error.headers,
    body: JSON.stringify({
      error: {
        message: error.message,
        type: error.type ?? "invalid_request_error",
        param: error.param ?? null,
        code: error.code ?? null
      }
    })
  })

/**
 * A 429 because of a rate limit, with the delay that it asks for in its headers.
 *
 * **Example** (Rate limited at first)
 *
 * ```ts
 * import { Fault } from "effect-instructor/testing"
 * import { OpenAiSimulator } from "effect-instructor/testing/simulators"
 *
 * export const RateLimitedAtFirst = OpenAiSimulator.layer({
 *   answer: ({ index }) => index < 3 ? Fault.rateLimited("1 second") : { city: "Paris" }
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const rateLimited = (retryAfter?: Duration.Input): Respond =>
  error(429, {
    message: "Rate limit reached for requests",
    type: "requests",
    code: "rate_limit_exceeded",
    headers: retryAfter === undefined ? {} : {
      "retry-after-ms": String(Duration.toMillis(Duration.fromInputUnsafe(retryAfter))),
      "retry-after": String(Math.ceil(Duration.toSeconds(Duration.fromInputUnsafe(retryAfter))))
    }
  })

/**
 * A 429 because the account has no credit left, which is unrecoverable.
 *
 * **Example** (No credit at first)
 *
 * ```ts
 * import { Fault } from "effect-instructor/testing"
 * import { OpenAiSimulator } from "effect-instructor/testing/simulators"
 *
 * export const Failing = OpenAiSimulator.layer({
 *   answer: ({ index }) => index === 0 ? Fault.insufficientQuota : { city: "Paris" }
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const insufficientQuota: Respond = error(429, {
  message: "You exceeded your current quota, please check your plan and billing details.",
  type: "insufficient_quota",
  code: "insufficient_quota"
})

/**
 * A 500, which is retried.
 *
 * **Example** (An error at first)
 *
 * ```ts
 * import { Fault } from "effect-instructor/testing"
 * import { OpenAiSimulator } from "effect-instructor/testing/simulators"
 *
 * export const Failing = OpenAiSimulator.layer({
 *   answer: ({ index }) => index === 0 ? Fault.serverError : { city: "Paris" }
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const serverError: Respond = error(500, {
  message: "The server had an error while processing your request. Sorry about that!",
  type: "server_error"
})

/**
 * A 503 because the server has no capacity, which is retried.
 *
 * **Example** (Overloaded at first)
 *
 * ```ts
 * import { Fault } from "effect-instructor/testing"
 * import { OpenAiSimulator } from "effect-instructor/testing/simulators"
 *
 * export const Failing = OpenAiSimulator.layer({
 *   answer: ({ index }) => index === 0 ? Fault.overloaded : { city: "Paris" }
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const overloaded: Respond = error(503, {
  message: "The server is currently overloaded with other requests.",
  type: "service_unavailable_error",
  code: "server_is_overloaded"
})

/**
 * A 502 with the HTML page of a gateway.
 *
 * **Example** (A bad gateway at first)
 *
 * ```ts
 * import { Fault } from "effect-instructor/testing"
 * import { OpenAiSimulator } from "effect-instructor/testing/simulators"
 *
 * export const Failing = OpenAiSimulator.layer({
 *   answer: ({ index }) => index === 0 ? Fault.badGateway : { city: "Paris" }
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const badGateway: Respond = respond({
  status: 502,
  contentType: "text/html",
  body: "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
})

/**
 * Closes the connection without an answer.
 *
 * **Example** (A connection that closes at first)
 *
 * ```ts
 * import { Fault } from "effect-instructor/testing"
 * import { OpenAiSimulator } from "effect-instructor/testing/simulators"
 *
 * export const Failing = OpenAiSimulator.layer({
 *   answer: ({ index }) => index === 0 ? Fault.drop : { city: "Paris" }
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const drop: Drop = { [TypeId]: TypeId, _tag: "Drop", inside: undefined }

/**
 * Closes the connection inside an answer, after the given number of pieces.
 *
 * @category constructors
 * @since 0.1.0
 */
export const dropInside = (reply: Reply.Input, options: { readonly afterChunks: number }): Drop => ({
  [TypeId]: TypeId,
  _tag: "Drop",
  inside: { reply: Reply.fromInput(reply), chunks: options.afterChunks }
})

/**
 * Keeps the connection open without an answer. Use it to test timeouts.
 *
 * **Example** (A request that hangs at first)
 *
 * ```ts
 * import { Fault } from "effect-instructor/testing"
 * import { OpenAiSimulator } from "effect-instructor/testing/simulators"
 *
 * export const Failing = OpenAiSimulator.layer({
 *   answer: ({ index }) => index === 0 ? Fault.hang : { city: "Paris" }
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const hang: Hang = { [TypeId]: TypeId, _tag: "Hang", inside: undefined }

/**
 * Keeps the connection open, and sends nothing after the given number of pieces of an answer. Use it to test idle
 * timeouts.
 *
 * @category constructors
 * @since 0.1.0
 */
export const hangInside = (reply: Reply.Input, options: { readonly afterChunks: number }): Hang => ({
  [TypeId]: TypeId,
  _tag: "Hang",
  inside: { reply: Reply.fromInput(reply), chunks: options.afterChunks }
})
