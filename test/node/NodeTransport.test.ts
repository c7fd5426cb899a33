import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Duration, Effect, Fiber } from "effect"
import type { Transport } from "effect-instructor"
import { NodeTransport } from "effect-instructor/node"
import * as Http from "node:http"
import * as Https from "node:https"
import * as Net from "node:net"
import { MockAgent } from "undici"
import * as Certificate from "../support/certificate.ts"
import { echo, eventually, listen, portOf, serve } from "../transport/servers.ts"

const make = (options?: NodeTransport.Options, env: Record<string, string> = {}) =>
  NodeTransport.make(options).pipe(
    Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env }))
  )

const request = (url: string): Transport.Request => ({ url, headers: {}, body: "{}", deadline: Duration.seconds(5) })

describe("NodeTransport", () => {
  it.live("reuses connections, and opens as many as there are requests at once", () =>
    Effect.gen(function*() {
      const { seen, url } = yield* serve((_, response) => setTimeout(() => response.end("ok"), 5))
      const { send } = yield* make()
      yield* Effect.repeat(send(request(url)), { times: 20 })
      assert.strictEqual(seen.connections, 1)
      yield* Effect.replicateEffect(send(request(url)), 200, { concurrency: 20 })
      assert.strictEqual(seen.connections, 20)
    }))

  it.live("is limited by the option connections, and forgets requests that are interrupted while they wait", () =>
    Effect.gen(function*() {
      let reached = 0
      const { seen, url } = yield* serve((_, response) => {
        reached++
        setTimeout(() => response.end("ok"), 2)
      })
      const { send } = yield* make({ connections: 3 })
      const all = yield* Effect.forkChild(Effect.replicateEffect(send(request(url)), 50, { concurrency: "unbounded" }))
      yield* eventually(() => reached > 3)
      yield* Fiber.interrupt(all)
      const before = reached
      assert.lengthOf(yield* Effect.replicateEffect(send(request(url)), 50, { concurrency: "unbounded" }), 50)
      assert.isAtMost(reached, before + 53)
      assert.isAtMost(seen.connections, 9)
    }))

  it.live("closes its connections with the scope", () =>
    Effect.gen(function*() {
      const { seen, url } = yield* serve((_, response) => response.end("ok"))
      yield* Effect.scoped(Effect.gen(function*() {
        const { send } = yield* make()
        yield* send(request(url))
        assert.strictEqual(seen.closed, 0)
      }))
      yield* eventually(() => seen.closed === 1)
    }))

  it.live("replaces a connection that broke while it was idle", () =>
    Effect.gen(function*() {
      const { seen, server, url } = yield* serve((_, response) => response.end("ok"))
      const { send } = yield* make()
      assert.strictEqual((yield* send(request(url))).body, "ok")
      server.closeAllConnections()
      yield* eventually(() => seen.closed === 1)
      assert.strictEqual((yield* send(request(url))).body, "ok")
      assert.strictEqual(seen.connections, 2)
    }))

  it.live("sends a request again that meets the end of an idle connection, once, and no other", () =>
    Effect.gen(function*() {
      let requests = 0
      // Answers the first request of each connection, and closes it at the second, as a server whose patience ends.
      const server = yield* Effect.acquireRelease(
        Effect.callback<Net.Server>((resume) => {
          const server = Net.createServer((socket) => {
            let first = true
            socket.on("error", () => {}).on("data", () => {
              requests++
              if (first) socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
              else socket.destroy()
              first = false
            })
          })
          server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => server.close())
      )
      const url = `http://127.0.0.1:${portOf(server)}/`
      const { send } = yield* make()
      for (let i = 0; i < 3; i++) assert.strictEqual((yield* send(request(url))).body, "ok")
      assert.strictEqual(requests, 5)
      const { seen, url: always } = yield* serve((_, response) => response.destroy())
      assert.strictEqual((yield* Effect.flip(send(request(always)))).reason, "Connection")
      assert.strictEqual(seen.connections, 1)
    }))

  it.live("stops at maxHeaderSize", () =>
    Effect.gen(function*() {
      const { url } = yield* serve((_, response) => response.writeHead(200, { "x-long": "x".repeat(20_000) }).end("ok"))
      const { send } = yield* make({ maxHeaderSize: 10_000 })
      const error = yield* Effect.flip(send(request(url)))
      assert.deepStrictEqual([error.reason, error.limit, error.maximum], ["LimitExceeded", "maxHeaderBytes", 10_000])
    }))

  it.live("verifies certificates", () =>
    Effect.gen(function*() {
      const server = yield* listen(Https.createServer({ cert: Certificate.cert, key: Certificate.key }, echo))
      const url = `https://127.0.0.1:${portOf(server)}/`
      const strict = yield* make()
      const error = yield* Effect.flip(strict.send(request(url)))
      assert.strictEqual((error.cause as { code: string }).code, "DEPTH_ZERO_SELF_SIGNED_CERT")
      const trusting = yield* make({ connect: { ca: Certificate.cert } })
      assert.strictEqual(JSON.parse((yield* trusting.send(request(url))).body).body, "{}")
    }))

  it.live("sends through a dispatcher of undici", () =>
    Effect.gen(function*() {
      const agent = new MockAgent()
      agent.disableNetConnect()
      agent.get("http://mocked.example").intercept({ path: "/v1", method: "POST" }).reply(200, "mocked")
      const { body } = yield* NodeTransport.fromDispatcher(agent).send(request("http://mocked.example/v1"))
      assert.strictEqual(body, "mocked")
    }))

  describe("proxies", () => {
    /** A proxy that records its requests. */
    const proxy = Effect.gen(function*() {
      const asked: Array<string> = []
      const server = yield* listen(Http.createServer((request, response) => {
        asked.push(`${request.method} ${request.url} ${request.headers["proxy-authorization"] ?? ""}`.trim())
        const through = Http.request(request.url!, { method: request.method!, headers: request.headers }, (answer) => {
          response.writeHead(answer.statusCode!, answer.headers)
          answer.pipe(response)
        })
        request.pipe(through)
      }))
      server.on("connect", (request: Http.IncomingMessage, socket: Net.Socket) => {
        asked.push(`CONNECT ${request.url}`)
        const { hostname, port } = new URL(`http://${request.url}`)
        const through = Net.connect(Number(port), hostname, () => {
          socket.write("HTTP/1.1 200 OK\r\n\r\n")
          through.pipe(socket).pipe(through)
        })
        for (const end of [through, socket]) end.on("error", () => end.destroy())
      })
      return { asked, url: `http://127.0.0.1:${portOf(server)}` }
    })

    it.live("of the environment are used for their protocols", () =>
      Effect.gen(function*() {
        const { asked, url: via } = yield* proxy
        const { url } = yield* serve(echo)
        const secure = yield* listen(Https.createServer({ cert: Certificate.cert, key: Certificate.key }, echo))
        const secureUrl = `https://127.0.0.1:${portOf(secure)}/`
        const check = (env: Record<string, string>, to: string) =>
          make({ connect: { ca: Certificate.cert } }, env).pipe(
            Effect.flatMap(({ send }) => send(request(to))),
            Effect.map(({ body }) => assert.strictEqual(JSON.parse(body).body, "{}"))
          )

        yield* check({ HTTP_PROXY: via.replace("//", "//me:pass@") }, url)
        assert.deepStrictEqual(asked.splice(0), [`POST ${url} Basic ${btoa("me:pass")}`])
        yield* check({ https_proxy: via, http_proxy: "" }, secureUrl)
        assert.deepStrictEqual(asked.splice(0), [`CONNECT ${new URL(secureUrl).host}`])
        yield* check({ HTTPS_PROXY: via, HTTP_PROXY: via, NO_PROXY: "localhost,127.0.0.1" }, secureUrl)
        yield* check({ HTTPS_PROXY: via }, url)
        yield* check({ HTTP_PROXY: "", HTTPS_PROXY: "" }, url)
        assert.deepStrictEqual(asked, [])
      }))

    it.live("with an unusable URL give a ConfigError that does not contain their password", () =>
      Effect.gen(function*() {
        for (const HTTPS_PROXY of ["me:sk-secret@proxy", "ftp://me:sk-secret@proxy", "nonsense"]) {
          const error = yield* Effect.flip(make({}, { HTTPS_PROXY }))
          assert.strictEqual(error._tag, "ConfigError")
          assert.include(error.message, "HTTPS_PROXY")
          assert.notInclude(error.message, "sk-secret")
        }
      }))
  })
})
