import { assert, describe, it } from "@effect/vitest"
import { Config, ConfigProvider, Effect, Layer, Schedule } from "effect"
import { Extraction, ExtractionError, Llm, Usage } from "effect-instructor"
import { OpenAi } from "effect-instructor/openai"
import { Fault, Reply } from "effect-instructor/testing"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"
import { FetchHttpClient } from "effect/http"
import { AzureOpenAI, OpenAI } from "openai"
import { Person, person, request } from "../../support/people.ts"
import { bare, governed } from "../../support/simulated.ts"

describe("OpenAi layers", () => {
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

  it.effect("layerConfig reads variables with other names, and needs no key with a base URL", () =>
    Effect.gen(function*() {
      const layer = OpenAi.layerConfig({
        apiKey: Config.Redacted("MY_KEY"),
        baseUrl: Config.succeed("http://localhost:1/v1")
      })
      assert.strictEqual((yield* sentTo(layer, { MY_KEY: "sk-2" })).authorization, "Bearer sk-2")
      assert.strictEqual((yield* sentTo(layer, {})).url, "http://localhost:1/v1/chat/completions")
    }))

  it.effect("layerConfig says in one sentence which variable is missing", () =>
    Effect.gen(function*() {
      const failed = (options: OpenAi.ConfigOptions, env: Record<string, string>) =>
        Effect.map(Effect.flip(sentTo(OpenAi.layerConfig(options), env)), String)
      for (const env of [{}, { OPENAI_API_KEY: "" }, { MY_KEY: "sk-2" }]) {
        assert.strictEqual(
          yield* failed({}, env as Record<string, string>),
          "ConfigError(SourceError: There is no API key: set OPENAI_API_KEY, or set OPENAI_BASE_URL to a server that " +
            "needs none)"
        )
      }
      assert.include(yield* failed({ apiKey: Config.Redacted("MY_KEY") }, {}), "set MY_KEY,")
      assert.include(
        yield* failed({ apiKey: Config.nested(Config.Redacted("KEY"), "TEAM") }, {}),
        "set TEAM_KEY,"
      )
      assert.include(yield* failed({}, { OPENAI_API_KEY: "  " }), "There is no API key")
    }))

  it.live("layer retries, and layerProvider does not", () =>
    Effect.gen(function*() {
      const flaky = ({ index }: OpenAiSimulator.SimulatedRequest) =>
        index === 0 ? Fault.rateLimited("1 millis") : person
      const extract = Extraction.extract(Person, "text")
      const governor = { retry: Schedule.recurs(1) }
      assert.deepStrictEqual(yield* extract.pipe(Effect.provide(governed({ answer: flaky }, { governor }))), person)
      const result = yield* Effect.result(extract).pipe(Effect.provide(bare({ answer: flaky })))
      assert.instanceOf(
        result._tag === "Failure" ? result.failure.reason : undefined,
        ExtractionError.ProviderFailure
      )
    }))

  it.live("layerClient uses a client of the SDK, without its retries", () =>
    Effect.gen(function*() {
      const simulator = yield* OpenAiSimulator.OpenAiSimulator
      const client = new OpenAI({ apiKey: "k", baseURL: simulator.baseUrl, maxRetries: 5 })
      const error = yield* Effect.flip(
        Extraction.extract(Person, "text").pipe(
          Effect.provide(OpenAi.layerClient(client, { model: "mine", governor: { retry: Schedule.recurs(0) } }))
        )
      )
      assert.strictEqual(error.reason._tag, "ProviderFailure")
      const { entries, requests } = yield* simulator.ledger
      assert.strictEqual(requests, 1)
      assert.strictEqual(entries[0]!.request.model, "mine")
    }).pipe(Effect.provide(OpenAiSimulator.layer({ answer: () => Fault.serverError }))))

  it.effect("layerClient uses an Azure client", () =>
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

  it.effect("every layer has OpenAI's dialect and prices, unless another dialect is given", () =>
    Effect.gen(function*() {
      const llm = (options: OpenAi.ClientOptions) => Llm.Llm.pipe(Effect.provide(OpenAi.layerProvider(options)))
      const openAi = yield* llm({})
      assert.strictEqual(openAi.dialect.name, "openai")
      assert.strictEqual(openAi.pricing, OpenAi.pricing)
      assert.strictEqual((yield* llm({ dialect: "plain" })).dialect.name, "plain")
    }))

  it.effect("the origin is the base URL without credentials, query and slash at its end", () =>
    Effect.gen(function*() {
      const origin = (baseUrl?: string) =>
        Llm.Llm.use((llm) => Effect.succeed(llm.origin)).pipe(Effect.provide(OpenAi.layerProvider({ baseUrl })))
      assert.strictEqual(yield* origin(), "https://api.openai.com/v1")
      assert.strictEqual(yield* origin("http://localhost:1234/v1/?key=secret"), "http://localhost:1234/v1")
      assert.strictEqual(yield* origin("http://me:password@localhost:1234/v1"), "http://localhost:1234/v1")
    }))

  it.live("a completion has its cost from OpenAI's prices", () =>
    Effect.gen(function*() {
      const { usage } = yield* Llm.Llm.use((llm) => llm.complete({ ...request, model: "gpt-4.1-mini" }))
      assert.deepStrictEqual(usage, { ...Usage.zero, inputTokens: 1000, outputTokens: 1000, usd: 0.002 })
    }).pipe(
      Effect.provide(bare({ answer: () => Reply.withUsage(person, { inputTokens: 1000, outputTokens: 1000 }) }))
    ))
})
