/** A transport over undici's connections, for Node. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import * as http from "node:http"
import type { Client, Dispatcher } from "undici"
import { maxBytesOf } from "../internal/limits.ts"
import * as Redirect from "../internal/redirect.ts"
import type { Head, Options as TransportOptions, Request, Response, Transport } from "../Transport.ts"
import type { TransportError } from "../TransportError.ts"
import { Connections } from "./connections.ts"
import type { Exchange, Route } from "./exchange.ts"
import type { Library } from "./library.ts"
import { StreamExchange } from "./streamExchange.ts"
import { TextExchange } from "./textExchange.ts"

export interface Options
  extends TransportOptions, Omit<Client.Options, "pipelining" | "interceptors" | "maxResponseSize">
{
  /** The most connections to one origin. Without it, as many as there are requests in flight. */
  readonly connections?: number | undefined
}

/** Where the requests to an origin go: connections of ours, or a dispatcher such as a proxy's. */
type Starter = (origin: string) => Pick<Route, "start" | "release">

export const clientOptions = (options: Options | undefined): Client.Options => {
  const { connections: _, maxResponseBytes: __, ...rest } = options ?? {}
  return {
    // HTTP/2 takes more CPU time, and a server's limit of streams would restrict all requests to a few connections.
    allowH2: false,
    // Requests have deadlines of their own. A reasoning model may take longer than undici's 5 minutes.
    headersTimeout: 0,
    ...rest
  }
}

/** A transport with connections of its own, which are closed with the scope. */
export const make = (
  library: Library,
  options: Options | undefined
): Effect.Effect<Transport["Service"], never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => new Map<string, Connections>()),
      (origins) => Effect.promise(() => Promise.all(Array.from(origins.values(), (origin) => origin.destroy())))
    ),
    (origins) =>
      fromStarter((origin) => {
        let connections = origins.get(origin)
        if (connections === undefined) {
          connections = new Connections(library, origin, clientOptions(options), options?.connections)
          origins.set(origin, connections)
        }
        const known = connections
        return {
          start: (exchange) => known.acquire(exchange),
          release: (connection) => known.release(connection)
        }
      }, options)
  )

/** A transport over any dispatcher of undici. */
export const fromDispatcher = (dispatcher: Dispatcher, options: TransportOptions | undefined): Transport["Service"] =>
  fromStarter((origin) => ({
    start: (exchange) => void dispatcher.dispatch({ ...exchange.options, origin }, exchange),
    release: () => {}
  }), options)

const fromStarter = (starter: Starter, options: Options | undefined): Transport["Service"] => {
  const maximum = maxBytesOf(options)
  const maxHeaderBytes = options?.maxHeaderSize ?? http.maxHeaderSize
  const routes = new Map<string, Route>()

  const routeTo = (origin: string): Route => {
    let route = routes.get(origin)
    if (route === undefined) {
      route = { ...starter(origin), maximum, maxHeaderBytes }
      routes.set(origin, route)
    }
    return route
  }

  // Nearly every request goes to the same URL as the one before.
  let last: { readonly text: string; readonly path: string; readonly route: Route } | undefined
  const parse = (text: string): NonNullable<typeof last> => {
    if (last?.text === text) return last
    const url = new URL(text)
    return last = { text, path: url.pathname + url.search, route: routeTo(url.origin) }
  }

  const start = (
    request: Request,
    bodyTimeout: number | undefined,
    make: (options: Dispatcher.DispatchOptions, millis: number | undefined, route: Route) => Exchange
  ): Exchange => {
    const { path, route } = parse(request.url)
    const { body, deadline, headers, method } = request
    const exchange = make(
      {
        path,
        method: method ?? "POST",
        headers,
        body: body ?? null,
        ...(bodyTimeout !== undefined && { bodyTimeout })
      },
      deadline === undefined ? undefined : Duration.toMillis(deadline),
      route
    )
    route.start(exchange)
    return exchange
  }

  const send = (request: Request, redirects: number): Effect.Effect<Response<string>, TransportError> =>
    Effect.callback((resume) => {
      const follow = (head: Head) => redirected(send, request, head, redirects)
      const exchange = start(
        request,
        // The deadline ends a text that stops arriving.
        request.deadline === undefined ? undefined : 0,
        (options, millis, route) => new TextExchange(request, options, millis, route, resume, follow)
      )
      return Effect.sync(() => exchange.abort())
    })

  const stream = (request: Request, redirects: number): ReturnType<Transport["Service"]["stream"]> =>
    Effect.flatMap(Effect.scope, (scope) =>
      Effect.suspend(() => {
        let exchange: Exchange | undefined
        const abort = Effect.sync(() => exchange?.abort())
        const follow = (head: Head) => redirected(stream, request, head, redirects)
        return Effect.andThen(
          Scope.addFinalizer(scope, abort),
          Effect.callback<Response<Bytes>, TransportError, Scope.Scope>((resume) => {
            exchange = start(
              request,
              undefined,
              (options, millis, route) => new StreamExchange(request, options, millis, route, resume, follow)
            )
            return abort
          })
        )
      }))

  return { send: (request) => send(request, 0), stream: (request) => stream(request, 0) }
}

type Bytes = Stream.Stream<Uint8Array, TransportError>

const redirected = <A, R>(
  send: (request: Request, redirects: number) => Effect.Effect<A, TransportError, R>,
  request: Request,
  head: Head,
  redirects: number
): Effect.Effect<A, TransportError, R> => {
  const next = Redirect.follow(request, head, redirects)
  return Result.isFailure(next) ? Effect.fail(next.failure) : send(next.success, redirects + 1)
}
