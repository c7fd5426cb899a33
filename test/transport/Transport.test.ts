import { assert, describe, it } from "@effect/vitest"
import { Cause, Duration, Effect, Exit, Fiber, Layer, Option, Stream } from "effect"
import { Transport } from "effect-instructor"
import { NodeTransport } from "effect-instructor/node"
import { FetchHttpClient } from "effect/http"
import type * as Http from "node:http"
import * as Zlib from "node:zlib"
import { echo, eventually, serve } from "./servers.ts"

const transports = {
  node: (options?: Transport.Options) => Layer.orDie(NodeTransport.layer(options)),
  fetch: (options?: Transport.Options) => Transport.layerFetch(options),
  HttpClient: (options?: Transport.Options) => Layer.provide(Transport.layerHttpClient(options), FetchHttpClient.layer)
}

const request = (url: string, rest?: Partial<Transport.Request>): Transport.Request => ({
  url,
  headers: { "content-type": "application/json" },
  body: "{}",
  deadline: Duration.seconds(5),
  ...rest
})

const send = (url: string, rest?: Partial<Transport.Request>) =>
  Transport.Transport.use((transport) => transport.send(request(url, rest)))

const streamed = (url: string, rest?: Partial<Transport.Request>) =>
  Effect.scoped(
    Transport.Transport.use((transport) => transport.stream(request(url, rest))).pipe(
      Effect.flatMap((response) =>
        Effect.map(Stream.mkString(Stream.decodeText(response.body)), (body) => ({ ...response, body }))
      )
    )
  )

/** Both ways to read a response. */
const ways = [send, streamed]

