/** A simulator that listens until its scope closes. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import type * as HttpServerError from "effect/http/HttpServerError"
import type * as Scope from "effect/Scope"
import * as Http from "node:http"
import type { OpenAiSimulator, Options } from "../OpenAiSimulator.ts"
import * as Server from "./server.ts"
import type { Speaker } from "./speaker.ts"

export const start = (
  options: Options,
  speaker: Speaker,
  more?: (options: Options) => Effect.Effect<Server.Handler, never, Scope.Scope>
): Effect.Effect<OpenAiSimulator["Service"], HttpServerError.ServeError, Scope.Scope> =>
  Effect.gen(function*() {
    const node = Http.createServer()
    const server = yield* NodeHttpServer.make(() => node, {
      host: "127.0.0.1",
      port: options.port ?? 0,
      disablePreemptiveShutdown: true
    })
    // Requests that hang would keep the server from closing for as long as their clients wait.
    yield* Effect.addFinalizer(() => Effect.sync(() => node.closeAllConnections()))
    const { app, control } = Server.make(options, speaker, more === undefined ? undefined : yield* more(options))
    yield* HttpServer.serveEffect(app).pipe(Effect.provideService(HttpServer.HttpServer, server))
    return { baseUrl: `${HttpServer.formatAddress(server.address)}${speaker.basePath}`, ...control }
  })
