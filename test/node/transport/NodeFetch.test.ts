import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Fiber, Layer, Schema, Stream } from "effect"
import { Batch, Extraction } from "effect-instructor"
import { NodeFetch } from "effect-instructor/node"
import { OpenAi } from "effect-instructor/openai"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"
import { FetchHttpClient, HttpClient, HttpClientRequest } from "effect/http"
import { getEventListeners } from "node:events"
import * as Http from "node:http"
import * as Https from "node:https"
import * as Net from "node:net"
import { promisify } from "node:util"
import * as Zlib from "node:zlib"
import * as Certificate from "../../support/certificate.ts"

type Handler = (request: Http.IncomingMessage, response: Http.ServerResponse) => unknown

const close = (server: Http.Server | Https.Server) =>
  Effect.promise(() => {
    server.closeAllConnections()
    return promisify(server.close.bind(server))().catch(() => {})
  })

const listen = <S extends Http.Server | Https.Server>(server: S) =>
  Effect.acquireRelease(
    Effect.callback<S>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))),
    close
  )

const portOf = (server: Net.Server): number => (server.address() as Net.AddressInfo).port

/** A server that counts its connections. */
const serve = Effect.fnUntraced(function*(handler: Handler) {
  const server = yield* listen(Http.createServer(handler))
  const seen = { connections: 0, closed: 0 }
  server.on("connection", (socket) => {
    seen.connections++
    socket.on("close", () => seen.closed++)
  })
  return { url: `http://127.0.0.1:${portOf(server)}/`, server, seen }
})

const make = (options?: NodeFetch.Options, env: Record<string, string> = {}) =>
  NodeFetch.make(options).pipe(
    Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env }))
  )

const promise = <A>(f: () => Promise<A>) => Effect.promise(f)

const rejection = (f: () => Promise<unknown>): Effect.Effect<any> =>
  Effect.promise(() => f().then(() => assert.fail("it resolved"), (error: unknown) => error))

const read = (request: Http.IncomingMessage): Promise<Buffer> =>
  new Promise((resolve) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk) => chunks.push(chunk)).on("end", () => resolve(Buffer.concat(chunks)))
  })

const echo: Handler = async (request, response) => {
  const { headers, method, url } = request
  const body = (await read(request)).toString("latin1")
  response.setHeader("content-type", "application/json")
  response.end(JSON.stringify({ method, url, headers, body }))
}

const eventually = (condition: () => boolean) =>
  Effect.repeat(Effect.andThen(Effect.sleep("5 millis"), Effect.sync(condition)), { until: (done) => done })