for (const [name, layer] of Object.entries(transports)) {
  describe(`Transport over ${name}`, () => {
    it.live("sends the method, the headers and the body, and gives status, headers and text", () =>
      Effect.gen(function*() {
        const { url } = yield* serve(echo)
        for (const way of ways) {
          const { body, headers, status } = yield* way(`${url}v1/x?y=1`, {
            body: "zoë",
            headers: { "content-type": "text/plain", "X-One": "1" }
          })
          assert.strictEqual(status, 200)
          assert.strictEqual(headers["content-type"], "application/json")
          const seen = JSON.parse(body)
          assert.deepStrictEqual([seen.method, seen.url, seen.headers["x-one"]], ["POST", "/v1/x?y=1", "1"])
          assert.strictEqual(seen.body, Buffer.from("zoë").toString("latin1"))
        }
        const bytes = yield* send(url, { method: "PUT", body: new Uint8Array([1, 255]) })
        assert.strictEqual(JSON.parse(bytes.body).body, "\u0001ÿ")
        const none = yield* send(url, { method: "GET", body: undefined })
        assert.deepStrictEqual([JSON.parse(none.body).method, JSON.parse(none.body).body], ["GET", ""])
      }).pipe(Effect.provide(layer())))

    it.live("gives any status, and headers that occur several times", () =>
      Effect.gen(function*() {
        const { url } = yield* serve((request, response) => {
          response.writeHead(Number(request.url!.slice(1)), { "X-Many": ["1", "2"], "Set-Cookie": ["a=1", "b=2"] })
          response.end(request.url === "/204" ? undefined : "\uFEFFzoë")
        })
        for (const way of ways) {
          for (const status of [200, 201, 204, 400, 401, 429, 500, 503]) {
            const response = yield* way(`${url}${status}`)
            assert.strictEqual(response.status, status)
            assert.strictEqual(response.headers["x-many"], "1, 2")
            assert.strictEqual(response.body, status === 204 ? "" : "zoë")
          }
        }
      }).pipe(Effect.provide(layer())))

    it.live("decompresses, although no compression was requested, and takes an unknown coding for none", () =>
      Effect.gen(function*() {
        const coders: Record<string, (bytes: Buffer) => Buffer> = {
          gzip: Zlib.gzipSync,
          deflate: Zlib.deflateSync,
          br: Zlib.brotliCompressSync,
          "gzip, br": (bytes) => Zlib.brotliCompressSync(Zlib.gzipSync(bytes)),
          unheard: (bytes) => bytes,
          constructor: (bytes: Buffer) => bytes
        }
        const { url } = yield* serve((request, response) => {
          const name = decodeURIComponent(request.url!.slice(1))
          response.setHeader("content-encoding", name === "broken" ? "gzip" : name)
          response.end(name === "broken" ? "not gzip" : coders[name]!(Buffer.from(`coded as ${name}`)))
        })
        for (const way of ways) {
          for (const coding of Object.keys(coders)) {
            assert.strictEqual((yield* way(url + encodeURIComponent(coding))).body, `coded as ${coding}`)
          }
          assert.strictEqual((yield* Effect.flip(way(`${url}broken`))).reason, "Connection")
        }
      }).pipe(Effect.provide(layer())))

    const mebibyte = Buffer.alloc(1024 * 1024, 32)

    it.live(
      "stops at maxResponseBytes, whether the length is announced, endless or compressed",
      () =>
        Effect.gen(function*() {
          let written = 0
          const { url } = yield* serve((request, response) => {
            response.on("error", () => {})
            if (request.url === "/announced") {
              return response.writeHead(200, { "content-length": 40 * mebibyte.length }).write(mebibyte)
            }
            if (request.url === "/bomb") {
              return response.writeHead(200, { "content-encoding": "gzip" })
                .end(Zlib.gzipSync(Buffer.alloc(40 * mebibyte.length, 32)))
            }
            const write = (): unknown => {
              while (!response.destroyed) {
                written += mebibyte.length
                if (!response.write(mebibyte)) return response.once("drain", write)
              }
              return undefined
            }
            return write()
          })
          for (const way of ways) {
            for (const path of ["announced", "endless", "bomb"]) {
              const error = yield* Effect.flip(way(`${url}${path}`))
              assert.deepStrictEqual([path, error.reason, error.limit], [path, "LimitExceeded", "maxResponseBytes"])
            }
          }
          assert.isBelow(written, 200 * mebibyte.length)
        }).pipe(Effect.provide(layer({ maxResponseBytes: 1024 * 1024 }))),
      20_000
    )

    it.live("follows a redirect within the origin, with the body", () =>
      Effect.gen(function*() {
        const { url } = yield* serve((request, response) =>
          request.url === "/there" ? echo(request, response) : response.writeHead(307, { location: "/there" }).end("go")
        )
        for (const way of ways) {
          const seen = JSON.parse((yield* way(url)).body)
          assert.deepStrictEqual([seen.url, seen.method, seen.body], ["/there", "POST", "{}"])
        }
      }).pipe(Effect.provide(layer())))

    it.live("refuses redirects to another origin, without an end, and to no URL", () =>
      Effect.gen(function*() {
        let asked = 0
        const other = yield* serve((request, response) => {
          asked++
          return echo(request, response)
        })
        const { url } = yield* serve((request, response) => {
          const location = { "/other": `${other.url}v1`, "/again": "/again", "/nowhere": "http://[" }[request.url!]
          response.writeHead(308, { location: location! }).end()
        })
        for (const way of ways) {
          for (const path of ["other", "again", "nowhere"]) {
            const error = yield* Effect.flip(way(url + path))
            assert.deepStrictEqual([path, error.reason], [path, "Redirect"])
          }
        }
        assert.strictEqual(asked, 0)
      }).pipe(Effect.provide(layer())))

    it.live("fails at the deadline, before the headers and inside a text", () =>
      Effect.gen(function*() {
        const { url } = yield* serve((request, response) => {
          if (request.url === "/inside") response.write("part")
        })
        const deadline = Duration.millis(50)
        for (const path of ["before", "inside"]) {
          const error = yield* Effect.flip(send(url + path, { deadline }))
          assert.strictEqual(error.reason, "Timeout")
          assert.include(error.message, "no answer within 50ms")
        }
        assert.strictEqual((yield* Effect.flip(streamed(`${url}before`, { deadline }))).reason, "Timeout")
      }).pipe(Effect.provide(layer())))

    it.live("aborts a request that is interrupted, before the headers and inside the body", () =>
      Effect.gen(function*() {
        let [reached, gone] = [0, 0]
        const { url } = yield* serve((request, response) => {
          reached++
          response.on("close", () => gone++)
          if (request.url === "/inside") response.write("part")
        })
        let expected = 0
        for (const way of ways) {
          for (const path of ["before", "inside"]) {
            const fiber = yield* Effect.forkChild(way(url + path))
            yield* eventually(() => reached === expected + 1)
            yield* Fiber.interrupt(fiber)
            expected++
            yield* eventually(() => gone === expected)
          }
        }
      }).pipe(Effect.provide(layer())))

    it.live("fails where the connection breaks", () =>
      Effect.gen(function*() {
        const { url } = yield* serve((request, response) => {
          if (request.url === "/before") return response.destroy()
          response.writeHead(200, { "content-length": "100" })
          return response.write("part", () => setTimeout(() => response.destroy(), 10))
        })
        for (const way of ways) {
          for (const path of ["before", "inside"]) {
            assert.strictEqual((yield* Effect.flip(way(url + path))).reason, "Connection")
          }
        }
      }).pipe(Effect.provide(layer())))

    it.live("streams bytes as they are written, and closes the connection when they are not read to the end", () =>
      Effect.gen(function*() {
        const open: Array<Http.ServerResponse> = []
        const { seen, url } = yield* serve((_, response) => {
          response.write("one")
          open.push(response)
        })
        yield* Effect.scoped(Effect.gen(function*() {
          const { body } = yield* Transport.Transport.use((transport) => transport.stream(request(url)))
          const pull = yield* Stream.toPull(Stream.decodeText(body))
          assert.deepStrictEqual(Array.from(yield* pull), ["one"])
          open[0]!.write("two")
          assert.deepStrictEqual(Array.from(yield* pull), ["two"])
          open[0]!.end()
          const exit = yield* Effect.exit(pull)
          const error = Exit.isFailure(exit) ? Cause.findErrorOption(exit.cause) : Option.none()
          assert.isTrue(Option.isSome(error) && Cause.isDone(error.value))
        }))
        yield* Effect.scoped(Transport.Transport.use((transport) => transport.stream(request(url))))
        yield* eventually(() => seen.closed === 1)
      }).pipe(Effect.provide(layer())))

    it.live("does not read faster than the stream is consumed", () =>
      Effect.gen(function*() {
        const size = 32 * mebibyte.length
        let written = 0
        const { url } = yield* serve((_, response) => {
          const write = (): unknown => {
            while (written < size) {
              written += mebibyte.length
              if (!response.write(mebibyte)) return response.once("drain", write)
            }
            return response.end()
          }
          return write()
        })
        yield* Effect.scoped(Effect.gen(function*() {
          const { body } = yield* Transport.Transport.use((transport) => transport.stream(request(url)))
          yield* Effect.sleep("50 millis")
          assert.isBelow(written, size)
          assert.strictEqual(yield* Stream.runFold(body, () => 0, (sum, chunk) => sum + chunk.length), size)
        }))
      }).pipe(Effect.provide(layer())))
  })
}
