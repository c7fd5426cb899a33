/** Servers on the loopback interface for the tests of transports. */
import { Effect } from "effect"
import * as Http from "node:http"
import type * as Https from "node:https"
import type * as Net from "node:net"
import { promisify } from "node:util"

export type Handler = (request: Http.IncomingMessage, response: Http.ServerResponse) => unknown

const close = (server: Http.Server | Https.Server) =>
  Effect.promise(() => {
    server.closeAllConnections()
    return promisify(server.close.bind(server))().catch(() => {})
  })

export const listen = <S extends Http.Server | Https.Server>(server: S) =>
  Effect.acquireRelease(
    Effect.callback<S>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))),
    close
  )

export const portOf = (server: Net.Server): number => (server.address() as Net.AddressInfo).port

/** A server that counts its connections. */
export const serve = Effect.fnUntraced(function*(handler: Handler) {
  const server = yield* listen(Http.createServer(handler))
  const seen = { connections: 0, closed: 0 }
  server.on("connection", (socket) => {
    seen.connections++
    socket.on("close", () => seen.closed++)
  })
  return { url: `http://127.0.0.1:${portOf(server)}/`, server, seen }
})

const read = (request: Http.IncomingMessage): Promise<Buffer> =>
  new Promise((resolve) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk) => chunks.push(chunk)).on("end", () => resolve(Buffer.concat(chunks)))
  })

export const echo: Handler = async (request, response) => {
  const { headers, method, url } = request
  const body = (await read(request)).toString("latin1")
  response.setHeader("content-type", "application/json")
  response.end(JSON.stringify({ method, url, headers, body }))
}

export const eventually = (condition: () => boolean) =>
  Effect.repeat(Effect.andThen(Effect.sleep("5 millis"), Effect.sync(condition)), { until: (done) => done })
