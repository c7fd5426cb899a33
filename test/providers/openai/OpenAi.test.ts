import { assert, describe, it } from "@effect/vitest"
import { Config, ConfigProvider, Duration, Effect, Exit, Fiber, Layer, Redacted, Schema, Stream } from "effect"
import { Extraction, ExtractionError, Llm, type LlmRequest, Usage } from "effect-instructor"
import { OpenAi } from "effect-instructor/openai"
import { Fault, Reply } from "effect-instructor/testing"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"
import type { AiError } from "effect/ai"
import { FetchHttpClient } from "effect/http"
import { inspect } from "node:util"
import { AzureOpenAI, OpenAI } from "openai"
import { parseGoDuration, parseRetryAfter } from "../../../src/providers/openai/internal/rateLimit.ts"
import { bare, governed, ledger } from "../../support/simulated.ts"

const Person = Schema.Struct({ name: Schema.String, age: Schema.Int })
const person = { name: "Ada", age: 36 }

const request: LlmRequest.LlmRequest = {
  model: "test-model",
  messages: [{ role: "user", content: "I am Ada" }],
  output: {
    mode: "json_schema",
    name: "Person",
    jsonSchema: {
      type: "object",
      properties: { name: { type: "string" } },
      required: ["name"],
      additionalProperties: false
    }
  },
  parameters: {}
}

const complete = Llm.Llm.use((llm) => llm.complete(request))

const failWith = (fault: Fault.Fault) => Effect.flip(complete).pipe(Effect.provide(bare({ answer: () => fault })))

const metadata = (error: AiError.AiError): any => "metadata" in error.reason ? error.reason.metadata : {}

