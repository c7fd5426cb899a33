import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { OpenAi } from "effect-instructor/openai"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"
import { FetchHttpClient } from "effect/http"
import * as http from "node:http"
import * as https from "node:https"
import * as net from "node:net"
import { cert, key } from "../../support/certificate.ts"
import { listen } from "../../support/listen.ts"
import { complete, person } from "../../support/people.ts"
import { bare, withTransport } from "../../support/simulated.ts"

const failTo = (baseUrl: string) =>
  Effect.flip(complete).pipe(Effect.provide(withTransport(OpenAi.layerProvider({ baseUrl }))))

/** Closes every connection after it has written this in answer to whatever comes. */
const writing = (bytes: string) =>
  net.createServer((socket) => socket.on("data", () => socket.end(bytes, "latin1")).on("error", () => {}))

describe("OpenAi connections", () => {
  it.live("reports a refused connection as a NetworkError with the URL", () =>
    Effect.gen(function*() {
      const { baseUrl } = yield* Effect.scoped(OpenAiSimulator.make({ answer: () => person }))
      const error = yield* Effect.flip(complete).pipe(Effect.provide(OpenAi.layerProvider({ baseUrl })))
      assert.strictEqual(error.reason._tag, "NetworkError")
      assert.isTrue(error.isRetryable)
      assert.include(error.message, "ECONNREFUSED")
      assert.include(error.message, `${baseUrl}/chat/completions`)
    }))

  it.live("reports an untrusted certificate as unrecoverable", () =>
    Effect.gen(function*() {
      const port = yield* listen(https.createServer({ key, cert }))
      const error = yield* failTo(`https://localhost:${port}/v1`)
      assert.strictEqual(error.reason._tag, "UnreachableError")
      assert.isFalse(error.isRetryable)
      assert.isTrue(error.isUnrecoverable)
      assert.include(error.message, "self-signed certificate")
    }))

  it.effect("reports an unknown host as unrecoverable, unless it is the target of a redirect or the server has answered", () =>
    Effect.gen(function*() {
      const notFound = (hostname: string) =>
        new TypeError("fetch failed", {
          cause: Object.assign(new Error(`getaddrinfo ENOTFOUND ${hostname}`), { code: "ENOTFOUND", hostname })
        })
      const answer = () => Response.json({ choices: [{ message: { content: "hi" } }] })
      const failLast = (...outcomes: ReadonlyArray<Error | Response>) => {
        const rest = [...outcomes]
        const fetch: typeof globalThis.fetch = () => {
          const next = rest.shift()
          return next instanceof Response ? Promise.resolve(next) : Promise.reject(next)
        }
        return Effect.flip(Effect.forEach(outcomes, () => complete)).pipe(
          Effect.provide(OpenAi.layerProvider({ baseUrl: "http://host.example/v1" })),
          Effect.provideService(FetchHttpClient.Fetch, fetch)
        )
      }
      const unknown = yield* failLast(notFound("host.example"))
      assert.strictEqual(unknown.reason._tag, "UnreachableError")
      assert.isTrue(unknown.isUnrecoverable)
      assert.include(unknown.message, "the host \"host.example\" is unknown: getaddrinfo ENOTFOUND host.example")
      for (
        const error of [yield* failLast(notFound("other.example")), yield* failLast(answer(), notFound("host.example"))]
      ) {
        assert.strictEqual(error.reason._tag, "NetworkError")
        assert.isTrue(error.isRetryable)
      }
    }))

  it.live("reports a TLS request to a port without TLS as unrecoverable", () =>
    Effect.gen(function*() {
      const port = yield* listen(http.createServer())
      const error = yield* failTo(`https://127.0.0.1:${port}/v1`)
      assert.strictEqual(error.reason._tag, "UnreachableError")
      assert.isTrue(error.isUnrecoverable)
      assert.include(error.message, "does not speak TLS on this port")
    }))

  for (
    const [name, server] of [
      ["closes it", () => https.createServer({ key, cert })],
      ["answers it with an alert", () => writing("\u0015\u0003\u0001\u0000\u0002\u0002\u0046")],
      [
        "answers it with a 400",
        () =>
          writing(
            "HTTP/1.0 400 Bad Request\r\ncontent-type: text/plain\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
          )
      ]
    ] as const
  ) {
    it.live(`reports a request without TLS to a port with TLS as unrecoverable, where the server ${name}`, () =>
      Effect.gen(function*() {
        const error = yield* failTo(`http://127.0.0.1:${yield* listen(server())}/v1`)
        assert.strictEqual(error.reason._tag, "UnreachableError")
        assert.isTrue(error.isUnrecoverable)
        assert.include(error.message, "https:")
      }))
  }

  it.live("reports a server that does not speak HTTP as unrecoverable", () =>
    Effect.gen(function*() {
      const error = yield* failTo(`http://127.0.0.1:${yield* listen(writing("SSH-2.0-OpenSSH_9.6\r\n"))}/v1`)
      assert.strictEqual(error.reason._tag, "UnreachableError")
      assert.include(error.message, "does not speak HTTP")
    }))

  it.live("retries a closed connection and nonsense once the server has answered", () =>
    Effect.gen(function*() {
      let answered = false
      const port = yield* listen(net.createServer((socket) =>
        socket.on("data", () => {
          const body = `{"choices":[{"message":{"content":"hi"}}]}`
          socket.end(answered ? "nonsense\r\n\r\n" : `HTTP/1.0 200 OK\r\n\r\n${body}`)
          answered = true
        }).on("error", () => {})
      ))
      yield* Effect.gen(function*() {
        assert.strictEqual((yield* complete).text, "hi")
        const error = yield* Effect.flip(complete)
        assert.strictEqual(error.reason._tag, "NetworkError")
        assert.isTrue(error.isRetryable)
      }).pipe(Effect.provide(withTransport(OpenAi.layerProvider({ baseUrl: `http://127.0.0.1:${port}/v1` }))))
    }))

  it.live("asks a server for TLS at most once", () =>
    Effect.gen(function*() {
      let connections = 0
      const port = yield* listen(net.createServer((socket) => {
        connections++
        socket.on("data", () => socket.end()).on("error", () => {})
      }))
      yield* Effect.gen(function*() {
        for (let i = 0; i < 3; i++) assert.isTrue((yield* Effect.flip(complete)).isRetryable)
      }).pipe(Effect.provide(withTransport(OpenAi.layerProvider({ baseUrl: `http://127.0.0.1:${port}/v1` }))))
      assert.strictEqual(connections, 4)
    }))

  for (const apiKey of ["sk-new\nline", "sk-ключ"]) {
    it.live(`reports a key that no header can contain as an AuthenticationError: ${JSON.stringify(apiKey)}`, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(complete)
        assert.strictEqual(error.reason._tag, "AuthenticationError")
        assert.isTrue(error.isUnrecoverable)
        assert.notInclude(error.message, "line")
      }).pipe(Effect.provide(bare({ answer: () => person }, { apiKey: Redacted.make(apiKey) }))))
  }
})
