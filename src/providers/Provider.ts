/**
 * Providers by name: `Provider.layer("anthropic/claude-haiku-5-5")`. What is before the first slash is the provider, and
 * the rest is the name of the model.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Llm from "../llm/Llm.ts"
import type { OutputMode } from "../llm/LlmRequest.ts"
import * as Pricing from "../llm/Pricing.ts"
import * as LlmGovernor from "../middleware/governor/LlmGovernor.ts"
import { toDialect } from "../schema/dialects/builtIn.ts"
import * as Anthropic from "./anthropic/Anthropic.ts"
import * as Google from "./google/Google.ts"
import * as Settings from "./internal/settings.ts"
import * as OpenAi from "./openai/OpenAi.ts"
import { builtIn } from "./presets/builtIn.ts"
import type { Native, Prefix } from "./presets/Prefix.ts"
import { modesFor, type Preset } from "./presets/Preset.ts"

export type {
  /** @since 0.1.0 */
  Preset
} from "./presets/Preset.ts"

export type {
  /** @since 0.1.0 */
  Prefix
} from "./presets/Prefix.ts"

/**
 * A model with its provider: `groq/openai/gpt-oss-120b` is the model `openai/gpt-oss-120b` of Groq.
 *
 * @category models
 * @since 0.1.0
 */
export type Model = `${Prefix}/${string}`

/**
 * The options of every layer of this module.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * The API key.
   *
   * @default the environment variable of the provider: `ANTHROPIC_API_KEY`
   */
  readonly apiKey?: Redacted.Redacted | undefined
  /**
   * The base URL of the server.
   *
   * @default the environment variable `<PREFIX>_BASE_URL`, or else that of the provider
   */
  readonly baseUrl?: string | undefined
  /** Headers of every request. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /**
   * The timeout of a single request.
   *
   * @default "10 minutes"
   */
  readonly requestTimeout?: Duration.Input | undefined
  /** The rate limits and retries of the governor in front of the provider. */
  readonly governor?: LlmGovernor.Options | undefined
}

/**
 * A provider that can be named: what `Provider.list` shows.
 *
 * @category models
 * @since 0.1.0
 */
export interface Description {
  readonly prefix: string
  readonly baseUrl: string
  /** The environment variables of the key, of which the first that is set counts. Empty if none is needed. */
  readonly apiKeyEnv: ReadonlyArray<string>
  /** The modes that work, the best first. */
  readonly modes: ReadonlyArray<OutputMode>
  /** The model for extractions that name none. */
  readonly model: string | undefined
}

/**
 * No provider has this prefix.
 *
 * @category errors
 * @since 0.1.0
 */
export class UnknownProvider extends Schema.TaggedError<UnknownProvider>()("UnknownProvider", {
  /** What was asked for. */
  model: Schema.String,
  /** The prefixes of the known providers. */
  known: Schema.Array(Schema.String)
}) {
  override get message(): string {
    const prefix = this.model.includes("/") ? this.model.slice(0, this.model.indexOf("/")) : undefined
    const problem = prefix === undefined
      ? `"${this.model}" names no provider: write provider/model`
      : `There is no provider "${prefix}"`
    return `${problem}. The known providers: ${this.known.join(", ")}`
  }
}

const allModes = ["json_schema", "tools", "json", "markdown"] as const

interface Entry {
  readonly description: Description
  readonly layer: (
    model: string | undefined,
    options: Options | undefined
  ) => Layer.Layer<Llm.Llm, Config.ConfigError>
}

const variablesOf = (prefix: string, apiKey: ReadonlyArray<string>, needsKey: boolean): Settings.Variables => {
  const name = prefix.toUpperCase().replace(/\W/g, "_")
  return { apiKey, baseUrl: `${name}_BASE_URL`, model: `${name}_MODEL`, needsKey }
}

/** The given settings, and those of the environment. */
const settingsOf = (
  variables: Settings.Variables,
  model: string | undefined,
  options: Options | undefined
): Effect.Effect<Options & { readonly model: string | undefined }, Config.ConfigError> =>
  Effect.map(
    options?.apiKey === undefined
      ? Settings.read(options?.baseUrl === undefined ? variables : { ...variables, needsKey: false })
      : Settings.read({ ...variables, needsKey: false }),
    (settings) => ({
      ...options,
      apiKey: options?.apiKey ?? settings.apiKey,
      baseUrl: options?.baseUrl ?? settings.baseUrl,
      model: model ?? settings.model
    })
  )

