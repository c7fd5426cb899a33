/** A transport over Effect's `HttpClient`. */
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpBody from "effect/http/HttpBody"
import type * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { Options, Request, Response, Transport } from "../Transport.ts"
import { TransportError } from "../TransportError.ts"
import { bounded, text } from "./fetchTransport.ts"
import { announced, maxBytesOf, streamFactor, timedOut } from "./limits.ts"
import * as Redirect from "./redirect.ts"

export const make = (client: HttpClient.HttpClient, options: Options | undefined): Transport["Service"] => {
  const maximum = maxBytesOf(options)

  const execute = (
    request: Request,
    maximum: number,
    count: number
  ): Effect.Effect<Response<Stream.Stream<Uint8Array, TransportError>>, TransportError> =>
    client.execute(toRequest(request)).pipe(
      // The bodies of clients over `fetch` are read by the caller, and their redirects are decided here.
      Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" }),
      Effect.mapError(toError),
      Effect.flatMap((response): ReturnType<typeof execute> => {
        const found = { status: response.status, headers: response.headers, body: bytes(response, maximum) }
        if (!Redirect.isRedirect(found.status, found.headers)) {
          const error = announced(found.headers, maximum)
          return error === undefined ? Effect.succeed(found) : Effect.fail(error)
        }
        const next = Redirect.follow(request, found, count)
        return Result.isFailure(next) ? Effect.fail(next.failure) : execute(next.success, maximum, count + 1)
      })
    )

  const withDeadline = <A, R>(request: Request, effect: Effect.Effect<A, TransportError, R>) =>
    request.deadline === undefined ? effect : Effect.timeoutOrElse(effect, {
      duration: request.deadline,
      orElse: () => Effect.fail(timedOut(request))
    })

  return {
    send: (request) =>
      withDeadline(
        request,
        Effect.flatMap(execute(request, maximum, 0), ({ body, headers, status }) =>
          Effect.map(text(body), (body) => ({ status, headers, body })))
      ),
    stream: (request) => withDeadline(request, execute(request, maximum * streamFactor, 0))
  }
}

const toRequest = ({ body, headers, method, url }: Request): HttpClientRequest.HttpClientRequest =>
  HttpClientRequest.make(method ?? "POST")(url, {
    headers,
    ...(body !== undefined && {
      body: typeof body === "string"
        ? HttpBody.text(body, headers["content-type"])
        : HttpBody.uint8Array(body, headers["content-type"])
    })
  })

const toError = (error: HttpClientError.HttpClientError): TransportError =>
  new TransportError({ reason: "Connection", description: error.message, cause: error.reason.cause ?? error })

const bytes = (
  response: HttpClientResponse.HttpClientResponse,
  maximum: number
): Stream.Stream<Uint8Array, TransportError> =>
  response.stream.pipe(
    Stream.catchIf((error) => error.reason._tag === "EmptyBodyError", () => Stream.empty),
    Stream.mapError(toError),
    (stream) => bounded(stream, maximum)
  )
