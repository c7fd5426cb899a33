/**
 * The ways a server fails to answer.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import * as Reply from "./Reply.ts"

const TypeId = "~effect-instructor/testing/Fault"

/**
 * @category models
 * @since 0.1.0
 */
export type Fault = Respond | Drop | Hang

/**
 * A response with this status, these headers and this body.
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
 * The connection is closed: at once, or inside an answer.
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
 * The connection stays open and nothing more comes: no answer at all, or not the rest of one.
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
 * The beginning of an answer: so many of its pieces.
 *
 * @category models
 * @since 0.1.0
 */
export interface PartOfReply {
  readonly reply: Reply.Reply
  readonly chunks: number
}

/**
 * @category guards
 * @since 0.1.0
 */
export const isFault = (u: unknown): u is Fault => Predicate.hasProperty(u, TypeId)

/**
 * Any response at all.
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
 * An error as OpenAI words one.
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
 * A 429 that asks for a wait.
 *
 * **Example** (A server that is busy at first)
 *
 * ```ts
 * import { Fault } from "effect-instructor/testing"
 * import { OpenAiSimulator } from "effect-instructor/testing/simulators"
 *
 * export const BusyAtFirst = OpenAiSimulator.layer({
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
 * A 429 that no wait mends: the account has no money left.
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
 * @category constructors
 * @since 0.1.0
 */
export const serverError: Respond = error(500, {
  message: "The server had an error while processing your request. Sorry about that!",
  type: "server_error"
})

/**
 * @category constructors
 * @since 0.1.0
 */
export const overloaded: Respond = error(503, {
  message: "The server is currently overloaded with other requests.",
  type: "service_unavailable_error",
  code: "server_is_overloaded"
})

/**
 * A gateway's page instead of an answer.
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
 * The connection is closed without an answer.
 *
 * @category constructors
 * @since 0.1.0
 */
export const drop: Drop = { [TypeId]: TypeId, _tag: "Drop", inside: undefined }

/**
 * The connection is closed inside an answer, after this many pieces of it.
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
 * The connection stays open and nothing comes.
 *
 * @category constructors
 * @since 0.1.0
 */
export const hang: Hang = { [TypeId]: TypeId, _tag: "Hang", inside: undefined }

/**
 * Nothing comes any more after this many pieces of an answer.
 *
 * @category constructors
 * @since 0.1.0
 */
export const hangInside = (reply: Reply.Input, options: { readonly afterChunks: number }): Hang => ({
  [TypeId]: TypeId,
  _tag: "Hang",
  inside: { reply: Reply.fromInput(reply), chunks: options.afterChunks }
})
