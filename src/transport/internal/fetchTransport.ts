/** A transport over `fetch`, for browsers and runtimes without connections of their own. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Headers, Options, Request, Response, Transport } from "../Transport.ts"
import type { TransportError } from "../TransportError.ts"
import { announced, broken, maxBytesOf, streamFactor, timedOut, tooLarge } from "./limits.ts"
import * as Redirect from "./redirect.ts"

/** Sends one request without following a redirect. */
const exchange = (
  fetch: typeof globalThis.fetch,
  { body, headers, method, url }: Request,
  signal: AbortSignal
): Promise<globalThis.Response> =>
  fetch(url, {
    method: method ?? "POST",
    headers,
    redirect: "manual",
    signal,
    ...(body !== undefined && { body: body as string })
  })

export const make = (fetch: typeof globalThis.fetch, options: Options | undefined): Transport["Service"] => {
  const maximum = maxBytesOf(options)

  const head = (
    request: Request,
    maximum: number,
    count: number
  ): Effect.Effect<Response<globalThis.Response>, TransportError, Scope.Scope> =>
    Effect.flatMap(Effect.abortSignal, (signal) =>
      Effect.flatMap(
        Effect.tryPromise({ try: () => exchange(fetch, request, signal), catch: broken }),
        (response): ReturnType<typeof head> => {
          if (response.type === "opaqueredirect") return Effect.fail(Redirect.hidden())
          const found = { status: response.status, headers: headersOf(response.headers), body: response }
          if (!Redirect.isRedirect(found.status, found.headers)) {
            const error = announced(found.headers, maximum)
            return error === undefined ? Effect.succeed(found) : Effect.fail(error)
          }
          const next = Redirect.follow(request, found, count)
          return Result.isFailure(next)
            ? Effect.fail(next.failure)
            : Effect.andThen(Effect.promise(() => discard(response)), head(next.success, maximum, count + 1))
        }
      ))

  const withDeadline = <A, R>(
    request: Request,
    effect: Effect.Effect<A, TransportError, R>
  ): Effect.Effect<A, TransportError, R> =>
    request.deadline === undefined ? effect : Effect.timeoutOrElse(effect, {
      duration: request.deadline,
      orElse: () => Effect.fail(timedOut(request))
    })

  return {
    send: (request) =>
      withDeadline(
        request,
        Effect.scoped(Effect.flatMap(head(request, maximum, 0), ({ body, headers, status }) =>
          Effect.map(text(bytes(body, maximum)), (body) => ({ status, headers, body }))))
      ),
    stream: (request) =>
      Effect.map(
        withDeadline(request, head(request, maximum * streamFactor, 0)),
        ({ body, headers, status }) => ({ status, headers, body: bytes(body, maximum * streamFactor) })
      )
  }
}

const discard = (response: globalThis.Response): Promise<void> =>
  (response.body?.cancel() ?? Promise.resolve()).catch(() => {})

const headersOf = (headers: globalThis.Headers): Headers => {
  const record: Record<string, string> = {}
  headers.forEach((value, name) => record[name] = value)
  return record
}

const bytes = (response: globalThis.Response, maximum: number): Stream.Stream<Uint8Array, TransportError> => {
  const { body } = response
  if (body === null) return Stream.empty
  return bounded(Stream.fromReadableStream({ evaluate: () => body, onError: broken }), maximum)
}

/** Fails once more bytes than the maximum have arrived. */
export const bounded = <E>(
  stream: Stream.Stream<Uint8Array, E>,
  maximum: number
): Stream.Stream<Uint8Array, E | TransportError> =>
  Stream.suspend(() => {
    let size = 0
    return Stream.mapArrayEffect(stream, (chunks) => {
      for (const chunk of chunks) size += chunk.length
      return size > maximum ? Effect.fail(tooLarge(maximum)) : Effect.succeed(chunks)
    })
  })

export const text = <E>(stream: Stream.Stream<Uint8Array, E>): Effect.Effect<string, E> =>
  Effect.suspend(() => {
    const decoder = new TextDecoder()
    let out = ""
    return Effect.map(
      Stream.runForEachArray(stream, (chunks) =>
        Effect.sync(() => {
          for (const chunk of chunks) out += decoder.decode(chunk, { stream: true })
        })),
      () => out + decoder.decode()
    )
  })