const native = (
  prefix: Prefix,
  apiKey: ReadonlyArray<string>,
  defaults: { readonly defaultBaseUrl: string; readonly defaultModel: string },
  make: (options: Options & { readonly model: string | undefined }) => Layer.Layer<Llm.Llm>,
  // Two APIs of one server share its variables.
  variables: string = prefix
): Entry => ({
  description: {
    prefix,
    baseUrl: defaults.defaultBaseUrl,
    apiKeyEnv: apiKey,
    modes: allModes,
    model: defaults.defaultModel
  },
  layer: (model, options) =>
    Layer.unwrap(Effect.map(settingsOf(variablesOf(variables, apiKey, true), model, options), make))
})

const preset = (given: Preset): Entry => {
  const { apiKeyEnv, baseUrl, headers, model: defaultModel, modes, pricing = Pricing.empty, prefix } = given
  const dialect = toDialect(given.dialect ?? "openai")
  // A server without a key may still be given one.
  const names = [apiKeyEnv ?? `${prefix.toUpperCase().replace(/\W/g, "_")}_API_KEY`]
  const variables = variablesOf(prefix, names, apiKeyEnv !== undefined)
  return {
    description: { prefix, baseUrl, apiKeyEnv: apiKeyEnv === undefined ? [] : names, modes, model: defaultModel },
    layer: (model, options) =>
      Layer.unwrap(Effect.map(settingsOf(variables, model, options), (settings) => {
        const chosen = settings.model ?? defaultModel ?? "default"
        return OpenAi.layerProvider({
          ...settings,
          baseUrl: settings.baseUrl ?? baseUrl,
          headers: { ...headers, ...settings.headers },
          model: chosen,
          provider: prefix,
          pricing,
          traits: given,
          dialect: { ...dialect, name: prefix, modes: (model) => modesFor(given, model ?? chosen) }
        })
      }))
  }
}

const entries: ReadonlyMap<string, Entry> = new Map(
  [
    native("openai", ["OPENAI_API_KEY"], OpenAi, (options) => OpenAi.layerProvider(options)),
    native(
      "openai-responses",
      ["OPENAI_API_KEY"],
      OpenAi,
      (options) => OpenAi.layerProvider({ ...options, api: "responses" }),
      "openai"
    ),
    native("anthropic", ["ANTHROPIC_API_KEY"], Anthropic, (options) => Anthropic.layerProvider(options)),
    native("google", ["GOOGLE_API_KEY", "GEMINI_API_KEY"], Google, (options) => Google.layerProvider(options)),
    ...Object.values(builtIn satisfies Readonly<Record<Exclude<Prefix, Native>, Preset>>)
      .map(preset)
  ].map((entry) => [entry.description.prefix, entry])
)

/**
 * The known providers.
 *
 * **Example** (The prefixes)
 *
 * ```ts
 * import { Provider } from "effect-instructor"
 *
 * Provider.list.map(({ prefix }) => prefix).slice(0, 4) // => ["openai", "openai-responses", "anthropic", "google"]
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
export const list: ReadonlyArray<Description> = Array.from(entries.values(), ({ description }) => description)

/**
 * The provider and the model in a text, split at the first slash. Use it for names from a file or a flag.
 *
 * **Example** (A model with a slash of its own)
 *
 * ```ts
 * import { Result } from "effect"
 * import { Provider } from "effect-instructor"
 *
 * Result.getOrThrow(Provider.parse("groq/openai/gpt-oss-120b")) // => { prefix: "groq", model: "openai/gpt-oss-120b" }
 * ```
 *
 * @category converting
 * @since 0.1.0
 */
export const parse = (
  text: string
): Result.Result<{ readonly prefix: Prefix; readonly model: string }, UnknownProvider> => {
  const at = text.indexOf("/")
  const prefix = text.slice(0, Math.max(0, at)).trim()
  const model = text.slice(at + 1).trim()
  return at === -1 || model === "" || !entries.has(prefix)
    ? Result.fail(new UnknownProvider({ model: text, known: [...entries.keys()] }))
    : Result.succeed({ prefix: prefix as Prefix, model })
}

/**
 * Whether a text names a known provider and a model.
 *
 * @category guards
 * @since 0.1.0
 */