describe("NodeFetch", () => {
  describe("requests", () => {
    it.live("arrive with their method, path, headers and body", () =>
      Effect.gen(function*() {
        const { url } = yield* serve(echo)
        const fetch = yield* make()
        const send = (init?: RequestInit, path = "v1/x?y=1#z") =>
          promise<any>(() => fetch(url + path, init).then((response) => response.json()))

        const text = yield* send({ method: "POST", body: "zoë", headers: new Headers({ "X-One": "1", accept: "a/b" }) })
        assert.strictEqual(text.method, "POST")
        assert.strictEqual(text.url, "/v1/x?y=1")
        assert.strictEqual(text.body, Buffer.from("zoë").toString("latin1"))
        assert.strictEqual(text.headers["x-one"], "1")
        assert.strictEqual(text.headers["content-type"], "text/plain;charset=UTF-8")
        assert.strictEqual(text.headers["content-length"], "4")

        const bytes = yield* send({ method: "PUT", body: new Uint8Array([1, 255]), headers: [["content-type", "x/y"]] })
        assert.deepStrictEqual([bytes.method, bytes.body, bytes.headers["content-type"]], ["PUT", "\u0001ÿ", "x/y"])

        const none = yield* send({ headers: { "x-two": "2" } })
        assert.deepStrictEqual([none.method, none.body, none.headers["x-two"]], ["GET", "", "2"])
      }))

    it.live("accept every body that fetch accepts: forms, streams, blobs, and Request objects", () =>
      Effect.gen(function*() {
        const { url } = yield* serve(echo)
        const fetch = yield* make()
        const send = (input: string | Request, init?: RequestInit) =>
          promise<any>(() => fetch(input, init).then((response) => response.json()))

        const form = new FormData()
        form.set("purpose", "batch")
        form.set("file", new File(["{}\n"], "lines.jsonl"))
        const multipart = yield* send(url, { method: "POST", body: form })
        assert.match(multipart.headers["content-type"], /^multipart\/form-data; ?boundary=/)
        assert.include(multipart.body, `filename="lines.jsonl"`)
        assert.include(multipart.body, "batch")

        const stream = new Blob(["streamed"]).stream()
        const streamed = yield* send(url, { method: "POST", body: stream, duplex: "half" })
        assert.strictEqual(streamed.body, "streamed")
        assert.strictEqual((yield* send(url, { method: "POST", body: new Blob(["blob"]) })).body, "blob")

        const request = new Request(url, { method: "POST", body: "request", headers: { "x-three": "3" } })
        const requested = yield* send(request)
        assert.deepStrictEqual([requested.body, requested.headers["x-three"]], ["request", "3"])
      }))

    it.live("to an address where nothing listens fail like those of fetch", () =>
      Effect.gen(function*() {
        const fetch = yield* make()
        const { server, url } = yield* serve(echo)
        yield* close(server)
        const refused = yield* rejection(() => fetch(url, { method: "POST", body: "{}" }))
        assert.instanceOf(refused, TypeError)
        assert.strictEqual(refused.message, "fetch failed")
        assert.strictEqual((refused.cause as any).code, "ECONNREFUSED")
        assert.instanceOf(yield* rejection(() => fetch("no url")), TypeError)
        assert.instanceOf(yield* rejection(() => fetch("ftp://127.0.0.1/")), Error)
        const secret = yield* rejection(() => fetch("http://user:sk-secret@127.0.0.1/"))
        assert.include(secret.cause.message, "includes credentials")
        assert.notInclude(String(secret.cause), "sk-secret")
      }))
  })

  describe("responses", () => {
    it.live("are equal to those of the built-in fetch", () =>
      Effect.gen(function*() {
        const { url } = yield* serve((request, response) => {
          const { searchParams } = new URL(request.url!, "http://x")
          response.writeHead(Number(searchParams.get("status")), "As You Like", {
            "Content-Type": "text/plain",
            "X-Many": ["1", "2"],
            "Set-Cookie": ["a=1", "b=2"]
          })
          response.end(searchParams.get("body"))
        })
        const fetch = yield* make()
        const read = (send: typeof globalThis.fetch, path: string) =>
          promise(() =>
            send(url + path).then((response) =>
              response.text().then((text) => ({
                text,
                status: response.status,
                statusText: response.statusText,
                ok: response.ok,
                url: response.url,
                used: response.bodyUsed,
                many: response.headers.get("x-MANY"),
                none: response.headers.get("x-none"),
                has: response.headers.has("Content-Type"),
                cookies: response.headers.getSetCookie(),
                all: Array.from(response.headers, ([name, value]) => `${name}: ${value}`).filter((line) =>
                  !line.startsWith("date:")
                ).toSorted((one, other) => one.localeCompare(other))
              }))
            )
          )
        const bodies = ["", "zoë", "\uFEFF{}", "x".repeat(200_000)]
        for (const status of [200, 201, 204, 400, 401, 429, 500, 503]) {
          for (const body of bodies) {
            const path = `?status=${status}&body=${encodeURIComponent(body)}`
            if (path.length < 10_000) {
              assert.deepStrictEqual(yield* read(fetch, path), yield* read(globalThis.fetch, path))
            }
          }
        }
      }))

    it.live("can be read once, in any form", () =>
      Effect.gen(function*() {
        const { url } = yield* serve((_, response) => response.end(`{"a":"ä"}`))
        const fetch = yield* make()
        const get = promise(() => fetch(url))
        assert.deepStrictEqual(yield* Effect.flatMap(get, (_) => promise(() => _.json())), { a: "ä" })
        const bytes = yield* Effect.flatMap(get, (_) => promise(() => _.bytes()))
        assert.strictEqual(Buffer.from(bytes).toString(), `{"a":"ä"}`)
        const buffer = yield* Effect.flatMap(get, (_) => promise(() => _.arrayBuffer()))
        assert.strictEqual(buffer.byteLength, 10)
        const blob = yield* Effect.flatMap(get, (_) => promise(() => _.blob()))
        assert.strictEqual(blob.size, 10)

        const response = yield* get
        const clone = response.clone()
        assert.strictEqual(yield* promise(() => clone.text()), `{"a":"ä"}`)
        assert.strictEqual(yield* promise(() => response.text()), `{"a":"ä"}`)
        assert.isTrue(response.bodyUsed)
        assert.instanceOf(yield* rejection(() => response.text()), TypeError)
        assert.throws(() => response.headers.set("a", "b"), TypeError)
      }))

    it.live("of many megabytes arrive whole, with backpressure", () =>
      Effect.gen(function*() {
        const size = 32 * 1024 * 1024
        let written = 0
        const { url } = yield* serve((_, response) => {
          const chunk = Buffer.alloc(64 * 1024, 7)
          const write = () => {
            while (written < size) {
              written += chunk.length
              if (!response.write(chunk)) return response.once("drain", write)
            }
            return response.end()
          }
          write()
        })
        const fetch = yield* make()
        const response = yield* promise(() => fetch(url))
        yield* Effect.sleep("100 millis")
        assert.isBelow(written, size)
        const reader = response.body!.getReader()
        assert.isAbove((yield* promise(() => reader.read())).value!.length, 0)
        yield* Effect.sleep("100 millis")
        assert.isBelow(written, size)
        reader.releaseLock()
        let received = 0
        yield* Stream.fromReadableStream<Uint8Array, unknown>({
          evaluate: () => response.body!,
          onError: (error) => error
        }).pipe(Stream.runForEach((chunk) => Effect.sync(() => received += chunk.length)))
        assert.strictEqual(written, size)
        assert.isAbove(received, size - 1024 * 1024)

        written = 0
        const all = yield* promise(() => fetch(url).then((response) => response.bytes()))
        assert.strictEqual(all.length, size)
      }))

    it.live("arrive in chunks as they are written", () =>
      Effect.gen(function*() {
        const open: Array<Http.ServerResponse> = []
        const { url } = yield* serve((_, response) => {
          response.write("one")
          open.push(response)
        })
        const fetch = yield* make()
        const response = yield* promise(() => fetch(url))
        const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
        assert.strictEqual((yield* promise(() => reader.read())).value, "one")
        open[0]!.write("two")
        assert.strictEqual((yield* promise(() => reader.read())).value, "two")
        open[0]!.end()
        assert.isTrue((yield* promise(() => reader.read())).done)
      }))

    it.live("are decompressed, although no compression was requested", () =>
      Effect.gen(function*() {
        const coders: Record<string, (bytes: Buffer) => Buffer> = {
          gzip: Zlib.gzipSync,
          deflate: Zlib.deflateSync,
          br: Zlib.brotliCompressSync,
          zstd: Zlib.zstdCompressSync,
          "gzip, br": (bytes) => Zlib.brotliCompressSync(Zlib.gzipSync(bytes)),
          unheard: (bytes) => bytes,
          constructor: (bytes: Buffer) => bytes
        }
        const { url } = yield* serve((request, response) => {
          assert.isUndefined(request.headers["accept-encoding"])
          const name = decodeURIComponent(request.url!.slice(1))
          response.setHeader("content-encoding", name === "broken" ? "gzip" : name)
          response.end(name === "broken" ? "not gzip" : coders[name]!(Buffer.from(`coded as ${name}`)))
        })
        const fetch = yield* make()
        for (const name of Object.keys(coders)) {
          const response = yield* promise(() => fetch(url + encodeURIComponent(name)))
          assert.strictEqual(yield* promise(() => response.text()), `coded as ${name}`)
          const streamed = yield* promise(() => fetch(url + encodeURIComponent(name)))
          assert.strictEqual(yield* promise(() => new Response(streamed.body).text()), `coded as ${name}`)
        }
        const broken = yield* promise(() => fetch(`${url}broken`))
        assert.instanceOf(yield* rejection(() => broken.text()), Error)
      }))

    it.live("that redirect are followed, unless the request forbids it", () =>
      Effect.gen(function*() {
        const { url } = yield* serve((request, response) =>
          request.url === "/there" ? echo(request, response) : response.writeHead(307, { location: "/there" }).end("go")
        )
        const fetch = yield* make()
        const init = { method: "POST", body: "{}" }
        const followed: any = yield* promise(() => fetch(url, init).then((response) => response.json()))
        assert.deepStrictEqual([followed.url, followed.method, followed.body], ["/there", "POST", "{}"])
        const manual = yield* promise(() => fetch(url, { ...init, redirect: "manual" }))
        assert.deepStrictEqual([manual.status, manual.headers.get("location")], [307, "/there"])
        assert.instanceOf(yield* rejection(() => fetch(url, { ...init, redirect: "error" })), TypeError)
      }))
  })

  describe("aborts", () => {
    it.live("end a request at any point with the reason of the signal", () =>
      Effect.gen(function*() {
        let reached = 0
        let gone = 0
        const { url } = yield* serve((request, response) => {
          reached++
          response.on("close", () => gone++)
          if (request.url === "/headers") response.write("part")
        })
        const fetch = yield* make()
        const reason = new Error("enough")

        assert.strictEqual(yield* rejection(() => fetch(url, { signal: AbortSignal.abort(reason) })), reason)
        assert.strictEqual(reached, 0)

        const waiting = new AbortController()
        const rejected = rejection(() => fetch(url, { signal: waiting.signal }))
        const fiber = yield* Effect.forkChild(rejected)
        yield* eventually(() => reached === 1)
        waiting.abort(reason)
        assert.strictEqual(yield* Fiber.join(fiber), reason)
        yield* eventually(() => gone === 1)

        for (const consume of [(_: Response) => _.text(), (_: Response) => new Response(_.body).text()]) {
          const reading = new AbortController()
          const response = yield* promise(() => fetch(`${url}headers`, { signal: reading.signal }))
          const text = yield* Effect.forkChild(rejection(() => consume(response)))
          yield* Effect.sleep("10 millis")
          reading.abort(reason)
          assert.strictEqual(yield* Fiber.join(text), reason)
          assert.lengthOf(getEventListeners(reading.signal, "abort"), 0)
        }
        yield* eventually(() => gone === 3)
      }))

    it.live("end requests that are waiting for a connection", () =>
      Effect.gen(function*() {
        let reached = 0
        const open: Array<Http.ServerResponse> = []
        const { url } = yield* serve((_, response) => {
          reached++
          open.push(response)
        })
        const fetch = yield* make({ connections: 1 })
        const first = yield* Effect.forkChild(promise(() => fetch(url).then((response) => response.text())))
        yield* eventually(() => reached === 1)
        const queued = new AbortController()
        const second = yield* Effect.forkChild(rejection(() => fetch(url, { signal: queued.signal })))
        yield* Effect.sleep("10 millis")
        queued.abort()
        assert.strictEqual((yield* Fiber.join(second)).name, "AbortError")
        open[0]!.end("done")
        assert.strictEqual(yield* Fiber.join(first), "done")
        assert.strictEqual(reached, 1)
      }))

    it.live("of a body release its connection", () =>
      Effect.gen(function*() {
        const { seen, url } = yield* serve((_, response) => response.write("part"))
        const fetch = yield* make()
        const response = yield* promise(() => fetch(url))
        yield* promise(() => response.body!.cancel())
        yield* eventually(() => seen.closed === 1)
      }))
  })

  describe("lost connections", () => {
    it.live("fail requests and bodies that they interrupt", () =>
      Effect.gen(function*() {
        const { url } = yield* serve((request, response) => {
          if (request.url === "/before") return response.destroy()
          response.writeHead(200, { "content-length": "100" })
          return response.write("part", () => setTimeout(() => response.destroy(), 10))
        })
        const fetch = yield* make()
        const before = yield* rejection(() => fetch(`${url}before`, { method: "POST", body: "{}" }))
        assert.instanceOf(before, TypeError)
        assert.instanceOf(before.cause, Error)
        for (const consume of [(_: Response) => _.text(), (_: Response) => new Response(_.body).text()]) {
          const response = yield* promise(() => fetch(`${url}inside`))
          assert.instanceOf(yield* rejection(() => consume(response)), Error)
        }
      }))

    it.live("are replaced, even if they broke while idle", () =>
      Effect.gen(function*() {
        const { seen, server, url } = yield* serve((_, response) => response.end("ok"))
        const fetch = yield* make()
        const get = promise(() => fetch(url).then((response) => response.text()))
        assert.strictEqual(yield* get, "ok")
        server.closeAllConnections()
        yield* eventually(() => seen.closed === 1)
        yield* Effect.sleep("20 millis")
        assert.strictEqual(yield* get, "ok")
        assert.strictEqual(seen.connections, 2)
      }))

    it.live("report a response that is not HTTP as an error", () =>
      Effect.gen(function*() {
        const server = yield* Effect.acquireRelease(
          Effect.callback<Net.Server>((resume) => {
            const server = Net.createServer((socket) => socket.end("hello\r\n\r\n"))
            server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
          }),
          (server) => Effect.sync(() => server.close())
        )
        const fetch = yield* make()
        assert.instanceOf(yield* rejection(() => fetch(`http://127.0.0.1:${portOf(server)}/`)), TypeError)
      }))
  })

  describe("connections", () => {
    it.live("are reused, and as many are opened as are needed at once", () =>
      Effect.gen(function*() {
        const { seen, url } = yield* serve((_, response) => setTimeout(() => response.end("ok"), 5))
        const fetch = yield* make()
        const controller = new AbortController()
        const get = promise(() => fetch(url, { signal: controller.signal }).then((response) => response.text()))
        yield* Effect.repeat(get, { times: 20 })
        assert.strictEqual(seen.connections, 1)
        yield* Effect.replicateEffect(get, 200, { concurrency: 20 })
        // undici waits a turn of the event loop before it reuses a connection, so there may be two for each for a moment.
        assert.isAtMost(seen.connections, 40)
        // A signal that many requests share holds no reference to finished ones.
        assert.lengthOf(getEventListeners(controller.signal, "abort"), 0)
      }))

    it.live("are limited by the option connections", () =>
      Effect.gen(function*() {
        const { seen, url } = yield* serve((_, response) => setTimeout(() => response.end("ok"), 2))
        const fetch = yield* make({ connections: 3 })
        const get = promise(() => fetch(url).then((response) => response.text()))
        const all = yield* Effect.replicateEffect(get, 50, { concurrency: "unbounded" })
        assert.lengthOf(all, 50)
        assert.strictEqual(seen.connections, 3)
      }))

    it.live("close with the scope", () =>
      Effect.gen(function*() {
        const { seen, url } = yield* serve((_, response) => response.end("ok"))
        yield* Effect.scoped(Effect.gen(function*() {
          const fetch = yield* make()
          yield* promise(() => fetch(url).then((response) => response.text()))
          assert.strictEqual(seen.closed, 0)
        }))
        yield* eventually(() => seen.closed === 1)
      }))

    it.live("are encrypted, and verify the server", () =>
      Effect.gen(function*() {
        const server = yield* listen(Https.createServer({ cert: Certificate.cert, key: Certificate.key }, echo))
        const url = `https://127.0.0.1:${portOf(server)}/`
        const strict = yield* make()
        assert.strictEqual((yield* rejection(() => strict(url))).cause.code, "DEPTH_ZERO_SELF_SIGNED_CERT")
        const trusting = yield* make({ connect: { ca: Certificate.cert } })
        const answer: any = yield* promise(() =>
          trusting(url, { method: "POST", body: "{}" }).then((response) => response.json())
        )
        assert.strictEqual(answer.body, "{}")
      }))
  })

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
        const send = (env: Record<string, string>, to: string) =>
          Effect.flatMap(make({ connect: { ca: Certificate.cert } }, env), (fetch) =>
            promise<any>(() => fetch(to, { method: "POST", body: "{}" }).then((response) => response.json())))
        const isFine = (answer: { readonly body: string }) =>
          assert.strictEqual(answer.body, "{}")

        isFine(yield* send({ HTTP_PROXY: via.replace("//", "//me:pass@") }, url))
        assert.deepStrictEqual(asked.splice(0), [`POST ${url} Basic ${btoa("me:pass")}`])
        isFine(yield* send({ https_proxy: via, http_proxy: "" }, secureUrl))
        assert.deepStrictEqual(asked.splice(0), [`CONNECT ${new URL(secureUrl).host}`])
        isFine(yield* send({ HTTPS_PROXY: via, HTTP_PROXY: via, NO_PROXY: "localhost,127.0.0.1" }, secureUrl))
        isFine(yield* send({ HTTPS_PROXY: via }, url))
        isFine(yield* send({ HTTP_PROXY: "", HTTPS_PROXY: "" }, url))
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

  describe("layer", () => {
    it.live("sends the requests of extractions, and aborts interrupted ones", () =>
      Effect.gen(function*() {
        const simulator = yield* OpenAiSimulator.make({
          answer: ({ text }) => ({ length: text.length }),
          latency: "20 millis"
        })
        const llm = OpenAi.layer({ baseUrl: simulator.baseUrl }).pipe(Layer.provide(NodeFetch.layer()))
        const length = Extraction.make({ schema: Schema.Struct({ length: Schema.Int }) })
        const texts = Array.from({ length: 100 }, (_, i) => "x".repeat(i + 1))
        yield* Effect.gen(function*() {
          const all = yield* Batch.all(length, texts, { concurrency: 50 })
          assert.deepStrictEqual(all.map(({ length }) => length), texts.map((text) => text.length))
          const fiber = yield* Effect.forkChild(Extraction.extract(length, "x"))
          yield* Effect.repeat(simulator.ledger, { until: ({ inFlight }) => inFlight === 1 })
          yield* Fiber.interrupt(fiber)
          yield* Effect.repeat(simulator.ledger, { until: ({ aborted }) => aborted === 1 })
        }).pipe(Effect.provide(llm))
      }))

    it.live("serves the HTTP client of Effect", () =>
      Effect.gen(function*() {
        const { url } = yield* serve(echo)
        const body: any = yield* HttpClientRequest.post(url).pipe(
          HttpClientRequest.bodyJsonUnsafe({ a: 1 }),
          HttpClient.execute,
          Effect.flatMap((response) => response.json),
          Effect.provide(FetchHttpClient.layer.pipe(Layer.provideMerge(NodeFetch.layer())))
        )
        assert.strictEqual(body.body, `{"a":1}`)
      }))
  })
})
