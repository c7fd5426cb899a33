/** Answers of compatible servers that are not like OpenAI's, each as the server sends it. */
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Duration, Effect, Layer, Logger, Redacted, Ref, Result, Schema, Stream } from "effect"
import { Extraction, ExtractionStream, Llm, LlmError, type LlmRequest, Provider } from "effect-instructor"
import { Fault } from "effect-instructor/testing"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"
import { start } from "./conformance/subjects.ts"

const request: LlmRequest.LlmRequest = {
  model: "m",
  messages: [{ role: "user", content: "Hello" }],
  output: { mode: "text" },
  parameters: {}
}

const complete = (extra: Partial<LlmRequest.LlmRequest> = {}) =>
  Llm.Llm.use((llm) => llm.complete({ ...request, ...extra }))

const finish = Llm.Llm.use((llm) => Stream.runLast(llm.stream(request))).pipe(
  Effect.map((last) => {
    assert(last._tag === "Some" && last.value._tag === "Finish")
    return last.value.completion
  })
)

type Prefix = Provider.Prefix

/** The provider of a prefix against a server that answers like this. */
const against = <A, E>(
  prefix: Prefix,
  answer: OpenAiSimulator.Answer,
  use: (ledger: Effect.Effect<OpenAiSimulator.Ledger>) => Effect.Effect<A, E, Llm.Llm>,
  options?: Partial<OpenAiSimulator.Options>
) =>
  Effect.gen(function*() {
    const { baseUrl, ledger } = yield* start(prefix)({ ...options, answer })
    return yield* Effect.provide(
      use(ledger),
      Provider.layerProvider(`${prefix}/m`, { baseUrl, apiKey: Redacted.make("key") })
    )
  }).pipe(Effect.scoped)

const failing = (prefix: Prefix, fault: Fault.Fault) =>
  against(prefix, () => fault, () =>
    Effect.map(Effect.flip(complete()), (error) => {
      assert(LlmError.isLlmError(error))
      return error
    }))

const completion = (choice: object, rest: object = {}) =>
  Fault.respond({
    status: 200,
    body: JSON.stringify({
      id: "1",
      model: "m",
      choices: [{ index: 0, message: { role: "assistant", content: "hi" }, finish_reason: "stop", ...choice }],
      usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 },
      ...rest
    })
  })

const body = (status: number, value: unknown, headers?: Record<string, string>) =>
  Fault.respond({ status, body: JSON.stringify(value), ...(headers && { headers }) })

const events = (...values: ReadonlyArray<unknown>) =>
  Fault.respond({
    status: 200,
    contentType: "text/event-stream",
    body: [...values.map((value) => `data: ${JSON.stringify(value)}\n\n`), "data: [DONE]\n\n"].join("")
  })

const delta = (content: string, rest: object = {}) => ({
  id: "1",
  model: "m",
  choices: [{ index: 0, delta: { content }, finish_reason: null, ...rest }]
})

const creditsUsedUp = "Your team has either used all available credits or reached its monthly spending limit."

