import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Redacted } from "effect"
import { type LlmError, Usage } from "effect-instructor"
import { OpenAi } from "effect-instructor/openai"
import { Fault } from "effect-instructor/testing"
import * as http from "node:http"
import { inspect } from "node:util"
import { listen } from "../../support/listen.ts"
import { complete, person } from "../../support/people.ts"
import { bare, connect, ledger, withTransport } from "../../support/simulated.ts"

const failWith = (fault: Fault.Fault) =>
  Effect.flip(complete).pipe(Effect.provide(bare({ answer: () => fault }, { apiKey: Redacted.make("any-key") })))

describe("OpenAi errors", () => {
  for (
    const [status, error, tag, retryable] of [
      [400, { message: "bad", param: "temperature" }, "InvalidRequestError", false],
      [400, { message: "too long", code: "context_length_exceeded" }, "InvalidRequestError", false],
      [
        400,
        { message: "Invalid schema for response_format 'X': no", param: "response_format" },
        "UnsupportedSchemaError",
        false
      ],
      [400, { message: "filtered", code: "content_filter" }, "ContentPolicyError", false],
      [401, { message: "Incorrect API key provided", code: "invalid_api_key" }, "AuthenticationError", false],
      [402, { message: "pay" }, "QuotaExhaustedError", false],
      [403, { message: "not in your region" }, "AuthenticationError", false],
      [404, { message: "no such model", code: "model_not_found" }, "NotFoundError", false],
      [408, { message: "timeout" }, "InternalProviderError", true],
      [409, { message: "conflict" }, "InternalProviderError", true],
      [413, { message: "too large" }, "RequestTooLargeError", false],
      [422, { message: "unprocessable" }, "InvalidRequestError", false],
      [429, { message: "Rate limit reached", type: "requests", code: "rate_limit_exceeded" }, "RateLimitError", true],
      [429, { message: "Slow down", type: "rate_limit_error", code: "slow_down" }, "RateLimitError", true],
      [
        429,
        {
          message: "Request too large for gpt on tokens per min (TPM): Limit 30000, Requested 342389.",
          type: "tokens",
          code: "rate_limit_exceeded"
        },
        "RequestTooLargeError",
        false
      ],
      ...[
        "insufficient_quota",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "organization_usage_limit_exceeded"
      ].map((code) => [429, { message: "no money", type: code, code }, "QuotaExhaustedError", false] as const),
      [500, { message: "oops", type: "server_error" }, "InternalProviderError", true],
      [502, { message: "bad gateway" }, "InternalProviderError", true],
      [503, { message: "busy", code: "server_is_overloaded" }, "OverloadedError", true],
      [503, { message: "Slow Down", code: "slow_down" }, "RateLimitError", true],
      [504, { message: "timeout" }, "InternalProviderError", true],
      [498, { message: "no capacity" }, "OverloadedError", true],
      [529, { message: "overloaded" }, "OverloadedError", true],
      [418, { message: "teapot" }, "InvalidRequestError", false]
    ] as const
  ) {
    it.live(`reports ${status} ${"code" in error ? error.code : error.message} as ${tag}`, () =>
      Effect.gen(function*() {
        const failure = yield* failWith(Fault.error(status, error))
        assert.strictEqual(failure.reason._tag, tag)
        assert.strictEqual(failure.isRetryable, retryable)
        assert.strictEqual(failure.provider, "openai")
        assert.strictEqual(failure.status, status)
        assert.strictEqual(
          failure.code,
          ("code" in error ? error.code : "type" in error && error.type) || "invalid_request_error"
        )
        assert.match(failure.requestId ?? "", /^req_/)
      }))
  }

  it.live("stops a run for what every other request would fail with too, and for nothing else", () =>
    Effect.gen(function*() {
      const isUnrecoverable = (status: number, message = "no") =>
        Effect.map(failWith(Fault.error(status, { message })), (error) => error.isUnrecoverable)
      for (const status of [401, 402, 403, 404]) assert.isTrue(yield* isUnrecoverable(status), String(status))
      assert.isTrue(yield* isUnrecoverable(400, "Invalid schema for response_format 'X': no"))
      for (const status of [400, 408, 413, 422, 429, 500, 503]) {
        assert.isFalse(yield* isUnrecoverable(status), String(status))
      }
    }))

  it.live("distinguishes a missing key, a wrong one, and one without permission", () =>
    Effect.gen(function*() {
      const kind = (error: LlmError.LlmError) => error.reason._tag === "AuthenticationError" ? error.reason.kind : ""
      assert.strictEqual(
        kind(yield* failWith(Fault.error(401, { message: "You didn't provide an API key." }))),
        "MissingKey"
      )
      assert.strictEqual(kind(yield* failWith(Fault.error(401, { message: "wrong" }))), "InvalidKey")
      assert.strictEqual(kind(yield* failWith(Fault.error(403, { message: "no" }))), "InsufficientPermissions")
    }))

  it.live("contains the delay that the server asks for, in a header or in the message", () =>
    Effect.gen(function*() {
      const delay = (status: number, headers: Record<string, string>, message = "wait") =>
        Effect.map(
          failWith(Fault.error(status, { message, headers })),
          ({ retryAfter, serverDelay }) => {
            assert.deepStrictEqual(retryAfter, serverDelay)
            return serverDelay === undefined ? undefined : Duration.toMillis(serverDelay)
          }
        )
      assert.strictEqual(yield* delay(429, { "retry-after-ms": "250", "retry-after": "1" }), 250)
      assert.strictEqual(yield* delay(503, { "retry-after": "2.5" }), 2500)
      assert.strictEqual(yield* delay(429, {}, "Please try again in 1m2.5s."), 62_500)
      assert.isUndefined(yield* delay(429, {}))
    }))

  it.live("reports the limit that refused the request, and the state of the limits", () =>
    Effect.gen(function*() {
      const limits = (fault: Fault.Fault) =>
        Effect.map(failWith(fault), ({ limit, rateLimits }) => [limit, rateLimits] as const)
      const refused = (kind: string, limit: string) =>
        Fault.error(429, {
          type: kind,
          code: "rate_limit_exceeded",
          message: `Rate limit reached for m in organization org-1 on ${limit}, Requested 1. Please try again in 1s.`
        })
      assert.deepStrictEqual(yield* limits(refused("tokens", "tokens per min (TPM): Limit 200,000, Used 195000")), [
        "tokens",
        [{ unit: "tokens", period: "minute", limit: 200_000, remaining: 5000, resetAfter: Duration.millis(58_500) }]
      ])
      assert.deepStrictEqual(yield* limits(refused("requests", "requests per day (RPD): Limit 200, Used 200")), [
        "requests",
        [{ unit: "requests", period: "day", limit: 200, remaining: 0, resetAfter: Duration.days(1) }]
      ])
      assert.deepStrictEqual(
        yield* limits(Fault.error(429, {
          type: "requests",
          code: "rate_limit_exceeded",
          message: "no",
          headers: {
            "x-ratelimit-limit-requests": "60",
            "x-ratelimit-remaining-requests": "0",
            "x-ratelimit-reset-requests": "1m"
          }
        })),
        ["requests", [
          { unit: "requests", period: "minute", limit: 60, remaining: 0, resetAfter: Duration.minutes(1) }
        ]]
      )
      assert.deepStrictEqual(
        yield* limits(Fault.error(429, { type: "rate_limit_error", code: "slow_down", message: "Slow down" })),
        ["growth", undefined]
      )
      assert.deepStrictEqual(yield* limits(Fault.serverError), [undefined, undefined])
    }))

  it.live("follows x-should-retry over the status", () =>
    Effect.gen(function*() {
      const retryable = (status: number, should: string) =>
        Effect.map(
          failWith(Fault.error(status, { message: "no", headers: { "x-should-retry": should } })),
          (error) => error.isRetryable
        )
      assert.isFalse(yield* retryable(500, "false"))
      assert.isTrue(yield* retryable(422, "true"))
      assert.isTrue(yield* retryable(500, "true"))
    }))

  it.live("reports the page of a gateway as an InternalProviderError with a short message", () =>
    Effect.gen(function*() {
      const error = yield* failWith(Fault.badGateway)
      assert.strictEqual(error.reason._tag, "InternalProviderError")
      assert.include(error.message, "502 Bad Gateway")
      const long = yield* failWith(
        Fault.respond({ status: 502, contentType: "text/html", body: "x".repeat(100_000) })
      )
      assert.isBelow(long.message.length, 1000)
    }))

  for (
    const [name, body, contentType, said] of [
      ["no choices", "{\"choices\":[]}", "application/json", "\"choices\" is empty"],
      ["another API's answer", "{\"answer\":42}", "application/json", "Check the base URL"],
      ["a choice without a message", "{\"choices\":[{}]}", "application/json", "has no \"message\""],
      ["a page", "<html></html>", "text/html", "not JSON"],
      ["null", "null", "application/json", "the response is null, not a chat completion"],
      ["a list", "[]", "application/json", "the response is a list, not"],
      ["a number", "1e999", "application/json", "the response is a number, not"],
      ["a string", "\"hi\"", "application/json", "the response is a string, not"]
    ] as const
  ) {
    it.live(`reports a 200 with ${name} as an InvalidResponseError`, () =>
      Effect.gen(function*() {
        const error = yield* failWith(Fault.respond({ status: 200, body, contentType }))
        assert.strictEqual(error.reason._tag, "InvalidResponseError")
        assert.include(error.message, said)
      }))
  }

  for (
    const [name, body, contentType, said] of [
      ["no body", "", "application/json", "an empty body"],
      ["spaces as its body", " \n\n ", "text/plain", "an empty body"],
      ["half of its JSON", "{\"choices\":[{\"mess", "text/plain", "not valid JSON"],
      ["a word in place of JSON", "oops", "application/json", "not valid JSON"]
    ] as const
  ) {
    it.live(`retries a 200 with ${name}, as an IncompleteResponseError`, () =>
      Effect.gen(function*() {
        const error = yield* failWith(Fault.respond({ status: 200, body, contentType }))
        assert.strictEqual(error.reason._tag, "IncompleteResponseError")
        assert.isTrue(error.isRetryable)
        assert.include(error.message, said)
      }))
  }

  for (
    const [body, tag] of [
      [`{"error":{"message":"upstream timed out","code":504}}`, "InternalProviderError"],
      [`{"error":{"message":"slow down","code":429}}`, "RateLimitError"],
      [`{"error":{"message":"no such model","code":404}}`, "NotFoundError"],
      [`{"error":"out of memory"}`, "InternalProviderError"],
      [`{"error":null,"choices":[]}`, "InvalidResponseError"]
    ] as const
  ) {
    it.live(`reports the error in a 200 as ${tag}: ${body}`, () =>
      Effect.gen(function*() {
        assert.strictEqual((yield* failWith(Fault.respond({ status: 200, body }))).reason._tag, tag)
      }))
  }

  it.live("reports the usage of an answer that it cannot read", () =>
    Effect.gen(function*() {
      const body = `{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2}}`
      const error = yield* failWith(Fault.respond({ status: 200, body }))
      assert.strictEqual(error.reason._tag, "InvalidResponseError")
      assert.deepStrictEqual(error.usage, { ...Usage.zero, inputTokens: 5, outputTokens: 2 })
    }))

  it.live("suspects a base URL without /v1 when the server does not answer as Chat Completions does", () =>
    Effect.gen(function*() {
      const port = yield* listen(http.createServer((request, response) => {
        if (request.url?.startsWith("/page/") === true) response.setHeader("content-type", "text/html").end("<html>")
        else response.writeHead(404).end("404 page not found")
      }))
      const message = (path: string) =>
        Effect.flip(complete).pipe(
          Effect.map((error) => error.message),
          Effect.provide(withTransport(OpenAi.layerProvider({ baseUrl: `http://127.0.0.1:${port}${path}` })))
        )
      for (const path of ["", "/", "/page/"]) {
        assert.include(yield* message(path), `Check the base URL: http://127.0.0.1:${port}${path || "/"} has no "/v1"`)
      }
      for (const path of ["/v1", "/openai/v1beta", "/page/v1"]) {
        const shown = yield* message(path)
        assert.include(shown, "Check the base URL")
        assert.notInclude(shown, "has no")
      }
    }))

  it.live("does not suspect the base URL when the model does not exist", () =>
    Effect.gen(function*() {
      assert.notInclude(
        (yield* failWith(Fault.error(404, { message: "no such model", code: "model_not_found" }))).message,
        "base URL"
      )
    }))

  it.live("says that a key is missing when none was given", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(complete)
      assert.strictEqual(error.reason._tag === "AuthenticationError" ? error.reason.kind : "", "MissingKey")
    }).pipe(Effect.provide(bare({ answer: () => person, apiKey: "right" }))))

  for (const contentType of ["text/plain", "application/octet-stream", ""]) {
    it.live(`accepts a completion with the content type "${contentType}"`, () =>
      Effect.gen(function*() {
        assert.strictEqual((yield* complete).text, "hi")
      }).pipe(
        Effect.provide(bare({
          answer: () => Fault.respond({ status: 200, contentType, body: `{"choices":[{"message":{"content":"hi"}}]}` })
        }))
      ))
  }

  for (
    const [name, location] of [
      ["an invalid URL", "http://["],
      ["another scheme", "ftp://example.com/"],
      ["itself", "/v1/chat/completions"],
      ["nowhere", undefined]
    ] as const
  ) {
    it.live(`fails one request, not the run, for a redirect to ${name}`, () =>
      Effect.gen(function*() {
        const error = yield* failWith(
          Fault.respond({ status: 307, body: "", headers: location === undefined ? {} : { location } })
        )
        assert.strictEqual(error.reason._tag, "InvalidResponseError")
        assert.isFalse(error.isUnrecoverable)
      }))
  }

  for (
    const [name, fault] of [
      ["before the answer", Fault.drop],
      ["inside the answer", Fault.dropInside(person, { afterChunks: 2 })]
    ] as const
  ) {
    it.live(`reports a connection closed ${name} as a NetworkError`, () =>
      Effect.gen(function*() {
        const error = yield* failWith(fault)
        assert.strictEqual(error.reason._tag, "NetworkError")
        assert.isTrue(error.isRetryable)
      }))
  }

  for (const baseUrl of ["localhost:1/v1", "not a url", "http://user:password@127.0.0.1:1/v1?key=hidden"]) {
    it.live(`reports an invalid base URL as an InvalidUrlError that is not retried: ${baseUrl}`, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(complete)
        assert.strictEqual(error.reason._tag === "NetworkError" ? error.reason.reason : "", "InvalidUrlError")
        assert.isFalse(error.isRetryable)
        assert.notInclude(inspect(error, { depth: 20 }), "password")
        assert.notInclude(inspect(error, { depth: 20 }), "hidden")
      }).pipe(Effect.provide(OpenAi.layerProvider({ baseUrl }))))
  }

  it.live("fails with a NetworkError after requestTimeout if the server does not answer", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(complete)
      assert.strictEqual(error.reason._tag, "NetworkError")
      assert.include(error.message, "no answer within 100ms")
    }).pipe(Effect.provide(bare({ answer: () => Fault.hang }, { requestTimeout: "100 millis" }))))

  it.live("fails with a NetworkError after requestTimeout if the answer stops arriving", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(complete)
      assert.strictEqual(error.reason._tag, "NetworkError")
    }).pipe(
      Effect.provide(bare({ answer: () => Fault.hangInside(person, { afterChunks: 2 }) }, {
        requestTimeout: "100 millis"
      }))
    ))
})

describe("OpenAi interruption", () => {
  it.live("aborts the HTTP request when the fiber is interrupted", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(complete)
      yield* Effect.sleep("50 millis")
      assert.strictEqual((yield* ledger).inFlight, 1)
      yield* Fiber.interrupt(fiber)
      yield* Effect.sleep("50 millis")
      const { aborted, inFlight } = yield* ledger
      assert.deepStrictEqual({ aborted, inFlight }, { aborted: 1, inFlight: 0 })
    }).pipe(Effect.provide(bare({ answer: () => Fault.hang }))))
})

describe("OpenAi limits", () => {
  it.live("ends an answer that is too large in LimitExceeded, which is not retried", () =>
    Effect.gen(function*() {
      const port = yield* listen(http.createServer((request, response) => {
        response.writeHead(200, { "content-length": 65 * 1024 * 1024 }).write("{")
        request.on("close", () => response.destroy())
      }))
      const error = yield* Effect.flip(complete).pipe(
        Effect.provide(connect({ baseUrl: `http://127.0.0.1:${port}/v1` }))
      )
      assert.strictEqual(error.reason._tag, "LimitExceeded")
      assert.isFalse(error.isRetryable)
      assert.isFalse(error.isUnrecoverable)
    }))
})
