/**
 * The files and batches of a provider over HTTP: small calls, and bodies as streams in both directions.
 *
 * Written by hand over `fetch`: a batch has up to 200 MB, so neither its upload nor its results may be in memory.
 */
import * as AiError from "effect/ai/AiError"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as ByteLines from "../../internal/byteLines.ts"
import { LlmError } from "../../llm/LlmError.ts"
import type { Response as TransportResponse } from "../../transport/Transport.ts"
import type { Failure } from "../Protocol.ts"
import * as RestError from "./restError.ts"

export interface Options {
  readonly provider: string
  /** Without a slash at its end. */
  readonly baseUrl: string
  readonly headers: Readonly<Record<string, string>>
  /** Removes from a text what must not be part of an error. */
  readonly scrub: (text: string) => string
  /** The time of a call. Uploads and downloads are not limited. */
  readonly timeout: Duration.Duration
  readonly fetch: typeof globalThis.fetch
  /** What a response that is not 2xx reports, where the provider has a format of its own. */
  readonly failure?: ((response: TransportResponse<string>, nowMillis: number) => Failure) | undefined
}

export type Json = { readonly [key: string]: unknown }

interface Upload<E> {
  readonly contentType: string
  readonly bytes: number
  readonly body: Stream.Stream<Uint8Array, E>
}

type Method = "GET" | "POST" | "DELETE"

export interface Rest {
  /** Sends JSON, and returns the JSON of the response. */
  readonly call: (method: Method, path: string, body?: Json) => Effect.Effect<Json, LlmError>
  readonly upload: <E>(path: string, upload: Upload<E>, headers?: Json) => Effect.Effect<Json, LlmError | E>
  /** The lines of a response. */
  readonly lines: (path: string) => Stream.Stream<string, LlmError>
  readonly fail: (reason: LlmError["reason"]) => LlmError
  readonly scrub: (text: string) => string
}

export const make = (options: Options): Rest => {
  const { baseUrl, fetch, provider, scrub, timeout } = options
  const fail = (reason: LlmError["reason"]): LlmError => new LlmError({ provider, reason })
  const lost = (method: Method, path: string) => (cause: unknown): LlmError =>
    fail(
      new AiError.NetworkError({
        reason: "TransportError",
        method,
        url: scrub(baseUrl + path),
        description: scrub(RestError.innermost(cause))
      })
    )

  const send = (path: string, init: RequestInit & { readonly method: Method }): Effect.Effect<Response, LlmError> =>
    Effect.tryPromise({
      try: (signal) =>
        fetch(baseUrl + path, { ...init, headers: { ...options.headers, ...init.headers as object }, signal }),
      catch: lost(init.method, path)
    })

  const read = Effect.fnUntraced(function*(method: Method, path: string, response: Response) {
    const text = yield* Effect.tryPromise({ try: () => response.text(), catch: lost(method, path) })
    if (!response.ok) {
      const { failure } = options
      if (failure === undefined) {
        return yield* RestError.fromResponse(response, text, { method, path, provider, scrub })
      }
      const { headers, status } = response
      const nowMillis = yield* Clock.currentTimeMillis
      return yield* new LlmError({
        provider,
        ...failure({ body: text, headers: Object.fromEntries(headers), status }, nowMillis)
      })
    }
    const parsed = Result.try(() => JSON.parse(text) as unknown)
    if (Result.isSuccess(parsed) && typeof parsed.success === "object" && parsed.success !== null) {
      return parsed.success as Json
    }
    return yield* fail(
      new AiError.InternalProviderError({
        description: `the response to ${method} ${path} is not a JSON object: ${scrub(text.slice(0, 200))}`
      })
    )
  })

  const call: Rest["call"] = (method, path, body) =>
    send(path, {
      method,
      ...(body !== undefined && { headers: { "content-type": "application/json" }, body: JSON.stringify(body) })
    }).pipe(
      Effect.flatMap((response) => read(method, path, response)),
      Effect.timeoutOrElse({
        duration: timeout,
        orElse: () => Effect.fail(lost(method, path)(new Error(`no answer within ${Duration.format(timeout)}`)))
      })
    )

  const upload = Effect.fnUntraced(function*<E>(
    path: string,
    { body, bytes, contentType }: Upload<E>,
    headers: Json = {}
  ): Effect.fn.Return<Json, LlmError | E> {
    // What the stream of the body fails with, which `fetch` would hide.
    let failure: { readonly error: E } | undefined
    const stream = Stream.toReadableStream(Stream.mapError(body, (error) => {
      failure = { error }
      return new Error("The lines could not be read")
    }))
    const init = {
      method: "POST" as const,
      headers: { "content-type": contentType, "content-length": String(bytes), ...headers },
      body: stream,
      duplex: "half"
    }
    const sent = yield* Effect.result(
      Effect.flatMap(send(path, init as RequestInit & typeof init), (response) => read("POST", path, response))
    )
    if (Result.isSuccess(sent)) return sent.success
    return yield* Effect.fail(failure === undefined ? sent.failure : failure.error)
  })

  const open = (path: string): Effect.Effect<Stream.Stream<Uint8Array, LlmError>, LlmError, Scope.Scope> =>
    Effect.gen(function*() {
      const signal = yield* Effect.abortSignal
      const response = yield* Effect.tryPromise({
        try: () => fetch(baseUrl + path, { headers: options.headers, signal }),
        catch: lost("GET", path)
      })
      if (!response.ok) return Stream.fromEffect(read("GET", path, response) as Effect.Effect<never, LlmError>)
      const { body } = response
      return body === null
        ? Stream.empty
        : Stream.fromReadableStream({ evaluate: () => body, onError: lost("GET", path) })
    })

  return { call, upload, lines: (path) => toLines(Stream.unwrap(open(path))), fail, scrub }
}

const decoder = new TextDecoder()

/** The lines of a response, without those that are empty. */
const toLines = (bytes: Stream.Stream<Uint8Array, LlmError>): Stream.Stream<string, LlmError> =>
  Stream.suspend(() => {
    const lines = ByteLines.make()
    const push = (chunk: Uint8Array): Array<string> => {
      const found: Array<string> = []
      lines.push(chunk, (bytes, start, end) => {
        if (end > start) found.push(decoder.decode(bytes.subarray(start, end)))
      })
      return found
    }
    const rest = Stream.suspend(() => {
      const last = lines.rest()
      return last.length === 0 ? Stream.empty : Stream.succeed(decoder.decode(last))
    })
    const whole = Stream.flattenIterable(Stream.map(bytes, push))
    return Stream.concat(whole, rest)
  })