describe("errors in a response with status 200", () => {
  it.live("xAI: a code and a text", () =>
    Effect.gen(function*() {
      const error = yield* failing(
        "xai",
        body(200, { code: "Client specified an invalid argument", error: "bad model" })
      )
      assert.include(error.message, "bad model")
      const spent = yield* failing("xai", body(200, { code: "Some resource has been exhausted", error: creditsUsedUp }))
      assert.strictEqual(spent.reason._tag, "QuotaExhaustedError")
    }))

  it.live("OpenRouter: an error with its status as the code", () =>
    Effect.gen(function*() {
      const error = yield* failing(
        "openrouter",
        body(200, { error: { code: 429, message: "slow down", metadata: {} } })
      )
      assert.strictEqual(error.reason._tag, "RateLimitError")
      const bad = yield* failing("openrouter", body(200, { error: { code: 502, message: "the host is down" } }))
      assert.strictEqual(bad.reason._tag, "InternalProviderError")
    }))

  it.live("OpenRouter: an error in a choice, and the finish reason error", () =>
    Effect.gen(function*() {
      const inside = yield* failing(
        "openrouter",
        completion({ message: { content: "" }, finish_reason: "error", error: { code: 502, message: "the host died" } })
      )
      assert.strictEqual(inside.reason._tag, "InternalProviderError")
      assert.include(inside.message, "the host died")
      assert.strictEqual(inside.usage?.outputTokens, 5)
      const bare = yield* failing("mistral", completion({ finish_reason: "error" }))
      assert.strictEqual(bare.reason._tag, "InternalProviderError")
      assert.isTrue(bare.isRetryable)
    }))

  it.live("OpenRouter: an error in the midst of a stream", () =>
    against(
      "openrouter",
      () => events(delta("he"), delta("", { finish_reason: "error", error: { code: 502, message: "the host died" } })),
      () =>
        Effect.gen(function*() {
          const error = yield* Effect.flip(finish)
          assert(LlmError.isLlmError(error))
          assert.strictEqual(error.reason._tag, "InternalProviderError")
        })
    ))

  it.live("Cerebras: an error with a status code beside it", () =>
    Effect.gen(function*() {
      const error = yield* failing("cerebras", body(200, { error: { message: "queue exceeded" }, status_code: 429 }))
      assert.strictEqual(error.reason._tag, "RateLimitError")
      const text = yield* failing("cerebras", body(200, { error: "internal", status_code: 500 }))
      assert.strictEqual(text.reason._tag, "InternalProviderError")
    }))
})

describe("finish reasons", () => {
  for (
    const [prefix, reason, expected] of [
      ["mistral", "model_length", "length"],
      ["together", "eos", "stop"]
    ] as const
  ) {
    it.live(`${prefix}: ${reason} is ${expected}`, () =>
      against(
        prefix,
        ({ stream }) =>
          stream ? events(delta("hi"), delta("", { finish_reason: reason })) : completion({ finish_reason: reason }),
        () =>
          Effect.gen(function*() {
            assert.strictEqual((yield* complete()).finishReason, expected)
            assert.strictEqual((yield* finish).finishReason, expected)
          })
      ))
  }

  it.live("DeepSeek: insufficient_system_resource is tried again", () =>
    Effect.gen(function*() {
      const error = yield* failing("deepseek", completion({ finish_reason: "insufficient_system_resource" }))
      assert.strictEqual(error.reason._tag, "InternalProviderError")
      assert.isTrue(error.isRetryable)
    }))
})

