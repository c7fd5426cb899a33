/**
 * Anthropic's Messages API, without an SDK.
 *
 * @since 0.1.0
 */
import type * as Config from "effect/Config"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { Fetch } from "effect/http/FetchHttpClient"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Result from "effect/Result"
import * as Llm from "../../llm/Llm.ts"
import { LlmBatch } from "../../llm/LlmBatch.ts"
import type * as LlmError from "../../llm/LlmError.ts"
import type { LlmRequest } from "../../llm/LlmRequest.ts"
import type { Pricing } from "../../llm/Pricing.ts"
import * as LlmGovernor from "../../middleware/governor/LlmGovernor.ts"
import type { DialectInput } from "../../schema/dialects/builtIn.ts"
import * as Transport from "../../transport/Transport.ts"
import * as ProtocolLlm from "../internal/protocolLlm.ts"
import * as Secrets from "../internal/secrets.ts"
import * as Server from "../internal/server.ts"
import * as Settings from "../internal/settings.ts"
import { rootOf } from "../internal/wireJson.ts"
import { path as batchPath } from "./internal/batch/batches.ts"
import * as BatchLayer from "./internal/batch/layer.ts"
import { anthropicPricing } from "./internal/prices.ts"
import * as Protocol from "./internal/protocol.ts"
import * as Request from "./internal/request.ts"

/**
 * The model for extractions when neither the extraction nor the layer names one.
 *
 * **Example** (Naming the default)
 *
 * ```ts
 * import { Schema } from "effect"
 * import { Extraction } from "effect-instructor"
 * import { Anthropic } from "effect-instructor/anthropic"
 *
 * const schema = Schema.Struct({ city: Schema.String })
 *
 * Extraction.make({ schema, model: Anthropic.defaultModel }).model === Anthropic.defaultModel // => true
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultModel = "claude-haiku-5-5"

/**
 * The base URL of Anthropic's API, which layers use unless another one is given.
 *
 * **Example** (Its host)
 *
 * ```ts
 * import { Anthropic } from "effect-instructor/anthropic"
 *
 * new URL(Anthropic.defaultBaseUrl).protocol // => "https:"
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultBaseUrl = "https://api.anthropic.com"

/**
 * Anthropic's prices, with their date and source. Every layer of this module uses them; to override some, provide
 * `Pricing.CurrentPricing`.
 *
 * **Example** (The price of the default model)
 *
 * ```ts
 * import { Pricing } from "effect-instructor"
 * import { Anthropic } from "effect-instructor/anthropic"
 *
 * Pricing.priceOf([Anthropic.pricing], Anthropic.defaultModel) === undefined // => false
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
export const pricing: Pricing = anthropicPricing

/**
 * The options of `layerProvider`.
 *
 * @category models
 * @since 0.1.0
 */
