/** The `Llm` of a command, from the environment and its flags. */
import * as Config from "effect/Config"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as RateLimiter from "effect/persistence/RateLimiter"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Llm from "../../llm/Llm.ts"
import type { LlmBatch } from "../../llm/LlmBatch.ts"
import * as LlmBudget from "../../middleware/budget/LlmBudget.ts"
import * as LlmCache from "../../middleware/cache/LlmCache.ts"
import * as LlmGovernor from "../../middleware/governor/LlmGovernor.ts"
import * as NodeLlmCache from "../../node/NodeLlmCache.ts"
import * as OpenAi from "../../providers/openai/OpenAi.ts"
import * as Provider from "../../providers/Provider.ts"
import { Transport } from "../../transport/Transport.ts"
import { type CommandFailure, misconfigured, usage } from "../commandFailure.ts"

export interface Options {
  readonly baseUrl: string | undefined
  /** The model of the command line, with or without the prefix of its provider. */
  readonly model?: string | undefined
  readonly requestTimeout?: Duration.Duration | undefined
  readonly giveUpAfter?: Duration.Duration | undefined
  readonly maxServerDelay?: Duration.Duration | undefined
  /** Whether requests will be sent. */
  readonly sends: boolean
  readonly rpm?: number | undefined
  readonly tpm?: number | undefined
  readonly cache?: string | undefined
  readonly budgetUsd?: number | undefined
  readonly budgetTokens?: number | undefined
  /** Where limits and budgets are shared with other processes, and under which name. */
  readonly shared?: {
    readonly key: string
    readonly store: Layer.Layer<RateLimiter.RateLimiterStore, CommandFailure>
  } | undefined
}

const nonEmpty = (name: string) =>
  Config.option(Config.String(name)).pipe(
    Config.map(Option.filter((value) => value.trim() !== "")),
    Config.map(Option.getOrUndefined)
  )

export const layer = (
  options: Options
): Layer.Layer<Llm.Llm, CommandFailure> => {
  const { budgetTokens: tokens, budgetUsd: usd, cache, shared } = options
  const limits = {
    requestsPerMinute: options.rpm,
    tokensPerMinute: options.tpm,
    giveUpAfter: options.giveUpAfter,
    maxServerDelay: options.maxServerDelay
  }
  const hasBudget = usd !== undefined || tokens !== undefined
  const cached = cache === undefined
    ? undefined
    : LlmCache.layer({ store: NodeLlmCache.layerSqlite({ path: cache }) })
  if (shared === undefined) {
    return Llm.stack({
      provider: provider(options),
      budget: hasBudget ? LlmBudget.layer({ usd, tokens }) : undefined,
      governor: LlmGovernor.layer(limits),
      cache: cached
    })
  }
  const { key, store } = shared
  return Llm.stack({
    provider: provider(options),
    budget: hasBudget ? LlmBudget.layerShared({ key, usd, tokens }) : undefined,
    governor: LlmGovernor.layerShared({ key, ...limits }),
    cache: cached
  }).pipe(Layer.provide(store))
}

const provider = (
  { baseUrl: baseUrlFlag, model: modelFlag, requestTimeout, sends }: Options
): Layer.Layer<Llm.Llm, CommandFailure> =>
  Layer.unwrap(
    Effect.gen(function*() {
      // Only what sends needs undici, which takes a while to load.
      const NodeTransport = yield* Effect.promise(() => import("../../node/NodeTransport.ts"))
      const transport = yield* NodeTransport.make()
      const chosen = modelFlag ?? (yield* nonEmpty("EFFECT_INSTRUCTOR_MODEL"))
      const named = chosen === undefined ? undefined : yield* parse(chosen, baseUrlFlag)
      const layer = named === undefined ?
        yield* openAi(baseUrlFlag, requestTimeout, sends) :
        Provider.layerProvider(named, {
          requestTimeout,
          // Nothing is sent, so no key is needed.
          baseUrl: baseUrlFlag ?? (sends ? undefined : defaultBaseUrl(named))
        })
      return Layer.provide(layer, Layer.succeed(Transport, transport))
    }).pipe(Effect.catchTag("ConfigError", (error) => Effect.fail(misconfigured(error))))
  ).pipe(Layer.catch((error) => Layer.effect(Llm.Llm, Effect.fail(toUsage(error)))))