describe("rate limits", () => {
  const limits = (prefix: Prefix, headers: Record<string, string>) =>
    against(
      prefix,
      () => ({ ...completion({}), headers }),
      () =>
        Effect.map(complete(), ({ rateLimits }) =>
          rateLimits?.map(({ limit, period, remaining, resetAfter, unit }) =>
            [unit, period, limit, remaining, Duration.toMillis(resetAfter)] as const
          ))
    )

  it.live("Groq: requests are those of a day", () =>
    Effect.gen(function*() {
      const read = yield* limits("groq", {
        "x-ratelimit-limit-requests": "14400",
        "x-ratelimit-remaining-requests": "14370",
        "x-ratelimit-reset-requests": "2m59.56s",
        "x-ratelimit-limit-tokens": "18000",
        "x-ratelimit-remaining-tokens": "17997",
        "x-ratelimit-reset-tokens": "7.66s"
      })
      assert.deepStrictEqual(read, [
        ["requests", "day", 14400, 14370, 179_560],
        ["tokens", "minute", 18000, 17997, 7660]
      ])
    }))

  it.live("Mistral, Together, Cerebras and Fireworks: names of their own", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(
        yield* limits("mistral", {
          "x-ratelimit-limit-tokens-minute": "500000",
          "x-ratelimit-remaining-tokens-minute": "499000",
          "x-ratelimit-limit-req-minute": "60",
          "x-ratelimit-remaining-req-minute": "59"
        }),
        [["requests", "minute", 60, 59, 0], ["tokens", "minute", 500_000, 499_000, 0]]
      )
      assert.deepStrictEqual(
        yield* limits("together", {
          "x-ratelimit-limit": "10",
          "x-ratelimit-remaining": "9",
          "x-ratelimit-reset": "1",
          "x-tokenlimit-limit": "3000",
          "x-tokenlimit-remaining": "2900"
        }),
        [["requests", "second", 10, 9, 1000], ["tokens", "second", 3000, 2900, 0]]
      )
      assert.deepStrictEqual(
        yield* limits("cerebras", {
          "x-ratelimit-limit-requests-day": "1000",
          "x-ratelimit-remaining-requests-day": "999",
          "x-ratelimit-reset-requests-day": "33011.38",
          "x-ratelimit-limit-tokens-minute": "60000",
          "x-ratelimit-remaining-tokens-minute": "59000",
          "x-ratelimit-reset-tokens-minute": "11.38"
        }),
        [["requests", "day", 1000, 999, 33_011_380], ["tokens", "minute", 60_000, 59_000, 11_380]]
      )
      assert.deepStrictEqual(
        yield* limits("fireworks", {
          "x-ratelimit-limit-tokens-prompt": "60000",
          "x-ratelimit-remaining-tokens-prompt": "59000",
          "x-ratelimit-limit-tokens-generated": "6000",
          "x-ratelimit-remaining-tokens-generated": "5900"
        }),
        [["inputTokens", "minute", 60_000, 59_000, 0], ["outputTokens", "minute", 6000, 5900, 0]]
      )
    }))

  it.live("Gemini's compatible endpoint: a list with RetryInfo, or a text", () =>
    Effect.gen(function*() {
      const details = [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "15s" }]
      const listed = yield* failing("gemini", body(429, [{ error: { code: 429, message: "slow", details } }]))
      assert.strictEqual(listed.reason._tag, "RateLimitError")
      assert.strictEqual(Duration.toSeconds(listed.retryAfter!), 15)
      const said = yield* failing("gemini", body(429, [{ error: { code: 429, message: "Please retry in 15.2s." } }]))
      assert.strictEqual(Duration.toMillis(said.retryAfter!), 15_200)
    }))

  it.live("Groq: 498 is an overload", () =>
    Effect.gen(function*() {
      const error = yield* failing("groq", body(498, { error: { code: "capacity_exceeded", message: "flex is full" } }))
      assert.strictEqual(error.reason._tag, "OverloadedError")
    }))

  for (
    const [prefix, status, message] of [
      ["xai", 429, creditsUsedUp],
      ["xai", 403, creditsUsedUp],
      [
        "openrouter",
        429,
        "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free requests per day"
      ]
    ] as const
  ) {
    it.live(`${prefix}: a ${status} for a spent account stops the run with its message`, () =>
      Effect.gen(function*() {
        const value = prefix === "xai" ? { code: "exhausted", error: message } : { error: { code: status, message } }
        const error = yield* failing(prefix, body(status, value))
        assert.strictEqual(error.reason._tag, "QuotaExhaustedError")
        assert.isTrue(error.isUnrecoverable)
      }))
  }
})

describe("usage", () => {
  it.live("DeepSeek: tokens from the cache", () =>
    against(
      "deepseek",
      () =>
        completion({}, {
          usage: { prompt_tokens: 10, completion_tokens: 5, prompt_cache_hit_tokens: 8, prompt_cache_miss_tokens: 2 }
        }),
      () => Effect.map(complete(), ({ usage }) => assert.strictEqual(usage.cachedInputTokens, 8))
    ))

  it.live("xAI: reasoning is added where the total says that it is apart", () =>
    Effect.gen(function*() {
      const used = (total_tokens: number) =>
        against(
          "xai",
          () =>
            completion({}, {
              usage: {
                prompt_tokens: 10,
                completion_tokens: 5,
                total_tokens,
                completion_tokens_details: { reasoning_tokens: 100 }
              }
            }),
          () => Effect.map(complete(), ({ usage }) => [usage.outputTokens, usage.reasoningTokens])
        )
      assert.deepStrictEqual(yield* used(115), [105, 100])
      assert.deepStrictEqual(yield* used(15), [5, 100])
    }))

  it.live("Groq: usage in x_groq of the last chunk", () =>
    against(
      "groq",
      () =>
        events(
          delta("hi"),
          { ...delta("", { finish_reason: "stop" }), x_groq: { usage: { prompt_tokens: 10, completion_tokens: 5 } } }
        ),
      () => Effect.map(finish, ({ usage }) => assert.strictEqual(usage.inputTokens, 10))
    ))
})

