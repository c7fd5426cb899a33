/**
 * A `fetch` for Node that costs a quarter of the built-in one: undici's connection pool without the web streams. It
 * stands in wherever Effect's `Fetch` is used, and so in front of the `openai` SDK.
 *
 * **Example** (OpenAI over it)
 *
 * ```ts
 * import { Layer } from "effect"
 * import { NodeFetch } from "effect-instructor/node"
 * import { OpenAi } from "effect-instructor/openai"
 *
 * export const Llm = OpenAi.layerConfig().pipe(Layer.provide(NodeFetch.layer()))
 * ```
 *
 * @since 0.1.0
 */
// @effect-diagnostics newPromise:off
import * as Undici from "@effect/platform-node/Undici"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import { Fetch } from "effect/http/FetchHttpClient"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { Exchange } from "./internal/exchange.ts"

/**
 * What undici's agent takes: `connections` to one origin (as many as there are requests in flight, by default),
 * `connect` with options of TLS, `keepAliveTimeout`, `connectTimeout` and more.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Omit<Undici.Agent.Options, "factory" | "interceptors"> {}

/**
 * Makes a `fetch` over a pool of kept-alive connections, closed with the scope. `HTTP_PROXY`, `HTTPS_PROXY` and
 * `NO_PROXY`, or the same in lower case, are honoured.
 *
 * Redirects, and bodies other than strings and bytes, take undici's own `fetch` over the same connections.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  options?: Options
): Effect.Effect<typeof globalThis.fetch, Config.ConfigError, Scope.Scope> =>
  Effect.flatMap(readProxies, (proxies) =>
    Effect.map(
      Effect.acquireRelease(
        Effect.sync(() => makeDispatcher(proxies, options)),
        (dispatcher) => Effect.promise(() => dispatcher.destroy())
      ),
      fromDispatcher
    ))

/**
 * Puts it in the place of the built-in `fetch`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<never, Config.ConfigError> => Layer.effect(Fetch, make(options))

const variable = (name: string) =>
  Config.Redacted(name.toLowerCase()).pipe(
    Config.orElse(() => Config.Redacted(name)),
    Config.option,
    // An empty variable is how a shell says "none".
    Config.map((value) => Option.getOrUndefined(Option.filter(Option.map(value, Redacted.value), (text) => text !== "")))
  )

const readProxies = Config.all({
  httpProxy: variable("HTTP_PROXY"),
  httpsProxy: variable("HTTPS_PROXY"),
  noProxy: variable("NO_PROXY")
})

const makeDispatcher = (
  { httpProxy, httpsProxy, noProxy }: Config.Success<typeof readProxies>,
  options: Options | undefined
): Undici.Dispatcher => {
  const agent: Options = {
    // HTTP/2 would put every request on the few connections that a server's limit of streams allows.
    allowH2: false,
    // The requests' own timeouts bound them: a long answer of a reasoning model takes more than undici's 5 minutes.
    headersTimeout: 0,
    ...options
  }
  return httpProxy === undefined && httpsProxy === undefined
    ? new Undici.Agent(agent)
    : new Undici.EnvHttpProxyAgent({
      ...agent,
      ...(typeof options?.connect === "object" && { requestTls: options.connect }),
      httpProxy: httpProxy ?? "",
      httpsProxy: httpsProxy ?? "",
      noProxy: noProxy ?? ""
    })
}

const fromDispatcher = (dispatcher: Undici.Dispatcher): typeof globalThis.fetch => {
  // Nearly every request goes where the one before it went.
  let last: { readonly text: string; readonly url: URL } | undefined
  const parse = (text: string): URL => (last = last?.text === text ? last : { text, url: new URL(text) }).url

  return (input, init) => {
    if (input instanceof Request || !isPlain(init)) return standardFetch(dispatcher, input, init)
    return new Promise<Response>((resolve, reject) => {
      const url = parse(String(input))
      if (url.username !== "" || url.password !== "") {
        throw new TypeError("fetch failed", { cause: new TypeError("The URL includes credentials") })
      }
      init?.signal?.throwIfAborted()
      const { origin, pathname, search } = url
      const { body } = init ?? {}
      dispatcher.dispatch(
        {
          origin,
          path: pathname + search,
          method: init?.method ?? "GET",
          headers: toRecord(init?.headers, typeof body === "string"),
          body: body as string | Uint8Array | null | undefined ?? null
        },
        new Exchange(url.href, init?.signal ?? undefined, (response) => {
          isRedirect(response) && init?.redirect !== "manual"
            ? resolve(response.body!.cancel().then(() => standardFetch(dispatcher, input, init)))
            : resolve(response)
        }, (error) => reject(toFetchError(error, init?.signal)))
      )
    })
  }
}

const isPlain = (init: RequestInit | undefined): boolean => {
  const body = init?.body
  return (body === undefined || body === null || typeof body === "string" || body instanceof Uint8Array) &&
    init?.redirect !== "error"
}

const isRedirect = ({ headers, status }: Response): boolean =>
  status >= 301 && status <= 308 && status !== 304 && headers.has("location")

const toRecord = (headers: RequestInit["headers"], isText: boolean): Record<string, string> => {
  const record: Record<string, string> = {}
  if (headers instanceof Headers) headers.forEach((value, name) => record[name] = value)
  else if (headers !== undefined) return toRecord(new Headers(headers), isText)
  if (isText) record["content-type"] ??= "text/plain;charset=UTF-8"
  return record
}

/** Other packages' forms and requests are not undici's own: what they hold is. */
const standardFetch = (
  dispatcher: Undici.Dispatcher,
  input: string | URL | Request,
  init: RequestInit | undefined
): Promise<Response> => {
  const { body, headers, method, redirect, signal, url } = new Request(input, init)
  const fetched = Undici.fetch(url, {
    dispatcher,
    method,
    headers: Array.from(headers),
    redirect,
    signal,
    ...(body !== null && { body, duplex: "half" })
  })
  // The same class, from another copy of undici than the one in Node.
  return fetched as Promise<unknown> as Promise<Response>
}

/** As `fetch` tells them: the reason of an abort as it is, anything else as the cause of a TypeError. */
const toFetchError = (error: unknown, signal: AbortSignal | null | undefined): unknown =>
  signal?.aborted === true ? error : new TypeError("fetch failed", { cause: error })
