/**
 * The service that sends requests to a language model. Providers implement it and middleware wraps it, so that the rest of
 * a program does not depend on a provider.
 *
 * @since 0.1.0
 */
import * as LanguageModel from "effect/ai/LanguageModel"
import type * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type { Dialect } from "../schema/Dialect.ts"
import { type DialectInput, toDialect } from "../schema/dialects/builtIn.ts"
import type { Completion, CompletionPart } from "./Completion.ts"
import { completionParts } from "./completionParts.ts"
import * as FromLanguageModel from "./fromLanguageModel.ts"
import type { LlmError } from "./LlmError.ts"
import type { LlmRequest } from "./LlmRequest.ts"
import * as Pricing from "./Pricing.ts"
import * as RequestMeter from "./RequestMeter.ts"
import * as Several from "./several.ts"
import * as ToLanguageModel from "./toLanguageModel.ts"

export {
  /** @since 0.1.0 */
  CurrentPriority,
  /** @since 0.1.0 */
  type Priority,
  /** @since 0.1.0 */
  withPriority
} from "./Priority.ts"

export type {
  /** @since 0.1.0 */
  AcceptedSchema,
  /** @since 0.1.0 */
  Dialect,
  /** @since 0.1.0 */
  SchemaDocument,
  /** @since 0.1.0 */
  Unsupported
} from "../schema/Dialect.ts"

export type {
  /** @since 0.1.0 */
  DialectInput
} from "../schema/dialects/builtIn.ts"

/**
 * A language model. Programs rarely call it themselves: they provide a layer, and `Extraction` and `Batch` call it.
 *
 * @category services
 * @since 0.1.0
 */
export class Llm extends Context.Service<Llm, {
  /** The name of the provider, as in telemetry (`openai`, `ollama`). */
  readonly provider: string
  /** The server that answers: its base URL, without credentials. Empty if the provider has only one. */
  readonly origin: string
  /** The model to ask if an extraction does not name one. */
  readonly model: string
  /** The dialect of JSON Schema that the provider accepts. */
  readonly dialect: Dialect
  /** The prices of the provider. */
  readonly pricing: Pricing.Pricing
  /** Completes a request. Interruption aborts it. */
  readonly complete: (request: LlmRequest) => Effect.Effect<Completion, LlmError>
  /**
   * Completes a request and emits the answer as it arrives: `TextDelta`s, which together are the `text` of the completion,
   * and `ToolArgumentsDelta`s, which together are the `arguments` of the tool call with their `index`. The last part is
   * `Finish` with the whole completion. A stream that ends without it has failed. Pieces that arrive together are emitted
   * as one array. The request is sent when the stream runs, and aborted when its scope closes.
   */
  readonly stream: (request: LlmRequest) => Stream.Stream<CompletionPart, LlmError>
}>()("effect-instructor/llm/Llm") {}

/**
 * The options of `make`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly provider: string
  /**
   * The server that answers: usually its base URL, without credentials. Caches and journals do not mix the answers of
   * different origins.
   *
   * @default ""
   */
  readonly origin?: string | undefined
  readonly model: string
  /**
   * The dialect of JSON Schema that the provider accepts: `plain` for servers that accept any JSON Schema, `openai` for
   * servers with the rules and limits of OpenAI's strict mode, or your own.
   *
   * @default "plain"
   */
  readonly dialect?: DialectInput | undefined
  /**
   * The prices of the provider. The cost of a model without a price here or in `Pricing.CurrentPricing` is unknown.
   *
   * @default Pricing.empty
   */
  readonly pricing?: Pricing.Pricing | undefined
  /** Completes a request. Interruption should abort it. */
  readonly complete: Llm["Service"]["complete"]
  /** Streams the answer to a request. By default it is one piece. */
  readonly stream?: Llm["Service"]["stream"] | undefined
}