const City = Schema.Struct({ city: Schema.String })

describe("requests", () => {
  it.live("Groq: an answer that it rejects is asked for again", () =>
    against(
      "groq",
      ({ index }) =>
        index === 0
          ? body(400, {
            error: {
              message:
                "Failed to call a function. Please adjust your prompt. See 'failed_generation' for more details.",
              type: "invalid_request_error",
              code: "tool_use_failed",
              failed_generation: "<function=City>{\"town\":\"Paris\"}"
            }
          })
          : { city: "Paris" },
      (ledger) =>
        Effect.gen(function*() {
          const detailed = yield* Extraction.extractDetailed(City, "I live in Paris")
          assert.deepStrictEqual(detailed.value, { city: "Paris" })
          assert.strictEqual(detailed.attempts, 2)
          assert.strictEqual(detailed.usage.unreported, 1)
          assert.include(JSON.stringify((yield* ledger).entries[1]!.request.body), "town")
        })
    ))

  it.live("Groq: a stream of a model with schemas asks for a JSON object, and shows the schema", () =>
    Effect.gen(function*() {
      const { baseUrl, ledger } = yield* start("groq")({ answer: () => ({ city: "Paris" }) })
      const all = yield* Stream.runCollect(ExtractionStream.partial(City, "I live in Paris")).pipe(
        Effect.provide(Provider.layerProvider("groq/openai/gpt-oss-120b", { baseUrl, apiKey: Redacted.make("key") }))
      )
      const last = all.at(-1)!
      assert(last._tag === "Complete")
      assert.deepStrictEqual(last.value, { city: "Paris" })
      const { request } = (yield* ledger).entries[0]!
      assert.strictEqual(request.mode, "json")
      assert.include(JSON.stringify(request.body), "JSON Schema")
      assert.strictEqual(request.model, "openai/gpt-oss-120b")
    }).pipe(Effect.scoped))

  it.live("an unsupported mode fails before anything is sent, and names those that work", () =>
    against("deepseek", () => ({ city: "Paris" }), (ledger) =>
      Effect.gen(function*() {
        const chosen = Extraction.make({ schema: City, mode: "json_schema" })
        const error = yield* Effect.flip(Extraction.extract(chosen, "I live in Paris"))
        assert(error._tag === "ExtractionError" && error.reason._tag === "UnsupportedMode")
        assert.deepStrictEqual(error.reason.modes, ["tools", "json", "markdown"])
        assert.include(error.message, "tools, json, markdown")
        assert.isTrue(error.isUnrecoverable)
        assert.strictEqual((yield* ledger).requests, 0)
        assert.deepStrictEqual(yield* Extraction.extract(City, "I live in Paris"), { city: "Paris" })
        assert.strictEqual((yield* ledger).entries[0]!.request.mode, "tools")
      })))

  it.live("a parameter that a server does not take is left out, which is said once", () =>
    Effect.gen(function*() {
      const said = yield* Ref.make<ReadonlyArray<string>>([])
      const logger = Logger.make(({ message }) => {
        Effect.runSync(Ref.update(said, (lines) => [...lines, String(message)]))
      })
      yield* against("deepseek", () => "hi", (ledger) =>
        Effect.gen(function*() {
          yield* complete({ parameters: { seed: 1, verbosity: "low", temperature: 0 } })
          yield* complete({ parameters: { seed: 2 } })
          const [first] = (yield* ledger).entries
          assert.notProperty(first!.request.body, "seed")
          assert.propertyVal(first!.request.body, "temperature", 0)
        })).pipe(Effect.provide(Logger.layer([logger])))
      assert.deepStrictEqual(yield* Ref.get(said), [
        "deepseek does not take seed, verbosity, so requests are sent without"
      ])
    }))

  it.live("Mistral: the names of its fields", () =>
    against("mistral", () => "hi", (ledger) =>
      Effect.gen(function*() {
        yield* complete({ parameters: { maxTokens: 5, seed: 1 } })
        yield* finish
        const [whole, streamed] = (yield* ledger).entries
        assert.deepInclude(whole!.request.body, { max_tokens: 5, random_seed: 1 })
        assert.notProperty(streamed!.request.body, "stream_options")
      })))
})

