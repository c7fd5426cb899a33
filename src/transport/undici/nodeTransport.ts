/** The transport of Node, through the proxies of the environment. */
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type { Transport } from "../Transport.ts"
import { TransportError } from "../TransportError.ts"
import type { Library } from "./library.ts"
import * as UndiciTransport from "./undiciTransport.ts"

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

export const make = (
  library: Library,
  options?: UndiciTransport.Options
): Effect.Effect<Transport["Service"], Config.ConfigError, Scope.Scope> =>
  Effect.flatMap(readProxies, (proxies) => {
    if (proxies.httpProxy === "" && proxies.httpsProxy === "") return UndiciTransport.make(library, options)
    return Effect.map(
      Effect.acquireRelease(
        Effect.sync(() => {
          const EnvHttpProxyAgent = library.EnvHttpProxyAgent()
          return new EnvHttpProxyAgent({
            ...UndiciTransport.clientOptions(options),
            ...(options?.connections !== undefined && { connections: options.connections }),
            ...(typeof options?.connect === "object" && { requestTls: options.connect }),
            ...proxies
          })
        }),
        (dispatcher) => Effect.promise(() => dispatcher.destroy())
      ),
      (dispatcher) => UndiciTransport.fromDispatcher(dispatcher, options)
    )
  })

/** Like `make`, but a proxy that is no URL fails each request instead of the layer. */
export const makeTolerant = (library: Library): Effect.Effect<Transport["Service"], never, Scope.Scope> =>
  make(library).pipe(
    Effect.catch((error) => {
      const failure = Effect.fail(
        new TransportError({ reason: "Connection", description: error.message, cause: error })
      )
      return Effect.succeed({ send: () => failure, stream: () => failure })
    })
  )
