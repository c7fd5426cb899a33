/**
 * The transport of Node with options: connections, timeouts, TLS and limits. Providers use it without a line of yours, so
 * provide it only to change its options or to share its connections between providers.
 *
 * **Example** (A certificate of your own, and a limit of connections)
 *
 * ```ts
 * import { Layer } from "effect"
 * import { NodeTransport } from "effect-instructor/node"
 * import { OpenAi } from "effect-instructor/openai"
 *
 * export const Llm = OpenAi.layerConfig().pipe(
 *   Layer.provide(NodeTransport.layer({ connections: 64, connect: { ca: "the certificate in PEM" } }))
 * )
 * ```
 *
 * @since 0.1.0
 */
import type * as Config from "effect/Config"
import type * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Dispatcher } from "undici"
import Client from "undici/lib/dispatcher/client.js"
import EnvHttpProxyAgent from "undici/lib/dispatcher/env-http-proxy-agent.js"
import { Transport } from "../transport/Transport.ts"
import * as Connections from "../transport/undici/nodeTransport.ts"
import * as UndiciTransport from "../transport/undici/undiciTransport.ts"

/**
 * The options of undici's client (`connect` with options for TLS, `keepAliveTimeout`, `connectTimeout`, `maxHeaderSize`
 * and more), the number of `connections` to one origin (by default as many as there are requests in flight), and
 * `maxResponseBytes`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends UndiciTransport.Options {}

/**
 * Makes a transport over keep-alive connections, which are closed with the scope. It respects `HTTP_PROXY`,
 * `HTTPS_PROXY` and `NO_PROXY`, also in lower case, and fails with a `ConfigError` if one of them is not the URL of a
 * proxy.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options?: Options): Effect.Effect<Transport["Service"], Config.ConfigError, Scope.Scope> =>
  Connections.make({ Client, EnvHttpProxyAgent: () => EnvHttpProxyAgent }, options)

/**
 * A transport over a dispatcher of undici that you make and close: a `MockAgent`, a `ProxyAgent`, or one with
 * interceptors.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromDispatcher = (
  dispatcher: Dispatcher,
  options?: { readonly maxResponseBytes?: number | undefined }
): Transport["Service"] => UndiciTransport.fromDispatcher(dispatcher, options)

/**
 * Replaces the transport of the providers below it.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<Transport, Config.ConfigError> =>
  Layer.effect(Transport, make(options))