describe("Provider", () => {
  it("splits at the first slash, and lists what it knows", () => {
    assert.deepStrictEqual(Result.getOrThrow(Provider.parse("openrouter/anthropic/claude-haiku-5-5")), {
      prefix: "openrouter",
      model: "anthropic/claude-haiku-5-5"
    })
    for (const text of ["nope/m", "gpt-5.4-mini", "openai/", "/m", ""]) {
      const error = Result.getOrThrow(Result.flip(Provider.parse(text)))
      assert.strictEqual(error._tag, "UnknownProvider")
      assert.include(error.message, "anthropic")
      assert.include(error.message, "lmstudio")
    }
  })

  it.live("reads the key and the server of the prefix from the environment", () =>
    Effect.gen(function*() {
      const { baseUrl, ledger } = yield* OpenAiSimulator.make({ answer: () => "hi", apiKey: "groq-key" })
      const environment = { GROQ_API_KEY: "groq-key", GROQ_BASE_URL: baseUrl, EFFECT_INSTRUCTOR_MODEL: "groq/a/b" }
      yield* complete({ model: "a/b" }).pipe(
        Effect.provide(Provider.layerConfig().pipe(Layer.provide(fromEnvironment(environment))))
      )
      assert.strictEqual((yield* ledger).entries[0]!.outcome, 200)
    }).pipe(Effect.scoped))

  it.live("has no key: an error that names the variable", () =>
    Effect.gen(function*() {
      for (
        const [model, variable] of [["google/m", "GOOGLE_API_KEY or GEMINI_API_KEY"], ["xai/m", "XAI_API_KEY"]] as const
      ) {
        const error = yield* Effect.flip(
          Layer.build(Provider.layer(model).pipe(Layer.provide(fromEnvironment({}))))
        )
        assert.include(error.message, variable)
      }
      yield* Layer.build(Provider.layer("ollama/qwen3:8b").pipe(Layer.provide(fromEnvironment({}))))
    }).pipe(Effect.scoped))

  it.live("a preset of one's own is one object", () =>
    Effect.gen(function*() {
      const { baseUrl, ledger } = yield* OpenAiSimulator.make({ answer: () => ({ city: "Paris" }) })
      const house = Provider.define({
        prefix: "house",
        baseUrl,
        modes: ["json_schema", "markdown"],
        dialect: "plain",
        lengthField: "max_tokens",
        adds: { team: "docs" }
      })
      const value = yield* Extraction.extract(
        Extraction.make({ schema: City, parameters: { maxTokens: 9 } }),
        "I live in Paris"
      ).pipe(Effect.provide(house.layer("our-tune")))
      assert.deepStrictEqual(value, { city: "Paris" })
      const { request } = (yield* ledger).entries[0]!
      assert.deepInclude(request.body, { max_tokens: 9, team: "docs", model: "our-tune" })
      const llm = yield* Effect.provide(Llm.Llm, house.layerProvider())
      assert.strictEqual(llm.provider, "house")
    }).pipe(Effect.scoped))
})

const fromEnvironment = (env: Record<string, string>) => ConfigProvider.layer(ConfigProvider.fromEnv({ env }))