/**
 * Makes an `Llm` from a function that completes requests. Use it to connect a provider that has no layer yet. Adds the
 * cost to every completion.
 *
 * **Example** (A provider of your own)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { Llm, Usage } from "effect-instructor"
 *
 * export const Shouting = Layer.succeed(Llm.Llm, Llm.make({
 *   provider: "shouting",
 *   model: "loud",
 *   complete: ({ messages, model }) =>
 *     Effect.succeed({
 *       id: "1",
 *       model,
 *       text: JSON.stringify({ said: String(messages.at(-1)?.content).toUpperCase() }),
 *       toolCalls: [],
 *       finishReason: "stop",
 *       usage: Usage.zero
 *     })
 * }))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options): Llm["Service"] => {
  const { complete, stream } = options
  const pricing = options.pricing ?? Pricing.empty
  return Llm.of({
    provider: options.provider,
    origin: options.origin ?? "",
    model: options.model,
    dialect: toDialect(options.dialect ?? "plain"),
    pricing,
    ...RequestMeter.make({
      complete: (request, fiber) => {
        const tables = [fiber.getRef(Pricing.CurrentPricing), pricing]
        return Effect.map(complete(request), (completion) => Pricing.price(tables, request, completion))
      },
      stream: (request, fiber) => {
        const tables = [fiber.getRef(Pricing.CurrentPricing), pricing]
        const parts = stream === undefined
          ? Stream.fromIterableEffect(Effect.map(complete(request), completionParts))
          : stream(request)
        return Stream.map(parts, (part) =>
          part._tag === "Finish"
            ? { ...part, completion: Pricing.price(tables, request, part.completion) }
            : part)
      }
    })
  })
}

/**
 * A layer that requires an `Llm` and provides an `Llm`, such as `LlmCache.layer`, `LlmGovernor.layer` and
 * `LlmBudget.layer`.
 *
 * @category models
 * @since 0.1.0
 */
export type Middleware<A, E, R> = Layer.Layer<Llm | A, E, Llm | R>

/**
 * Puts middleware in front of a provider, in the right order: the cache answers before anything is spent, the governor
 * decides when a request is sent, and the budget pays for every request that is sent, retries included. Use it instead of
 * `Layer.provide` when you combine middleware.
 *
 * **Example** (A provider with a budget and a cache)
 *
 * ```ts
 * import { Llm, LlmBudget, LlmCache, LlmGovernor } from "effect-instructor"
 * import { OpenAi } from "effect-instructor/openai"
 *
 * export const Model = Llm.stack({
 *   provider: OpenAi.layerProviderConfig(),
 *   governor: LlmGovernor.layer({ requestsPerMinute: 500 }),
 *   budget: LlmBudget.layer({ usd: 5 }),
 *   cache: LlmCache.layer()
 * })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const stack = <
  A,
  E,
  R,
  AGovernor = never,
  EGovernor = never,
  RGovernor = never,
  ABudget = never,
  EBudget = never,
  RBudget = never,
  ACache = never,
  ECache = never,
  RCache = never
>(options: {
  /** A provider without a governor, such as `OpenAi.layerProvider`. */
  readonly provider: Layer.Layer<Llm | A, E, R>
  readonly governor?: Middleware<AGovernor, EGovernor, RGovernor> | undefined
  readonly budget?: Middleware<ABudget, EBudget, RBudget> | undefined
  readonly cache?: Middleware<ACache, ECache, RCache> | undefined
}): Layer.Layer<
  Llm | A | AGovernor | ABudget | ACache,
  E | EGovernor | EBudget | ECache,
  R | Exclude<RGovernor | RBudget | RCache, Llm>
> => {
  type Stacked = Layer.Layer<
    Llm | A | AGovernor | ABudget | ACache,
    E | EGovernor | EBudget | ECache,
    R | Exclude<RGovernor | RBudget | RCache, Llm>
  >
  type Above = Middleware<AGovernor | ABudget | ACache, EGovernor | EBudget | ECache, RGovernor | RBudget | RCache>
  const on = (below: Stacked, above: Above | undefined): Stacked =>
    above === undefined ? below : Layer.provideMerge(above, below) as Stacked
  const provider = options.provider as Stacked
  return on(on(on(provider, options.budget as Above), options.governor as Above), options.cache as Above)
}

