/**
 * OpenAI's Chat Completions and Responses, and servers that speak one of them (Azure, Ollama, vLLM, llama.cpp). Requests
 * are sent by the transport of the platform; `layerClient` sends them through a client of the `openai` SDK.
 *
 * @since 0.1.0
 */
import type * as Config from "effect/Config"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { Fetch } from "effect/http/FetchHttpClient"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type * as Result from "effect/Result"
import type { OpenAI } from "openai"
import * as Llm from "../../llm/Llm.ts"
import { LlmBatch } from "../../llm/LlmBatch.ts"
import type * as LlmError from "../../llm/LlmError.ts"
import type { LlmRequest } from "../../llm/LlmRequest.ts"
import type { Pricing } from "../../llm/Pricing.ts"
import * as LlmGovernor from "../../middleware/governor/LlmGovernor.ts"
import type { DialectInput } from "../../schema/dialects/builtIn.ts"
import * as Transport from "../../transport/Transport.ts"
import * as BatchLayer from "./internal/batch/layer.ts"
import * as Client from "./internal/client.ts"
import * as ConfigSources from "./internal/config.ts"
import * as OpenAiLlm from "./internal/llm.ts"
import { openAiPricing } from "./internal/prices.ts"
import * as Protocol from "./internal/protocol.ts"
import * as Request from "./internal/request.ts"
import * as Responses from "./internal/responses/request.ts"
import type { Traits } from "./internal/traits.ts"

export type {
  /** @since 0.1.0 */
  LimitHeaders
} from "../internal/rateLimit.ts"

export type {
  /** @since 0.1.0 */
  Traits
} from "./internal/traits.ts"

/**
 * The model for extractions when neither the extraction nor the layer names one. It is small, current, and supports
 * structured output.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultModel = "gpt-5.4-mini"

/**
 * The base URL of OpenAI's API, which layers use unless another one is given.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultBaseUrl = "https://api.openai.com/v1"

/**
 * OpenAI's prices as of 2026-10-27, from <https://developers.openai.com/api/docs/pricing>. Every layer of this module
 * uses them; to override some, provide `Pricing.CurrentPricing`.
 *
 * **Example** (The price of a model)
 *
 * ```ts
 * import { OpenAi } from "effect-instructor/openai"
 *
 * OpenAi.pricing.asOf // => "2026-10-27"
 * OpenAi.pricing.models["gpt-4.1-mini"] // => { input: 0.4, cachedInput: 0.1, output: 1.6, batch: 0.5 }
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
export const pricing: Pricing = openAiPricing

/**
 * The options of every layer and of `make`.
 *
 * @category models
 * @since 0.1.0
 */
export interface ProviderOptions {
  /**
   * The API: Chat Completions, which most servers speak, or Responses. With `responses`, nothing is stored at the server,
   * reasoning goes back with a reask in its encrypted form, and PDFs may be sent by their URL.
   *
   * @default "chat-completions"
   */
  readonly api?: "chat-completions" | "responses" | undefined
  /**
   * The model for extractions that name none.
   *
   * @default defaultModel
   */
  readonly model?: string | undefined
  /**
   * The timeout of a single request: from sending it to the last byte of the answer, or to the first one of a stream.
   *
   * @default "10 minutes"
   */
  readonly requestTimeout?: Duration.Input | undefined
  /**
   * The provider's name in telemetry and errors.
   *
   * @default "openai"
   */
  readonly provider?: string | undefined
  /**
   * The dialect of JSON Schema that the server accepts. Use `plain` for servers without the rules and limits of OpenAI's
   * strict mode, such as Ollama, vLLM and llama.cpp.
   *
   * @default "openai"
   */
  readonly dialect?: DialectInput | undefined
}

/**
 * The options of `layerProvider`.
 *
 * @category models
 * @since 0.1.0
 */
export interface ClientOptions extends ProviderOptions {
  /** Not required by most local servers. */
  readonly apiKey?: Redacted.Redacted | undefined
  /**
   * @default defaultBaseUrl
   */
  readonly baseUrl?: string | undefined
  readonly organization?: string | undefined
  readonly project?: string | undefined
  /** Headers of every request. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** How the server differs from OpenAI's. `Provider` has those of many servers. */
  readonly traits?: Traits | undefined
  /**
   * The prices of the server.
   *
   * @default OpenAi.pricing
   */
  readonly pricing?: Pricing | undefined
}

