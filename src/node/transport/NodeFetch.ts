/**
 * A `fetch` for Node that takes a quarter of the CPU time of the built-in one: undici's connection pool without web
 * streams. Provide it as Effect's `Fetch`, which the `openai` SDK uses as well.
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
import { Agent, type Dispatcher, EnvHttpProxyAgent, fetch as undiciFetch } from "@effect/platform-node/Undici"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import { Fetch } from "effect/http/FetchHttpClient"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { Exchange } from "./internal/exchange.ts"

/**
 * The options of undici's agent: `connections` to one origin (by default as many as there are requests in flight),
 * `connect` with options for TLS, `keepAliveTimeout`, `connectTimeout` and more.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Omit<Agent.Options, "factory" | "interceptors"> {}

/**
 * Makes a `fetch` over a pool of keep-alive connections, which is closed with the scope. Use it where a `fetch` is
 * needed as a value; otherwise provide `layer`. It respects `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, also in lower
 * case, and fails with a `ConfigError` if one of them is not the URL of a proxy.
 *
 * Redirects, and bodies other than strings and bytes, are handled by undici's own `fetch` over the same connections.
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
 * Replaces the built-in `fetch` of Effect's HTTP client and of the `openai` SDK. Use it for batches, where the transport
 * takes a large part of the CPU time.
 *
 * **Example** (A transport with a limit of connections)
 *
 * ```ts
 * import { Layer } from "effect"
 * import { NodeFetch } from "effect-instructor/node"
 * import { OpenAi } from "effect-instructor/openai"
 *
 * export const Llm = OpenAi.layerConfig().pipe(Layer.provide(NodeFetch.layer({ connections: 64 })))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<never, Config.ConfigError> => Layer.effect(Fetch, make(options))

/** A variable of the environment, in lower case or in capitals. An empty one counts as missing. */
const variable = (name: string) =>
  Config.Redacted(name.toLowerCase()).pipe(
    Config.orElse(() => Config.Redacted(name)),
    Config.option,
    Config.map((value) => Option.match(value, { onNone: () => "", onSome: Redacted.value }))
  )

const proxyVariable = (name: string) =>
  Effect.filterOrFail(
    variable(name),
    (url) =>
      url === "" || /^(?:https?|socks5?):$/.test(Result.getOrUndefined(Result.try(() => new URL(url)))?.protocol ?? ""),
    // Without the value, because the URL of a proxy may contain a password.
    () =>
      new Config.ConfigError(
        new ConfigProvider.SourceError({ message: `${name} is not the URL of a proxy: http, https or socks5` })
      )
  )

const readProxies = Effect.all({
  httpProxy: proxyVariable("HTTP_PROXY"),
  httpsProxy: proxyVariable("HTTPS_PROXY"),
  noProxy: variable("NO_PROXY")
})

const makeDispatcher = (
  proxies: Effect.Success<typeof readProxies>,
  options: Options | undefined
): Dispatcher => {
  const agent: Options = {
    // With HTTP/2, a server's limit of streams would restrict all requests to a few connections.
    allowH2: false,
    // Requests have timeouts of their own. A reasoning model may take longer than undici's 5 minutes.
    headersTimeout: 0,
    ...options
  }
  return proxies.httpProxy === "" && proxies.httpsProxy === ""
    ? new Agent(agent)
    : new EnvHttpProxyAgent({
      ...agent,
      ...(typeof options?.connect === "object" && { requestTls: options.connect }),
      ...proxies
    })
}

const fromDispatcher = (dispatcher: Dispatcher): typeof globalThis.fetch => {
  // Nearly every request goes to the same URL as the one before.
  let last: { readonly text: string; readonly url: URL } | undefined
  const parse = (text: string): URL => (last = last?.text === text ? last : { text, url: new URL(text) }).url

  return (input, init) => {
    const body = init?.body
    if (input instanceof Request || !isPlain(body) || init?.redirect === "error") {
      return standardFetch(dispatcher, input, init)
    }
    return new Promise<Response>((resolve, reject) => {
      const url = parse(String(input))
      if (url.username !== "" || url.password !== "") {
        throw new TypeError("fetch failed", { cause: new TypeError("The URL includes credentials") })
      }
      init?.signal?.throwIfAborted()
      const { origin, pathname, search } = url
      dispatcher.dispatch(
        {
          origin,
          path: pathname + search,
          method: init?.method ?? "GET",
          headers: toRecord(init?.headers, typeof body === "string"),
          body: body ?? null
        },
        new Exchange(
          url.href,
          init?.signal ?? undefined,
          (response) =>
            resolve(
              isRedirect(response) && init?.redirect !== "manual"
                ? Promise.resolve(response.body?.cancel()).then(() => standardFetch(dispatcher, input, init))
                : response
            ),
          (error) => reject(toFetchError(error, init?.signal))
        )
      )
    })
  }
}

type Plain = string | Uint8Array | null | undefined

const isPlain = (body: RequestInit["body"]): body is Plain =>
  body === undefined || body === null || typeof body === "string" || body instanceof Uint8Array

const isRedirect = ({ headers, status }: Response): boolean =>
  status >= 301 && status <= 308 && status !== 304 && headers.has("location")

const toRecord = (headers: RequestInit["headers"], isText: boolean): Record<string, string> => {
  const record: Record<string, string> = {}
  if (headers instanceof Headers) headers.forEach((value, name) => record[name] = value)
  else if (headers !== undefined) return toRecord(new Headers(headers), isText)
  if (isText) record["content-type"] ??= "text/plain;charset=UTF-8"
  return record
}

/** undici's own `fetch`, which handles the rare cases. */
const standardFetch = (
  dispatcher: Dispatcher,
  input: string | URL | Request,
  init: RequestInit | undefined
): Promise<Response> => {
  const isOwn = !(input instanceof Request) && isPlain(init?.body)
  // Another copy of undici does not recognise the forms and requests of the one in Node, but it accepts their parts.
  const { body, headers, method, redirect, signal, url } = new Request(input, isOwn ? { ...init, body: null } : init)
  const fetched = undiciFetch(url, {
    dispatcher,
    method,
    headers: Array.from(headers),
    redirect,
    signal,
    ...(isOwn ? { body: init?.body as Plain ?? null } : body !== null && { body, duplex: "half" })
  })
  // The same class in another copy of undici.
  return fetched as Promise<unknown> as Promise<Response>
}

/** The errors of `fetch`: the reason of an abort as it is, any other as the cause of a TypeError. */
const toFetchError = (error: unknown, signal: AbortSignal | null | undefined): unknown =>
  signal?.aborted === true ? error : new TypeError("fetch failed", { cause: error })
