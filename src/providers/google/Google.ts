/**
 * Google's Gemini API (`generateContent`), without an SDK.
 *
 * @since 0.1.0
 */
import type * as Config from "effect/Config"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Result from "effect/Result"
import * as Llm from "../../llm/Llm.ts"
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
import { googlePricing } from "./internal/prices.ts"
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
 * import { Google } from "effect-instructor/google"
 *
 * const schema = Schema.Struct({ city: Schema.String })
 *
 * Extraction.make({ schema, model: Google.defaultModel }).model === Google.defaultModel // => true
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultModel = "gemini-3.8-flash"

/**
 * The base URL of Google's API, which layers use unless another one is given.
 *
 * **Example** (Its host)
 *
 * ```ts
 * import { Google } from "effect-instructor/google"
 *
 * new URL(Google.defaultBaseUrl).protocol // => "https:"
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultBaseUrl = "https://generativelanguage.googleapis.com"

/**
 * Google's prices, with their date and source. Every layer of this module uses them; to override some, provide
 * `Pricing.CurrentPricing`.
 *
 * **Example** (The price of the default model)
 *
 * ```ts
 * import { Pricing } from "effect-instructor"
 * import { Google } from "effect-instructor/google"
 *
 * Pricing.priceOf([Google.pricing], Google.defaultModel) === undefined // => false
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
export const pricing: Pricing = googlePricing

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
   * @default "google"
   */
  readonly provider?: string | undefined
  /**
   * The dialect of JSON Schema that the server accepts.
   *
   * @default "google"
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
 * The options of `layerConfig` and `layerProviderConfig`. Settings that are absent are read from `GOOGLE_API_KEY`
 * or `GEMINI_API_KEY`, `GOOGLE_BASE_URL` and `GOOGLE_MODEL`.
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
 * Google behind a governor with defaults, which retries and learns the account's rate limits. Use it unless you stack
 * middleware yourself; then start from `layerProvider`.
 *
 * **Example** (A key from a vault)
 *
 * ```ts
 * import { Redacted } from "effect"
 * import { Google } from "effect-instructor/google"
 *
 * export const Model = Google.layer({ apiKey: Redacted.make("from your vault"), model: "gemini-3.8-flash" })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<Llm.Llm | LlmGovernor.LlmGovernor> =>
  Layer.provide(LlmGovernor.layer(options.governor), layerProvider(options))

/**
 * Like `layer`, with the key, the base URL and the model from the environment. It fails without a key, unless
 * `GOOGLE_BASE_URL` names a server, which may need none.
 *
 * **Example** (A program with the key of the environment)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Extraction } from "effect-instructor"
 * import { Google } from "effect-instructor/google"
 *
 * export const program = Extraction.extract(Schema.Struct({ city: Schema.String }), "Paris").pipe(
 *   Effect.provide(Google.layerConfig())
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

const variables: Settings.Variables = {
  apiKey: ["GOOGLE_API_KEY", "GEMINI_API_KEY"],
  baseUrl: "GOOGLE_BASE_URL",
  model: "GOOGLE_MODEL",
  needsKey: true
}

/**
 * The body of `generateContent` for a request. Use it for dry runs, or to send requests in another way. It fails for files
 * that the API does not accept.
 *
 * **Example** (A dry run)
 *
 * ```ts
 * import { Result } from "effect"
 * import { Google } from "effect-instructor/google"
 *
 * const body = Google.encode({
 *   model: "gemini-3.8-flash",
 *   messages: [{ role: "user", content: "Who wrote Emma?" }],
 *   output: { mode: "text" },
 *   parameters: { maxTokens: 100 }
 * })
 *
 * Result.getOrThrow(body) // => { contents: [{ role: "user", parts: [{ text: "Who wrote Emma?" }] }], generationConfig: { maxOutputTokens: 100 } }
 * ```
 *
 * @category converting
 * @since 0.1.0
 */
export const encode = (request: LlmRequest): Result.Result<object, LlmError.Reason> => Request.toBody(request)

const make = (options: ClientOptions, transport: Transport.Transport["Service"]): Llm.Llm["Service"] => {
  const { baseUrl = defaultBaseUrl, headers, model = defaultModel, provider = "google" } = options
  const apiKey = options.apiKey === undefined ? undefined : Redacted.value(options.apiKey)
  const server: Server.Server = {
    ...Server.make({
      provider,
      baseUrl: rootOf(baseUrl),
      path: Protocol.path,
      secrets: Secrets.make({ baseUrl, headers, fixed: [apiKey] })
    }),
    baseUrlHint: "Check the base URL"
  }
  return ProtocolLlm.make(Protocol.make({ server, baseUrl, apiKey, headers }), transport, {
    model,
    dialect: options.dialect ?? "google",
    pricing,
    requestTimeout: options.requestTimeout,
    dropped: Request.dropped
  })
}