/**
 * The options of `layer`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends ClientOptions {
  /** The rate limits and retries of the governor in front of the provider. */
  readonly governor?: LlmGovernor.Options | undefined
}

/**
 * The options of `layerConfig` and `layerProviderConfig`. Settings that are absent are read from `OPENAI_API_KEY`,
 * `OPENAI_BASE_URL` and `OPENAI_MODEL`.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConfigOptions extends Omit<Options, "apiKey" | "baseUrl" | "model"> {
  readonly apiKey?: Config.Config<Redacted.Redacted> | undefined
  readonly baseUrl?: Config.Config<string> | undefined
  readonly model?: Config.Config<string> | undefined
}

/**
 * The body of `POST /chat/completions` for a request.
 *
 * @category models
 * @since 0.1.0
 */
export type Body = OpenAI.ChatCompletionCreateParamsNonStreaming

/**
 * OpenAI behind a governor with defaults, which retries and learns the account's rate limits. Use it unless you stack
 * middleware yourself; then start from `layerProvider`.
 *
 * **Example** (A local server)
 *
 * ```ts
 * import { OpenAi } from "effect-instructor/openai"
 *
 * export const Ollama = OpenAi.layer({
 *   baseUrl: "http://127.0.0.1:11434/v1",
 *   dialect: "plain",
 *   model: "qwen3:8b",
 *   provider: "ollama"
 * })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<Llm.Llm | LlmGovernor.LlmGovernor> =>
  Layer.provide(LlmGovernor.layer(options.governor), layerProvider(options))

/**
 * Like `layer`, with the key, the base URL and the model from the environment. It fails without `OPENAI_API_KEY`, unless
 * `OPENAI_BASE_URL` names a server, which may need no key.
 *
 * **Example** (Variables with other names)
 *
 * ```ts
 * import { Config } from "effect"
 * import { OpenAi } from "effect-instructor/openai"
 *
 * export const Llm = OpenAi.layerConfig({
 *   apiKey: Config.Redacted("TEAM_OPENAI_KEY"),
 *   governor: { requestsPerMinute: 500 },
 *   requestTimeout: "2 minutes"
 * })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options?: ConfigOptions
): Layer.Layer<Llm.Llm | LlmGovernor.LlmGovernor, Config.ConfigError> =>
  Layer.provide(LlmGovernor.layer(options?.governor), layerProviderConfig(options))

/**
 * The provider without a governor, and so without retries. Use it with `Llm.stack`, or to share one governor between
 * several providers.
 *
 * **Example** (A provider with a cache)
 *
 * ```ts
 * import { Redacted } from "effect"
 * import { Llm, LlmCache, LlmGovernor } from "effect-instructor"
 * import { OpenAi } from "effect-instructor/openai"
 *
 * export const Model = Llm.stack({
 *   provider: OpenAi.layerProvider({ apiKey: Redacted.make("from your vault") }),
 *   governor: LlmGovernor.layer(),
 *   cache: LlmCache.layer()
 * })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerProvider = (options: ClientOptions): Layer.Layer<Llm.Llm> =>
  Layer.effect(
    Llm.Llm,
    Effect.map(Transport.current, (transport) => {
      const provider = options.provider ?? "openai"
      return OpenAiLlm.make(
        Protocol.make({ ...options, provider, baseUrl: options.baseUrl ?? defaultBaseUrl }),
        transport,
        { ...options, model: options.model ?? defaultModel }
      )
    })
  )

/**
 * Like `layerProvider`, with the key, the base URL and the model from the environment.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerProviderConfig = (options?: ConfigOptions): Layer.Layer<Llm.Llm, Config.ConfigError> =>
  Layer.unwrap(
    Effect.map(ConfigSources.read(options), (settings) => layerProvider({ ...options, ...settings }))
  )

/**
 * OpenAI's Batch API, and that of servers with the same endpoints, such as Groq, for `Batch.offline`. It has no governor:
 * the engine repeats what fails. The `Llm` of `layer` with the same options can share its journal.
 *
 * **Example** (Half the price, within 24 hours)
 *
 * ```ts
 * import { Effect, Redacted, Schema, Stream } from "effect"
 * import { Batch } from "effect-instructor"
 * import { NodeJournal } from "effect-instructor/node"
 * import { OpenAi } from "effect-instructor/openai"
 *
 * const Person = Schema.Struct({ name: Schema.String })
 *
 * export const program = Batch.offline(Person, ["I am Ada", "I am Alan"]).pipe(
 *   Stream.runForEach((item) => Effect.log(item)),
 *   Effect.provide([
 *     OpenAi.layerBatch({ apiKey: Redacted.make("from your vault") }),
 *     NodeJournal.layer({ path: "people.journal" })
 *   ])
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerBatch = (options: ClientOptions): Layer.Layer<LlmBatch> =>
  Layer.effect(
    LlmBatch,
    Effect.map(Fetch, (fetch) =>
      BatchLayer.make({
        ...options,
        provider: options.provider ?? "openai",
        baseUrl: options.baseUrl ?? defaultBaseUrl,
        model: options.model ?? defaultModel,
        dialect: options.dialect ?? "openai",
        requestTimeout: options.requestTimeout ?? "10 minutes"
      }, fetch))
  )

/**
 * Like `layerBatch`, with the key, the base URL and the model from the environment.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerBatchConfig = (options?: ConfigOptions): Layer.Layer<LlmBatch, Config.ConfigError> =>
  Layer.unwrap(
    Effect.map(ConfigSources.read(options), (settings) => layerBatch({ ...options, ...settings }))
  )

/**
 * A client of the SDK behind a governor with defaults. Use it for clients that the options of `layer` cannot describe,
 * such as `AzureOpenAI`. The client's own retries are turned off.
 *
 * **Example** (Azure)
 *
 * ```ts
 * import { OpenAi } from "effect-instructor/openai"
 * import { AzureOpenAI } from "openai"
 *
 * const client = new AzureOpenAI({
 *   apiKey: "from your vault",
 *   apiVersion: "2026-01-01",
 *   endpoint: "https://example.openai.azure.com"
 * })
 *
 * export const Llm = OpenAi.layerClient(client, { model: "my-deployment", provider: "azure.ai.openai" })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerClient = (
  client: OpenAI,
  options?: ProviderOptions & { readonly governor?: LlmGovernor.Options | undefined }
): Layer.Layer<Llm.Llm | LlmGovernor.LlmGovernor> =>
  Layer.provide(LlmGovernor.layer(options?.governor), Layer.sync(Llm.Llm, () => make(client, options)))

/**
 * The `Llm` over a client of the SDK, without a governor. Use it to build a layer of your own; the client's own retries
 * are turned off.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (client: OpenAI, options?: ProviderOptions): Llm.Llm["Service"] =>
  OpenAiLlm.make(
    Client.toProtocol(client, options?.provider ?? "openai", options?.api),
    Client.toTransport(client, options?.api),
    { ...options, model: options?.model ?? defaultModel }
  )

/**
 * The body of `POST /chat/completions` for a request. Use it for dry runs, or to send requests in another way. It fails
 * for files that Chat Completions does not accept. `encodeResponses` makes that of the other API.
 *
 * **Example** (A dry run)
 *
 * ```ts
 * import { Result } from "effect"
 * import { OpenAi } from "effect-instructor/openai"
 *
 * const body = OpenAi.encode({
 *   model: "gpt-5.4-mini",
 *   messages: [{ role: "user", content: "Who wrote Emma?" }],
 *   output: { mode: "text" },
 *   parameters: { maxTokens: 100 }
 * })
 *
 * Result.getOrThrow(body) // => { model: "gpt-5.4-mini", messages: [{ role: "user", content: "Who wrote Emma?" }], max_completion_tokens: 100 }
 * ```
 *
 * @category converting
 * @since 0.1.0
 */
export const encode = (request: LlmRequest): Result.Result<Body, LlmError.Reason> => Request.openAi.toBody(request)

/**
 * The body of `POST /responses` for a request. It fails for files that the Responses API does not accept.
 *
 * @category converting
 * @since 0.1.0
 */
export const encodeResponses = (request: LlmRequest): Result.Result<object, LlmError.Reason> =>
  Responses.toBody(request)