describe("OpenAi", () => {
  describe("requests", () => {
    it.live("ask in each mode the way Chat Completions has it", () =>
      Effect.gen(function*() {
        for (const mode of ["json_schema", "tools", "json", "markdown"] as const) {
          yield* Extraction.extract(
            Extraction.make({ schema: Person, mode, description: "someone" }),
            "I am Ada"
          )
        }
        const bodies = (yield* ledger).entries.map(({ request }) => request.body as any)
        const schema = {
          type: "object",
          properties: { name: { type: "string" }, age: { type: "integer" } },
          required: ["name", "age"],
          additionalProperties: false
        }
        assert.deepStrictEqual(bodies[0].response_format, {
          type: "json_schema",
          json_schema: { name: "Response", description: "someone", schema, strict: true }
        })
        assert.deepStrictEqual(bodies[1].tools, [{
          type: "function",
          function: { name: "Response", description: "someone", parameters: schema, strict: true }
        }])
        assert.deepStrictEqual(bodies[1].tool_choice, { type: "function", function: { name: "Response" } })
        assert.strictEqual(bodies[1].parallel_tool_calls, false)
        assert.deepStrictEqual(bodies[2].response_format, { type: "json_object" })
        assert.strictEqual(bodies[3].response_format, undefined)
        assert.deepStrictEqual(bodies.map(({ model }) => model), Array.from({ length: 4 }, () => OpenAi.defaultModel))
      }).pipe(Effect.provide(bare({ answer: () => person }))))

    it.live("carry every parameter, and what else is asked to go along", () =>
      Effect.gen(function*() {
        yield* Extraction.extract(
          Extraction.make({
            schema: Person,
            model: "large",
            parameters: {
              maxTokens: 100,
              temperature: 0,
              topP: 0.9,
              seed: 7,
              stop: ["END"],
              frequencyPenalty: 0.1,
              presencePenalty: 0.2,
              reasoningEffort: "low",
              verbosity: "low",
              serviceTier: "flex",
              promptCacheKey: "people",
              extra: { top_k: 5 }
            }
          }),
          "I am Ada"
        )
        const { messages: _, response_format: __, ...rest } = (yield* ledger).entries[0]!.request.body
        assert.deepStrictEqual(rest, {
          model: "large",
          max_completion_tokens: 100,
          temperature: 0,
          top_p: 0.9,
          seed: 7,
          stop: ["END"],
          frequency_penalty: 0.1,
          presence_penalty: 0.2,
          reasoning_effort: "low",
          verbosity: "low",
          service_tier: "flex",
          prompt_cache_key: "people",
          top_k: 5
        })
      }).pipe(Effect.provide(bare({ answer: () => person }))))

    for (const mode of ["json_schema", "tools", "json", "markdown"] as const) {
      it.live(`begin alike for all inputs of an extraction, so that the provider's prompt cache helps: ${mode}`, () =>
        Effect.gen(function*() {
          const extraction = Extraction.make({ schema: Person, mode, prompt: (text: string) => text })
          yield* Effect.result(Extraction.extract(extraction, "I am Ada"))
          yield* Effect.result(Extraction.extract(extraction, "Me, I am Alan"))
          const [{ messages: first, ...one }, { messages: second, ...other }] = (yield* ledger).entries
            .map(({ request }) => request.body) as [Record<string, unknown>, Record<string, unknown>]
          assert.deepStrictEqual(JSON.stringify(one), JSON.stringify(other))
          assert.deepStrictEqual((first as Array<unknown>).slice(0, -1), (second as Array<unknown>).slice(0, -1))
          assert.deepStrictEqual((second as Array<unknown>).at(-1), { role: "user", content: "Me, I am Alan" })
        }).pipe(Effect.provide(bare({ answer: () => person }))))
    }

    it.live("carry files as the parts the protocol has for them", () =>
      Effect.gen(function*() {
        const bytes = new Uint8Array([1, 2, 3])
        yield* Extraction.extract(Person, [{
          role: "user",
          content: [
            { type: "text", text: "Who?" },
            { type: "file", mediaType: "image/png", data: new URL("https://example.com/a.png") },
            { type: "file", mediaType: "application/pdf", fileName: "cv.pdf", data: bytes },
            { type: "file", mediaType: "audio/mpeg", data: bytes }
          ]
        }])
        const { messages } = (yield* ledger).entries[0]!.request.body as any
        assert.deepStrictEqual(messages[1].content, [
          { type: "text", text: "Who?" },
          { type: "image_url", image_url: { url: "https://example.com/a.png" } },
          { type: "file", file: { filename: "cv.pdf", file_data: "data:application/pdf;base64,AQID" } },
          { type: "input_audio", input_audio: { data: "AQID", format: "mp3" } }
        ])
        const error = yield* Effect.flip(Extraction.extract(Person, [{
          role: "user",
          content: [{ type: "file", mediaType: "application/pdf", data: new URL("https://example.com/a.pdf") }]
        }]))
        assert.include(error.message, "Download it")
        assert.strictEqual((yield* ledger).requests, 1)
      }).pipe(Effect.provide(bare({ answer: () => person }))))
  })

  describe("completions", () => {
    it.live("tell everything the response does", () =>
      Effect.gen(function*() {
        const completion = yield* complete
        assert.deepStrictEqual(completion, {
          id: "chatcmpl-0",
          model: "test-model",
          text: JSON.stringify(person),
          toolCalls: [],
          finishReason: "stop",
          usage: { ...Usage.zero, inputTokens: 11, outputTokens: 7, unpriced: 1 },
          serviceTier: "default",
          rateLimit: {
            requests: { limit: 600, remaining: 599, resetAfter: Duration.millis(100) },
            tokens: { limit: 6000, remaining: 5975, resetAfter: Duration.millis(250) }
          }
        })
      }).pipe(
        Effect.provide(bare({
          answer: () => Reply.withUsage(person, { inputTokens: 11, outputTokens: 7 }),
          limits: { requestsPerMinute: 600, tokensPerMinute: 6000 }
        }))
      ))

    for (
      const [name, body, expected] of [
        ["cached and reasoning tokens", {
          usage: {
            prompt_tokens: 10,
            completion_tokens: 5,
            prompt_tokens_details: { cached_tokens: 8, cache_write_tokens: 1 },
            completion_tokens_details: { reasoning_tokens: 3 }
          }
        }, {
          usage: {
            ...Usage.zero,
            inputTokens: 10,
            cachedInputTokens: 8,
            cacheWriteTokens: 1,
            outputTokens: 5,
            reasoningTokens: 3,
            unpriced: 1
          }
        }],
        ["no usage", {}, { usage: Usage.unreported }],
        ["absurd usage", { usage: { prompt_tokens: -1, completion_tokens: "5" } }, { usage: Usage.unreported }],
        ["text in parts", { message: { content: [{ type: "text", text: "a" }, { type: "text", text: "b" }] } }, {
          text: "ab"
        }],
        ["arguments as an object, and no id", {
          message: { content: null, tool_calls: [{ function: { name: "f", arguments: { a: 1 } } }] },
          finish_reason: "tool_calls"
        }, { toolCalls: [{ id: "call_0", name: "f", arguments: "{\"a\":1}" }], finishReason: "tool-calls" }],
        ["a finish reason of its own", { finish_reason: "eos" }, { finishReason: "other" }]
      ] as const
    ) {
      it.live(`read what compatible servers send: ${name}`, () =>
        Effect.gen(function*() {
          const completion = yield* complete
          for (const [key, value] of Object.entries(expected)) {
            assert.deepStrictEqual(completion[key as keyof typeof completion], value as never)
          }
        }).pipe(
          Effect.provide(bare({
            answer: () => {
              const { message, finish_reason, ...rest } = {
                message: { content: "{}" },
                finish_reason: "stop",
                ...body
              } as any
              return Fault.respond({
                status: 200,
                body: JSON.stringify({ choices: [{ message, finish_reason }], ...rest })
              })
            }
          }))
        ))
    }
  })

  describe("errors", () => {
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
        [404, { message: "no such model", code: "model_not_found" }, "InvalidRequestError", false],
        [408, { message: "timeout" }, "InternalProviderError", true],
        [409, { message: "conflict" }, "InternalProviderError", true],
        [413, { message: "too large" }, "InvalidRequestError", false],
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
          "InvalidRequestError",
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
        [503, { message: "busy", code: "server_is_overloaded" }, "InternalProviderError", true],
        [504, { message: "timeout" }, "InternalProviderError", true],
        [529, { message: "overloaded" }, "InternalProviderError", true],
        [418, { message: "teapot" }, "InvalidRequestError", false]
      ] as const
    ) {
      it.live(`${status} ${"code" in error ? error.code : error.message} is ${tag}`, () =>
        Effect.gen(function*() {
          const failure = yield* failWith(Fault.error(status, error))
          assert.strictEqual(failure.reason._tag, tag)
          assert.strictEqual(failure.isRetryable, retryable)
          assert.strictEqual(metadata(failure)["openai"].status, status)
        }))
    }

    it.live("says what was missing: a key, or the right one", () =>
      Effect.gen(function*() {
        const kind = (error: AiError.AiError) => error.reason._tag === "AuthenticationError" ? error.reason.kind : ""
        assert.strictEqual(
          kind(yield* failWith(Fault.error(401, { message: "You didn't provide an API key." }))),
          "MissingKey"
        )
        assert.strictEqual(kind(yield* failWith(Fault.error(401, { message: "wrong" }))), "InvalidKey")
        assert.strictEqual(kind(yield* failWith(Fault.error(403, { message: "no" }))), "InsufficientPermissions")
      }))

    it.live("keeps the wait the server asks for, wherever it says so", () =>
      Effect.gen(function*() {
        const wait = (status: number, headers: Record<string, string>, message = "wait") =>
          Effect.map(failWith(Fault.error(status, { message, headers })), (error) => ({
            onError: error.retryAfter === undefined ? undefined : Duration.toMillis(error.retryAfter),
            inMetadata: metadata(error)["effect-instructor"]?.retryAfterMillis
          }))
        assert.deepStrictEqual(yield* wait(429, { "retry-after-ms": "250", "retry-after": "1" }), {
          onError: 250,
          inMetadata: 250
        })
        assert.deepStrictEqual(yield* wait(503, { "retry-after": "2.5" }), { onError: undefined, inMetadata: 2500 })
        assert.deepStrictEqual(yield* wait(429, {}, "Please try again in 1m2.5s."), {
          onError: 62_500,
          inMetadata: undefined
        })
        assert.deepStrictEqual(yield* wait(429, {}), { onError: undefined, inMetadata: undefined })
      }))

    it.live("say which limit it was, and how much of it is left", () =>
      Effect.gen(function*() {
        const signal = (fault: Fault.Fault) =>
          Effect.map(failWith(fault), (error) => metadata(error)["effect-instructor"])
        const refused = (kind: string, limit: string) =>
          Fault.error(429, {
            type: kind,
            code: "rate_limit_exceeded",
            message: `Rate limit reached for m in organization org-1 on ${limit}, Requested 1. Please try again in 1s.`
          })
        assert.deepStrictEqual(yield* signal(refused("tokens", "tokens per min (TPM): Limit 200,000, Used 195663")), {
          limitKind: "tokens",
          tokens: { limit: 200_000, remaining: 4337 }
        })
        // A day's limit is no minute's.
        assert.deepStrictEqual(yield* signal(refused("requests", "requests per day (RPD): Limit 200, Used 200")), {
          limitKind: "requests"
        })
        assert.deepStrictEqual(
          yield* signal(Fault.error(429, {
            type: "requests",
            code: "rate_limit_exceeded",
            message: "no",
            headers: { "x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "0" }
          })),
          { limitKind: "requests", requests: { limit: 60, remaining: 0 } }
        )
        assert.deepStrictEqual(
          yield* signal(Fault.error(429, { type: "rate_limit_error", code: "slow_down", message: "Slow down" })),
          { limitKind: "slow_down" }
        )
        assert.deepStrictEqual(yield* signal(Fault.overloaded), { overloaded: true })
        assert.isUndefined(yield* signal(Fault.serverError))
      }))

    it.live("does as x-should-retry says", () =>
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

    it.live("a gateway's page is an error of the gateway, shown in short", () =>
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
        ["nothing", "", "application/json", "an empty body"],
        ["half of its JSON", "{\"choices\":[{\"mess", "application/json", "not valid JSON"],
        ["null", "null", "application/json", "empty body"]
      ] as const
    ) {
      it.live(`a 200 with ${name} is an InvalidResponseError`, () =>
        Effect.gen(function*() {
          const error = yield* failWith(Fault.respond({ status: 200, body, contentType }))
          assert.strictEqual(error.reason._tag, "InvalidResponseError")
          assert.include(error.message, said)
        }))
    }

    for (
      const [name, fault] of [
        ["before the answer", Fault.drop],
        ["inside the answer", Fault.dropInside(person, { afterChunks: 2 })]
      ] as const
    ) {
      it.live(`a connection closed ${name} is a NetworkError`, () =>
        Effect.gen(function*() {
          const error = yield* failWith(fault)
          assert.strictEqual(error.reason._tag, "NetworkError")
          assert.isTrue(error.isRetryable)
        }))
    }

    it.live("a server that is not there is a NetworkError that names it", () =>
      Effect.gen(function*() {
        const { baseUrl } = yield* Effect.scoped(OpenAiSimulator.make({ answer: () => person }))
        const error = yield* Effect.flip(complete).pipe(Effect.provide(OpenAi.layerProvider({ baseUrl })))
        assert.strictEqual(error.reason._tag, "NetworkError")
        assert.isTrue(error.isRetryable)
        assert.include(error.message, "ECONNREFUSED")
        assert.include(error.message, `${baseUrl}/chat/completions`)
      }))

    for (const baseUrl of ["localhost:1/v1", "not a url", "http://user:password@127.0.0.1:1/v1?key=hidden"]) {
      it.live(`a base URL that is none is an InvalidUrlError, never retried: ${baseUrl}`, () =>
        Effect.gen(function*() {
          const error = yield* Effect.flip(complete)
          assert.strictEqual(error.reason._tag === "NetworkError" ? error.reason.reason : "", "InvalidUrlError")
          assert.isFalse(error.isRetryable)
          assert.notInclude(inspect(error, { depth: 20 }), "password")
          assert.notInclude(inspect(error, { depth: 20 }), "hidden")
        }).pipe(Effect.provide(OpenAi.layerProvider({ baseUrl }))))
    }

    it.live("a server that never answers is a NetworkError after requestTimeout", () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(complete)
        assert.strictEqual(error.reason._tag, "NetworkError")
        assert.include(error.message, "no answer within 100ms")
      }).pipe(Effect.provide(bare({ answer: () => Fault.hang }, { requestTimeout: "100 millis" }))))

    it.live("an answer that stops in its middle is a NetworkError after requestTimeout too", () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(complete)
        assert.strictEqual(error.reason._tag, "NetworkError")
      }).pipe(
        Effect.provide(bare({ answer: () => Fault.hangInside(person, { afterChunks: 2 }) }, {
          requestTimeout: "100 millis"
        }))
      ))
  })

  describe("secrets", () => {
    const key = "sk-test-0123456789-secret"

    it.live("appear in no error, message or inspection", () =>
      Effect.gen(function*() {
        const failures = [
          Fault.error(401, { message: `Incorrect API key provided: ${key}.`, code: "invalid_api_key" }),
          Fault.error(400, { message: `bad header Authorization: Bearer ${key}` }),
          Fault.respond({ status: 502, contentType: "text/html", body: `<p>Bearer ${key}</p>` })
        ]
        for (const fault of failures) {
          const error = yield* Effect.flip(Extraction.extract(Person, "text")).pipe(
            Effect.provide(bare({ answer: () => fault }, { apiKey: Redacted.make(key) }))
          )
          const exit = Exit.fail(error)
          for (
            const shown of [
              error.message,
              String(error),
              inspect(error, { depth: 20 }),
              inspect(exit, { depth: 20 }),
              JSON.stringify(error)
            ]
          ) {
            assert.notInclude(shown, key)
            assert.notInclude(shown, "0123456789")
          }
        }
      }))

    it.live("are sent to the server and shown by no service", () =>
      Effect.gen(function*() {
        const llm = yield* Llm.Llm
        assert.deepStrictEqual((yield* complete).text, JSON.stringify(person))
        assert.notInclude(inspect(llm, { depth: 20, showHidden: true }), "0123456789")
      }).pipe(Effect.provide(bare({ answer: () => person, apiKey: key }, { apiKey: Redacted.make(key) }))))

    it.live("OpenAI's own quotation of a wrong key is cut as well", () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(complete)
        assert.include(error.message, "Incorrect API key provided: <redacted>")
      }).pipe(
        Effect.provide(bare({ answer: () => person, apiKey: "sk-the-right-one" }, { apiKey: Redacted.make(key) }))
      ))
  })

  describe("interruption", () => {
    it.live("aborts the request", () =>
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

  describe("streams", () => {
    const collect = Llm.Llm.use((llm) => Stream.runCollect(llm.stream(request)))

    it.live("arrive in pieces, down to single bytes, and end with the whole", () =>
      Effect.gen(function*() {
        const text = JSON.stringify({ name: "Ädä 🦄 \"x\"" })
        for (const fragmentSize of [undefined, 1, 3, 64]) {
          const parts = yield* collect.pipe(
            Effect.provide(bare({ answer: () => text, chunkSize: 2, fragmentSize }))
          )
          const deltas = parts.flatMap((part) => part._tag === "TextDelta" ? [part.delta] : [])
          assert.strictEqual(deltas.join(""), text)
          assert.isAbove(deltas.length, 5)
          const last = parts.at(-1)!
          assert.strictEqual(last._tag === "Finish" ? last.completion.text : "", text)
          assert.isAbove(last._tag === "Finish" ? last.completion.usage.outputTokens : 0, 0)
        }
      }))

    it.live("carry the arguments of a tool, and a refusal", () =>
      Effect.gen(function*() {
        const tools = { ...request, output: { ...request.output, mode: "tools" as const } }
        const parts = yield* Llm.Llm.use((llm) => Stream.runCollect(llm.stream(tools))).pipe(
          Effect.provide(bare({ answer: () => person }))
        )
        assert.strictEqual(
          parts.flatMap((part) => part._tag === "ToolArgumentsDelta" ? [part.delta] : []).join(""),
          JSON.stringify(person)
        )
        const last = parts.at(-1)!
        assert.deepStrictEqual(last._tag === "Finish" ? last.completion.toolCalls : [], [
          { id: "call_chatcmpl-0", name: "Person", arguments: JSON.stringify(person) }
        ])
        const [refused] = yield* collect.pipe(Effect.provide(bare({ answer: () => Reply.refusal("No.") })))
        assert.strictEqual(refused?._tag === "Finish" ? refused.completion.refusal : "", "No.")
      }))

    for (
      const [name, fault, tag] of [
        ["a refused request", Fault.insufficientQuota, "QuotaExhaustedError"],
        ["a connection closed inside the stream", Fault.dropInside(person, { afterChunks: 3 }), "NetworkError"],
        [
          "a stream that ends before the answer",
          Fault.respond({
            status: 200,
            contentType: "text/event-stream",
            body: "data: {\"choices\":[{\"delta\":{\"content\":\"{\"}}]}\n\n"
          }),
          "NetworkError"
        ],
        [
          "an error inside the stream",
          Fault.respond({
            status: 200,
            contentType: "text/event-stream",
            body: "data: {\"error\":{\"message\":\"oops\",\"type\":\"server_error\"}}\n\n"
          }),
          "InternalProviderError"
        ],
        [
          "nonsense inside the stream",
          Fault.respond({
            status: 200,
            contentType: "text/event-stream",
            body: "data: {oops\n\n"
          }),
          "InvalidResponseError"
        ]
      ] as const
    ) {
      it.live(`fail typed: ${name}`, () =>
        Effect.gen(function*() {
          assert.strictEqual((yield* Effect.flip(collect)).reason._tag, tag)
        }).pipe(Effect.provide(bare({ answer: () => fault }))))
    }

    it.live("are aborted when their consumer has enough", () =>
      Effect.gen(function*() {
        const parts = yield* Llm.Llm.use((llm) => Stream.runCollect(Stream.take(llm.stream(request), 2)))
        assert.strictEqual(parts.length, 2)
        yield* Effect.sleep("50 millis")
        assert.strictEqual((yield* ledger).inFlight, 0)
      }).pipe(Effect.provide(bare({ answer: () => "x".repeat(1000), chunkDelay: "5 millis" }))))
  })

  describe("layers", () => {
    const withEnv = (env: Record<string, string>) => ConfigProvider.layer(ConfigProvider.fromEnv({ env }))

    const sentTo = (layer: Layer.Layer<Llm.Llm, Config.ConfigError>, env: Record<string, string>) => {
      const seen: Array<{ readonly url: string; readonly authorization: string | null; readonly model: string }> = []
      const fetch: typeof globalThis.fetch = (input, init) => {
        const { model } = JSON.parse(init?.body as string)
        seen.push({ url: input as string, authorization: new Headers(init?.headers).get("authorization"), model })
        const body = JSON.stringify({
          choices: [{ message: { content: JSON.stringify(person) }, finish_reason: "stop" }]
        })
        return Promise.resolve(new Response(body, { headers: { "content-type": "application/json" } }))
      }
      return Extraction.extract(Person, "text").pipe(
        Effect.provide(layer.pipe(Layer.provide([withEnv(env), Layer.succeed(FetchHttpClient.Fetch, fetch)]))),
        Effect.map(() => seen[0]!)
      )
    }

    it.effect("layerConfig reads the environment", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(
          yield* sentTo(OpenAi.layerConfig(), {
            OPENAI_API_KEY: "sk-1",
            OPENAI_BASE_URL: "http://localhost:1/v1",
            OPENAI_MODEL: "mine"
          }),
          { url: "http://localhost:1/v1/chat/completions", authorization: "Bearer sk-1", model: "mine" }
        )
        assert.deepStrictEqual(yield* sentTo(OpenAi.layerConfig(), { OPENAI_API_KEY: "sk-1" }), {
          url: "https://api.openai.com/v1/chat/completions",
          authorization: "Bearer sk-1",
          model: OpenAi.defaultModel
        })
      }))

    it.effect("layerConfig takes other names, and needs no key for a server of one's own", () =>
      Effect.gen(function*() {
        const layer = OpenAi.layerConfig({
          apiKey: Config.Redacted("MY_KEY"),
          baseUrl: Config.succeed("http://localhost:1/v1")
        })
        assert.strictEqual((yield* sentTo(layer, { MY_KEY: "sk-2" })).authorization, "Bearer sk-2")
        assert.strictEqual((yield* sentTo(layer, {})).url, "http://localhost:1/v1/chat/completions")
      }))

    it.effect("layerConfig says which variable is missing", () =>
      Effect.gen(function*() {
        for (const env of [{}, { OPENAI_API_KEY: "" }]) {
          const error = yield* Effect.flip(sentTo(OpenAi.layerConfig(), env as Record<string, string>))
          assert.include(String(error), "OPENAI_API_KEY")
        }
      }))

    it.live("layer retries, layerProvider does not", () =>
      Effect.gen(function*() {
        const flaky = ({ index }: OpenAiSimulator.SimulatedRequest) =>
          index === 0 ? Fault.rateLimited("1 millis") : person
        const extract = Extraction.extract(Person, "text")
        const governor = { baseDelay: "1 millis" } as const
        assert.deepStrictEqual(yield* extract.pipe(Effect.provide(governed({ answer: flaky }, { governor }))), person)
        const result = yield* Effect.result(extract).pipe(Effect.provide(bare({ answer: flaky })))
        assert.instanceOf(
          result._tag === "Failure" ? result.failure.reason : undefined,
          ExtractionError.ProviderFailure
        )
      }))

    it.live("layerClient takes a client that is ready, with its retries off", () =>
      Effect.gen(function*() {
        const simulator = yield* OpenAiSimulator.OpenAiSimulator
        const client = new OpenAI({ apiKey: "k", baseURL: simulator.baseUrl, maxRetries: 5 })
        const error = yield* Effect.flip(
          Extraction.extract(Person, "text").pipe(
            Effect.provide(OpenAi.layerClient(client, { model: "mine", governor: { maxRetries: 0 } }))
          )
        )
        assert.strictEqual(error.reason._tag, "ProviderFailure")
        const { entries, requests } = yield* simulator.ledger
        assert.strictEqual(requests, 1)
        assert.strictEqual(entries[0]!.request.model, "mine")
      }).pipe(Effect.provide(OpenAiSimulator.layer({ answer: () => Fault.serverError }))))

    it.effect("layerClient takes an Azure client", () =>
      Effect.gen(function*() {
        let url = ""
        const client = new AzureOpenAI({
          apiKey: "k",
          apiVersion: "2026-01-01",
          endpoint: "https://example.openai.azure.com",
          fetch: (input) => {
            url = input as string
            const body = JSON.stringify({
              choices: [{ message: { content: JSON.stringify(person) }, finish_reason: "stop" }]
            })
            return Promise.resolve(new Response(body, { headers: { "content-type": "application/json" } }))
          }
        })
        yield* Extraction.extract(Person, "text").pipe(
          Effect.provide(OpenAi.layerClient(client, { model: "my-deployment", provider: "azure.ai.openai" }))
        )
        assert.strictEqual(
          url,
          "https://example.openai.azure.com/openai/deployments/my-deployment/chat/completions?api-version=2026-01-01"
        )
      }))
  })
})