export interface ClientOptions {
  readonly apiKey?: Redacted.Redacted | undefined
  /**
   * Where the API is, without the path of a request.
   *
   * @default defaultBaseUrl
   */
  readonly baseUrl?: string | undefined
  /** Headers of every request. */
  readonly headers?: Readonly<Record<string, string>> | undefined
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
   * @default "anthropic"
   */
  readonly provider?: string | undefined
  /**
   * The dialect of JSON Schema that the server accepts.
   *
   * @default "anthropic"
   */
  readonly dialect?: DialectInput | undefined
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
 * The options of `layerConfig` and `layerProviderConfig`. Settings that are absent are read from `ANTHROPIC_API_KEY`,
 * `ANTHROPIC_BASE_URL` and `ANTHROPIC_MODEL`.
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
 * Anthropic behind a governor with defaults, which retries and learns the account's rate limits. Use it unless you stack
 * middleware yourself; then start from `layerProvider`.
 *
 * **Example** (A key from a vault)
 *
 * ```ts
 * import { Redacted } from "effect"
 * import { Anthropic } from "effect-instructor/anthropic"
 *
 * export const Model = Anthropic.layer({ apiKey: Redacted.make("from your vault"), model: "claude-haiku-5-5" })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<Llm.Llm | LlmGovernor.LlmGovernor> =>
  Layer.provide(LlmGovernor.layer(options.governor), layerProvider(options))

/**
 * Like `layer`, with the key, the base URL and the model from the environment. It fails without a key, unless
 * `ANTHROPIC_BASE_URL` names a server, which may need none.
 *
 * **Example** (A program with the key of the environment)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Extraction } from "effect-instructor"
 * import { Anthropic } from "effect-instructor/anthropic"
 *
 * export const program = Extraction.extract(Schema.Struct({ city: Schema.String }), "Paris").pipe(
 *   Effect.provide(Anthropic.layerConfig())
 * )
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
 * @category layers
 * @since 0.1.0
 */
export const layerProvider = (options: ClientOptions): Layer.Layer<Llm.Llm> =>
  Layer.effect(
    Llm.Llm,
    Effect.map(Transport.current, (transport) => make(options, transport))
  )

/**
 * Like `layerProvider`, with the key, the base URL and the model from the environment.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerProviderConfig = (options?: ConfigOptions): Layer.Layer<Llm.Llm, Config.ConfigError> =>
  Layer.unwrap(
    Effect.map(Settings.read(variables, options), (settings) => layerProvider({ ...options, ...settings }))
  )

/**
 * Anthropic's Message Batches, for `Batch.offline`. It has no governor: the engine repeats what fails. The `Llm` of `layer`
 * with the same options can share its journal.
 *
 * Batches of Anthropic have no names. A run that was killed while it submitted one waits until the batches of that time
 * with as many requests have ended, and recognises its own by their results.
 *
 * **Example** (Half the price, within 24 hours)
 *
 * ```ts
 * import { Effect, Redacted, Schema, Stream } from "effect"
 * import { Batch } from "effect-instructor"
 * import { Anthropic } from "effect-instructor/anthropic"
 * import { NodeJournal } from "effect-instructor/node"
 *
 * const Person = Schema.Struct({ name: Schema.String })
 *
 * export const program = Batch.offline(Person, ["I am Ada", "I am Alan"]).pipe(
 *   Stream.runForEach((item) => Effect.log(item)),
 *   Effect.provide([
 *     Anthropic.layerBatch({ apiKey: Redacted.make("from your vault") }),
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
    Effect.map(Fetch, (fetch) => {
      const baseUrl = rootOf(options.baseUrl ?? defaultBaseUrl)
      const { protocol, server } = toProtocol(options, batchPath)
      return BatchLayer.make({
        server,
        protocol,
        baseUrl,
        model: options.model ?? defaultModel,
        dialect: options.dialect ?? "anthropic",
        requestTimeout: options.requestTimeout ?? "10 minutes"
      }, fetch)
    })
  )

/**
 * Like `layerBatch`, with the key, the base URL and the model from the environment.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerBatchConfig = (options?: ConfigOptions): Layer.Layer<LlmBatch, Config.ConfigError> =>
  Layer.unwrap(
    Effect.map(Settings.read(variables, options), (settings) => layerBatch({ ...options, ...settings }))
  )

const variables: Settings.Variables = {
  apiKey: ["ANTHROPIC_API_KEY"],
  baseUrl: "ANTHROPIC_BASE_URL",
  model: "ANTHROPIC_MODEL",
  needsKey: true
}

/**
 * The body of `POST /v1/messages` for a request. Use it for dry runs, or to send requests in another way. It fails for
 * files that the API does not accept.
 *
 * **Example** (A dry run)
 *
 * ```ts
 * import { Result } from "effect"
 * import { Anthropic } from "effect-instructor/anthropic"
 *
 * const body = Anthropic.encode({
 *   model: "claude-haiku-5-5",
 *   messages: [{ role: "system", content: "Be brief." }, { role: "user", content: "Who wrote Emma?" }],
 *   output: { mode: "text" },
 *   parameters: { maxTokens: 100 }
 * })
 *
 * Result.getOrThrow(body) // => { model: "claude-haiku-5-5", max_tokens: 100, system: "Be brief.", messages: [{ role: "user", content: "Who wrote Emma?" }] }
 * ```
 *
 * @category converting
 * @since 0.1.0
 */
export const encode = (request: LlmRequest): Result.Result<object, LlmError.Reason> => Request.toBody(request, false)

/** The API behind a path. */
const toProtocol = (options: ClientOptions, path: string) => {
  const { baseUrl = defaultBaseUrl, headers, provider = "anthropic" } = options
  const apiKey = options.apiKey === undefined ? undefined : Redacted.value(options.apiKey)
  const server: Server.Server = {
    ...Server.make({
      provider,
      baseUrl: rootOf(baseUrl),
      path,
      secrets: Secrets.make({ baseUrl, headers, fixed: [apiKey] })
    }),
    baseUrlHint: "Check the base URL"
  }
  return { server, protocol: Protocol.make({ server, baseUrl, apiKey, headers }) }
}

const make = (options: ClientOptions, transport: Transport.Transport["Service"]): Llm.Llm["Service"] =>
  ProtocolLlm.make(toProtocol(options, Protocol.path).protocol, transport, {
    model: options.model ?? defaultModel,
    dialect: options.dialect ?? "anthropic",
    pricing,
    requestTimeout: options.requestTimeout,
    dropped: Request.dropped
  })