const toUsage = (error: CommandFailure | Config.ConfigError | Provider.UnknownProvider): CommandFailure => {
  switch (error._tag) {
    case "CommandFailure":
      return error
    case "ConfigError":
      return misconfigured(error)
    case "UnknownProvider":
      return usage(error.message)
  }
}

const defaultBaseUrl = (model: Provider.Model): string | undefined =>
  Provider.list.find(({ prefix }) => model.startsWith(`${prefix}/`))?.baseUrl

/**
 * The provider and model of a text, or `undefined` where it names only a model. At a server of one's own, a slash may be
 * part of the name of a model.
 */
const parse = (
  text: string,
  baseUrlFlag: string | undefined
): Effect.Effect<Provider.Model | undefined, CommandFailure | Config.ConfigError> =>
  Effect.gen(function*() {
    if (Provider.isModel(text)) return text
    if (!text.includes("/") || baseUrlFlag !== undefined) return undefined
    if ((yield* nonEmpty("OPENAI_BASE_URL")) !== undefined) return undefined
    const { message } = Result.getOrThrow(Result.flip(Provider.parse(text)))
    return yield* usage(message)
  })

/** The provider of the models that a command asks. */
export const describe = (
  { baseUrl, model }: Pick<Options, "baseUrl" | "model">
): Effect.Effect<Provider.Description, CommandFailure | Config.ConfigError> =>
  Effect.gen(function*() {
    const chosen = model ?? (yield* nonEmpty("EFFECT_INSTRUCTOR_MODEL"))
    const named = chosen === undefined ? undefined : yield* parse(chosen, baseUrl)
    return Provider.list.find(({ prefix }) => named?.startsWith(`${prefix}/`)) ?? Provider.list[0]!
  })

/** The name of the model, without that of its provider. */
export const modelOf = (text: string | undefined): string | undefined =>
  text === undefined ? undefined : Result.getOrElse(Result.map(Provider.parse(text), ({ model }) => model), () => text)

/** OpenAI, or any server that speaks its protocol. */
const openAi = (
  baseUrlFlag: string | undefined,
  requestTimeout: Duration.Duration | undefined,
  sends: boolean
): Effect.Effect<Layer.Layer<Llm.Llm>, CommandFailure | Config.ConfigError> =>
  Effect.map(clientOf(baseUrlFlag, requestTimeout, sends), OpenAi.layerProvider)

/** The batch interface of OpenAI, or of a server with the same endpoints. */
export const layerBatch = (
  { baseUrl, model: modelFlag, requestTimeout, sends }: Options
): Layer.Layer<LlmBatch, CommandFailure> =>
  Layer.unwrap(
    Effect.gen(function*() {
      const chosen = modelFlag ?? (yield* nonEmpty("EFFECT_INSTRUCTOR_MODEL"))
      const named = chosen === undefined ? undefined : yield* parse(chosen, baseUrl)
      if (named !== undefined && !named.startsWith("openai/")) {
        return yield* usage(`The command sends offline batches to OpenAI only, and ${named} is another provider`)
      }
      const client = yield* clientOf(baseUrl, requestTimeout, sends)
      return OpenAi.layerBatch({ ...client, model: modelOf(named) ?? client.model })
    }).pipe(Effect.catchTag("ConfigError", (error) => Effect.fail(misconfigured(error))))
  )

const clientOf = (
  baseUrlFlag: string | undefined,
  requestTimeout: Duration.Duration | undefined,
  sends: boolean
): Effect.Effect<OpenAi.ClientOptions, CommandFailure | Config.ConfigError> =>
  Effect.gen(function*() {
    const apiKey = yield* nonEmpty("OPENAI_API_KEY")
    const baseUrl = baseUrlFlag ?? (yield* nonEmpty("OPENAI_BASE_URL"))
    const model = yield* nonEmpty("OPENAI_MODEL")
    if (sends && apiKey === undefined && baseUrl === undefined) {
      return yield* usage(
        "No model is configured. Set OPENAI_API_KEY or, for a server of your own, OPENAI_BASE_URL or --base-url. " +
          "For another provider, prefix the model: --model anthropic/claude-haiku-5-5, or set EFFECT_INSTRUCTOR_MODEL"
      )
    }
    return {
      apiKey: apiKey === undefined ? undefined : Redacted.make(apiKey),
      baseUrl,
      model,
      requestTimeout
    }
  })