export const isModel = (u: unknown): u is Model => Predicate.isString(u) && Result.isSuccess(parse(u))

/**
 * A model behind a governor with defaults, by its name. The key comes from the environment variable of the provider,
 * `<PREFIX>_API_KEY`, and another server from `<PREFIX>_BASE_URL`.
 *
 * **Example** (A model of Anthropic)
 *
 * ```ts
 * import { Provider } from "effect-instructor"
 *
 * export const Model = Provider.layer("anthropic/claude-haiku-5-5")
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  model: Model,
  options?: Options
): Layer.Layer<Llm.Llm | LlmGovernor.LlmGovernor, Config.ConfigError | UnknownProvider> =>
  Layer.provide(LlmGovernor.layer(options?.governor), layerProvider(model, options))

/**
 * Like `layer`, without a governor, and so without retries. Use it with `Llm.stack`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerProvider = (
  model: Model,
  options?: Options
): Layer.Layer<Llm.Llm, Config.ConfigError | UnknownProvider> => {
  const parsed = parse(model)
  return Result.isFailure(parsed)
    ? Layer.unwrap(Effect.fail(parsed.failure))
    : entries.get(parsed.success.prefix)!.layer(parsed.success.model, options)
}

/**
 * Like `layer`, with the model from the environment variable `EFFECT_INSTRUCTOR_MODEL`, or from another `Config`.
 *
 * **Example** (The model of the environment)
 *
 * ```ts
 * import { Provider } from "effect-instructor"
 *
 * // EFFECT_INSTRUCTOR_MODEL=groq/openai/gpt-oss-120b GROQ_API_KEY=…
 * export const Model = Provider.layerConfig()
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options?: Options & { readonly model?: Config.Config<string> | undefined }
): Layer.Layer<Llm.Llm | LlmGovernor.LlmGovernor, Config.ConfigError | UnknownProvider> =>
  Layer.provide(LlmGovernor.layer(options?.governor), layerProviderConfig(options))

/**
 * Like `layerConfig`, without a governor. Use it with `Llm.stack`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerProviderConfig = (
  options?: Options & { readonly model?: Config.Config<string> | undefined }
): Layer.Layer<Llm.Llm, Config.ConfigError | UnknownProvider> =>
  Layer.unwrap(
    Effect.map(
      Effect.suspend(() => options?.model ?? Config.NonEmptyString("EFFECT_INSTRUCTOR_MODEL")),
      (model) => layerProvider(model.trim() as Model, options)
    )
  )

/**
 * The layers of a server of your own that speaks Chat Completions, from a preset.
 *
 * **Example** (A server in the house)
 *
 * ```ts
 * import { Provider } from "effect-instructor"
 *
 * const house = Provider.define({
 *   prefix: "house",
 *   baseUrl: "http://models.house.example/v1",
 *   modes: ["json_schema", "markdown"],
 *   dialect: "plain",
 *   lengthField: "max_tokens"
 * })
 *
 * export const Model = house.layer("our-tune")
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const define = <const P extends string>(given: Preset<P>): Defined<P> => {
  const entry = preset(given)
  return {
    prefix: given.prefix,
    preset: given,
    layerProvider: entry.layer,
    layer: (model, options) => Layer.provide(LlmGovernor.layer(options?.governor), entry.layer(model, options))
  }
}

/**
 * A provider that `define` has made.
 *
 * @category models
 * @since 0.1.0
 */
export interface Defined<out P extends string> {
  readonly prefix: P
  readonly preset: Preset<P>
  /** A model behind a governor with defaults. */
  readonly layer: (
    model?: string,
    options?: Options
  ) => Layer.Layer<Llm.Llm | LlmGovernor.LlmGovernor, Config.ConfigError>
  /** A model without a governor. */
  readonly layerProvider: (
    model?: string,
    options?: Options
  ) => Layer.Layer<Llm.Llm, Config.ConfigError>
}

/**
 * Which of the variables of a provider's key is set, if one is.
 *
 * @category getters
 * @since 0.1.0
 */
export const keyIn = (
  { apiKeyEnv }: Pick<Description, "apiKeyEnv">
): Effect.Effect<Option.Option<string>, Config.ConfigError> =>
  Effect.gen(function*() {
    for (const name of apiKeyEnv) {
      if ((yield* Settings.keyOf([name])) !== undefined) return Option.some(name)
    }
    return Option.none()
  })