/**
 * Asks the first of several providers, and the next one where it fails for good: with an error that no retry clears, or
 * with one that its governor has given up on. Each keeps its own governor and prices, and the next ones use the model of
 * their layer. A stream falls back until its first part has been emitted. What exceeds a budget is not sent elsewhere.
 *
 * **Example** (A second provider for outages)
 *
 * ```ts
 * import { Llm, Provider } from "effect-instructor"
 *
 * export const Model = Llm.fallback([
 *   Provider.layer("anthropic/claude-haiku-5-5"),
 *   Provider.layer("groq/openai/gpt-oss-120b")
 * ])
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const fallback = <const Layers extends Arr.NonEmptyReadonlyArray<AnyLayer>>(
  providers: Layers
): Layer.Layer<Llm, Layer.Error<Layers[number]>, Layer.Services<Layers[number]>> =>
  Layer.effect(
    Llm,
    Effect.map(Effect.forEach(providers, build), (services) =>
      Several.fallback(services as unknown as Arr.NonEmptyReadonlyArray<Llm["Service"]>))
  ) as Layer.Layer<Llm, Layer.Error<Layers[number]>, Layer.Services<Layers[number]>>

/**
 * Sends each request to the provider with the longest prefix that its model begins with. A prefix with a slash at its end
 * names a provider, and is left out of the name of the model. The first route is that of extractions that name no model.
 * Each provider keeps its own governor and prices.
 *
 * **Example** (Two providers)
 *
 * ```ts
 * import { Llm } from "effect-instructor"
 * import { Anthropic } from "effect-instructor/anthropic"
 * import { OpenAi } from "effect-instructor/openai"
 *
 * export const Model = Llm.route({
 *   "gpt-": OpenAi.layerConfig(),
 *   "claude-": Anthropic.layerConfig()
 * })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const route = <const Routes extends Readonly<Record<string, AnyLayer>>>(
  routes: Routes
): Layer.Layer<Llm, Layer.Error<Routes[keyof Routes]>, Layer.Services<Routes[keyof Routes]>> =>
  Layer.effect(
    Llm,
    Effect.map(
      Effect.forEach(Object.entries(routes), ([prefix, layer]) =>
        Effect.map(build(layer), (service) => [prefix, service] as const)),
      (services) =>
        Several.route(services as unknown as Arr.NonEmptyReadonlyArray<(typeof services)[number]>)
    )
  ) as Layer.Layer<Llm, Layer.Error<Routes[keyof Routes]>, Layer.Services<Routes[keyof Routes]>>

/** A layer that provides at least an `Llm`. */
type AnyLayer = Layer.Layer<Llm, unknown, unknown>

const build = (layer: AnyLayer) => Effect.map(Layer.build(layer), Context.get(Llm))

/**
 * The options of `fromLanguageModel`.
 *
 * @category models
 * @since 0.1.0
 */
export interface LanguageModelOptions {
  /**
   * The provider's name in telemetry and errors.
   *
   * @default "effect-ai"
   */
  readonly provider?: string | undefined
  /** The name of the model. The `LanguageModel` decides which one is asked. */
  readonly model?: string | undefined
  /**
   * The dialect of JSON Schema that the provider accepts.
   *
   * @default "openai"
   */
  readonly dialect?: DialectInput | undefined
  readonly pricing?: Pricing.Pricing | undefined
}

/**
 * An `Llm` over a `LanguageModel` of `effect/ai`, for providers that have no layer here. Prefer a layer of this library
 * where there is one: `effect/ai` has no parameters of a request (they belong to the layer of the model), no streamed
 * objects (an answer arrives in one piece), no rate limits, and refusals only as its provider reports them.
 *
 * **Example** (A model of `effect/ai`)
 *
 * ```ts
 * import { Layer } from "effect"
 * import type { LanguageModel } from "effect/ai"
 * import { Llm } from "effect-instructor"
 *
 * export const over = (model: Layer.Layer<LanguageModel.LanguageModel>) =>
 *   Llm.fromLanguageModel({ model: "some-model" }).pipe(Layer.provide(model))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const fromLanguageModel = (
  options?: LanguageModelOptions
): Layer.Layer<Llm, never, LanguageModel.LanguageModel> =>
  Layer.effect(
    Llm,
    Effect.map(LanguageModel.LanguageModel, (model) => {
      const { dialect = "openai", model: name = "default", pricing, provider = "effect-ai" } = options ?? {}
      return make({
        provider,
        model: name,
        dialect,
        pricing,
        complete: FromLanguageModel.makeComplete(model, provider)
      })
    })
  )

/**
 * A `LanguageModel` of `effect/ai` over the `Llm`, so that its governor, cache, budget and prices serve any program that
 * uses `effect/ai`. A request has one output, so a toolkit may have one tool, which `toolChoice` has to require.
 *
 * **Example** (Text with a budget)
 *
 * ```ts
 * import { Layer } from "effect"
 * import { Llm, Provider } from "effect-instructor"
 *
 * export const Model = Llm.toLanguageModel.pipe(Layer.provide(Provider.layer("anthropic/claude-haiku-5-5")))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const toLanguageModel: Layer.Layer<LanguageModel.LanguageModel, never, Llm> = Layer.effect(
  LanguageModel.LanguageModel,
  Effect.suspend(() => Llm.use((llm) => ToLanguageModel.make(llm)))
)
