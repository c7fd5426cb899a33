/**
 * Sends the requests of providers: a URL, headers and a body go out, and a status, headers and a text or a stream of
 * bytes come back. Every provider's layer uses the platform's own transport: in Node undici's connections without `fetch`
 * and web streams, anywhere else `fetch`. Provide one only to configure it, or to bring your own.
 *
 * @since 0.1.0
 */
import { make as makePlatform } from "#transport"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { Fetch } from "effect/http/FetchHttpClient"
import { HttpClient } from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import * as FetchTransport from "./internal/fetchTransport.ts"
import * as HttpClientTransport from "./internal/httpClientTransport.ts"
import type { TransportError } from "./TransportError.ts"

export {
  /** @since 0.1.0 */
  TransportError
} from "./TransportError.ts"

/**
 * A request. It is sent as it is: nothing is added to its headers but what HTTP requires.
 *
 * @category models
 * @since 0.1.0
 */
export interface Request {
  readonly url: string
  /**
   * @default "POST"
   */
  readonly method?: "POST" | "GET" | "HEAD" | "DELETE" | "PUT" | undefined
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array | undefined
  /** The most time from sending the request to the last byte of a text, or to the headers of a stream. */
  readonly deadline?: Duration.Duration | undefined
}

/**
 * The headers of a response, by their names in lower case.
 *
 * @category models
 * @since 0.1.0
 */
export type Headers = Readonly<Record<string, string | undefined>>

/**
 * The beginning of a response.
 *
 * @category models
 * @since 0.1.0
 */
export interface Head {
  readonly status: number
  readonly headers: Headers
}

/**
 * A response. Its body is not compressed any more.
 *
 * @category models
 * @since 0.1.0
 */
export interface Response<Body> extends Head {
  readonly body: Body
}

/**
 * The limits of every transport.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * The most bytes of a response, after it has been decompressed. A stream may have sixteen times as many, because its
   * events repeat what surrounds each piece of the answer.
   *
   * @default 67_108_864
   */
  readonly maxResponseBytes?: number | undefined
}

/**
 * The service that sends requests. It follows redirects within an origin, and refuses any other.
 *
 * @category services
 * @since 0.1.0
 */
export class Transport extends Context.Service<Transport, {
  /** Sends a request, and reads the response as a whole. Interruption aborts it. */
  readonly send: (request: Request) => Effect.Effect<Response<string>, TransportError>
  /**
   * Sends a request, and gives the bytes of the response as they arrive. Chunks that arrive together are emitted as one
   * array. The response is aborted when the scope closes before its end.
   */
  readonly stream: (
    request: Request
  ) => Effect.Effect<Response<Stream.Stream<Uint8Array, TransportError>>, TransportError, Scope.Scope>
}>()("effect-instructor/transport/Transport") {}

/**
 * The transport of the platform, with connections of its own. Provide it to share the connections between several
 * providers; each has its own otherwise.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Transport> = Layer.effect(Transport, makePlatform)

/**
 * A transport over Effect's `Fetch`, which is the platform's `fetch` unless you provide another one.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFetch = (options?: Options): Layer.Layer<Transport> =>
  Layer.effect(Transport, Effect.map(Fetch, (fetch) => fromFetch(fetch, options)))

/**
 * A transport over Effect's `HttpClient`, for those who configure one already. It costs about twice as much as the
 * transport of Node.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerHttpClient = (options?: Options): Layer.Layer<Transport, never, HttpClient> =>
  Layer.effect(Transport, Effect.map(HttpClient, (client) => fromHttpClient(client, options)))

/**
 * A transport over a function with the shape of `fetch`, such as the `fetch` method of a web framework's app in a test.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromFetch = (fetch: typeof globalThis.fetch, options?: Options): Transport["Service"] =>
  FetchTransport.make(fetch, options)

/**
 * A transport over an `HttpClient`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromHttpClient = (client: HttpClient, options?: Options): Transport["Service"] =>
  HttpClientTransport.make(client, options)

/**
 * The transport of a provider's layer: the one that the context provides, or one over the `Fetch` that it provides, or
 * the platform's own.
 *
 * @category constructors
 * @since 0.1.0
 */
export const current: Effect.Effect<Transport["Service"], never, Scope.Scope> = Effect.contextWith(
  (context: Context.Context<Scope.Scope>) => {
    const { mapUnsafe } = context
    if (mapUnsafe.has(Transport.key)) return Effect.succeed(Context.getUnsafe(context, Transport))
    return mapUnsafe.has(Fetch.key)
      ? Effect.succeed(fromFetch(Context.get(context, Fetch)))
      : makePlatform
  }
)