describe("headers", () => {
  it("durations as Go prints them", () => {
    const millis = (text: string) => {
      const duration = parseGoDuration(text)
      return duration === undefined ? undefined : Duration.toMillis(duration)
    }
    assert.deepStrictEqual(
      ["12ms", "9ms", "1s", "1.5s", "6m0s", "1h2m3s", "1d", "0s", "", "5", "1s!", "-1s"].map(millis),
      [12, 9, 1000, 1500, 360_000, 3_723_000, 86_400_000, 0, undefined, undefined, undefined, undefined]
    )
  })

  it("retry-after in all its forms", () => {
    const now = Date.UTC(2026, 0, 1)
    const millis = (headers: Record<string, string>) => {
      const wait = parseRetryAfter(new Headers(headers), now)
      return wait === undefined ? undefined : Duration.toMillis(wait)
    }
    assert.strictEqual(millis({ "retry-after-ms": "20", "retry-after": "1" }), 20)
    assert.strictEqual(millis({ "retry-after": "1.5" }), 1500)
    assert.strictEqual(millis({ "retry-after": "Thu, 01 Jan 2026 00:00:30 GMT" }), 30_000)
    assert.strictEqual(millis({ "retry-after": "Wed, 31 Dec 2025 00:00:00 GMT" }), 0)
    assert.strictEqual(millis({ "retry-after": "soon" }), undefined)
    assert.strictEqual(millis({}), undefined)
  })
})
