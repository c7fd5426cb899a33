/**
 * Prices of tokens. The cost of a model without a known price is unknown, never zero.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type { Completion } from "./Completion.ts"
import type { LlmRequest } from "./LlmRequest.ts"
import { totalTokens, type Usage, zero } from "./Usage.ts"

/**
 * The price of a model, in US dollars per million tokens.
 *
 * @category models
 * @since 0.1.0
 */
export interface Price {
  /** The price of input tokens. */
  readonly input: number
  /**
   * The price of input tokens read from the provider's prompt cache.
   *
   * @default input
   */
  readonly cachedInput?: number | undefined
  /**
   * The price of input tokens written to the provider's prompt cache.
   *
   * @default input
   */
  readonly cacheWrite?: number | undefined
  /** The price of output tokens, reasoning included. */
  readonly output: number
  /** The price of batches and of the `flex` tier as a share of the normal price. Unknown by default. */
  readonly batch?: number | undefined
  /** The price of the `priority` tier as a multiple of the normal price. Unknown by default. */
  readonly priority?: number | undefined
  /** The price of requests with more than `above` input tokens, as multiples of the normal price. */
  readonly long?: {
    readonly above: number
    readonly input: number
    readonly output: number
  } | undefined
}

/**
 * A table of prices by model. A dated version (`gpt-5.4-mini-2026-03-17`) has the price of its model, unless it is in
 * the table itself.
 *
 * @category models
 * @since 0.1.0
 */
export interface Pricing {
  /** The date of the prices, such as `2026-10-27`. */
  readonly asOf: string
  /** The source of the prices. */
  readonly source: string
  readonly models: Readonly<Record<string, Price>>
}

/**
 * A table without prices.
 *
 * **Example** (No price is known)
 *
 * ```ts
 * import { Pricing } from "effect-instructor"
 *
 * Pricing.priceOf([Pricing.empty], "gpt-4.1-mini") // => undefined
 * ```
 *
 * @category constants
 * @since 0.1.0
 */
export const empty: Pricing = { asOf: "", source: "", models: {} }

/**
 * Prices that take precedence over those of the provider. Set it for models that the provider does not list, or for the
 * prices of your contract.
 *
 * **Example** (A model of your own)
 *
 * ```ts
 * import { Layer } from "effect"
 * import { Pricing } from "effect-instructor"
 *
 * export const Prices = Layer.succeed(Pricing.CurrentPricing, {
 *   asOf: "2026-11-21",
 *   source: "our contract",
 *   models: { "our-tune": { input: 0.3, output: 1.2 } }
 * })
 * ```
 *
 * @category references
 * @since 0.1.0
 */
export const CurrentPricing: Context.Reference<Pricing> = Context.Reference("effect-instructor/llm/Pricing", {
  defaultValue: () => empty
})

/**
 * Returns the price of a model from the first table that has it or, for a dated version, its model. Use it to show
 * prices, or to compute costs yourself.
 *
 * **Example** (A dated version)
 *
 * ```ts
 * import { Pricing } from "effect-instructor"
 * import { OpenAi } from "effect-instructor/openai"
 *
 * Pricing.priceOf([OpenAi.pricing], "gpt-4.1-mini-2025-04-14")?.input // => 0.4
 * Pricing.priceOf([OpenAi.pricing], "gpt-4.1-mega") // => undefined
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const priceOf = (tables: ReadonlyArray<Pricing>, model: string): Price | undefined => {
  const undated = model.replace(/-\d{4}-\d{2}-\d{2}$/, "")
  for (const { models } of tables) {
    if (Object.hasOwn(models, model)) return models[model]
    if (Object.hasOwn(models, undated)) return models[undated]
  }
  return undefined
}

/**
 * Returns the cost of a usage in US dollars, or `undefined` if it is unknown for the service tier or the usage. Use it to
 * compute what a usage would cost with another model.
 *
 * **Example** (The cost with two models)
 *
 * ```ts
 * import { Pricing, Usage } from "effect-instructor"
 *
 * const usage = { ...Usage.zero, inputTokens: 1_000_000, outputTokens: 500_000 }
 *
 * Pricing.costOf({ input: 1, output: 4 }, usage) // => 3
 * Pricing.costOf({ input: 0.5, output: 2 }, usage) // => 1.5
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const costOf = (price: Price, usage: Usage, serviceTier?: string): number | undefined => {
  const tier = tierFactor(price, serviceTier)
  const batched = usage.batchInputTokens + usage.batchOutputTokens > 0
  if (usage.unreported > 0 || tier === undefined || batched && price.batch === undefined) return undefined
  const { cacheWriteTokens, cachedInputTokens, inputTokens, outputTokens } = usage
  const isLong = price.long !== undefined && inputTokens > price.long.above
  // Some servers do not count cached tokens among the input tokens. The cost must not become negative.
  const plainInput = Math.max(0, inputTokens - cachedInputTokens - cacheWriteTokens)
  const input = plainInput * price.input +
    cachedInputTokens * (price.cachedInput ?? price.input) +
    cacheWriteTokens * (price.cacheWrite ?? price.input)
  const output = outputTokens * price.output
  return tier / 1_000_000 * (
    input * (isLong ? price.long.input : 1) * batchFactor(usage.batchInputTokens, inputTokens, price.batch) +
    output * (isLong ? price.long.output : 1) * batchFactor(usage.batchOutputTokens, outputTokens, price.batch)
  )
}

/**
 * Returns the highest cost of a number of tokens in US dollars, whatever the prompt cache of the provider does. Use it to
 * set money aside before a request.
 *
 * **Example** (The most that a request can cost)
 *
 * ```ts
 * import { Pricing } from "effect-instructor"
 *
 * const price = { input: 1, cacheWrite: 2, output: 4 }
 *
 * Pricing.maximumCost(price, { inputTokens: 500_000, outputTokens: 250_000 }) // => 2
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const maximumCost = (
  price: Price,
  { inputTokens, outputTokens }: Pick<Usage, "inputTokens" | "outputTokens">,
  serviceTier?: string
): number | undefined =>
  costOf(
    { ...price, input: Math.max(price.input, price.cacheWrite ?? 0) },
    { ...zero, inputTokens, outputTokens },
    serviceTier
  )

/** The factor on the price of tokens of which some are billed at the batch price. */
const batchFactor = (batched: number, tokens: number, batch = 1): number =>
  tokens === 0 ? 1 : 1 - Math.min(1, batched / tokens) * (1 - batch)

const tierFactor = ({ batch, priority }: Price, serviceTier: string | undefined): number | undefined => {
  switch (serviceTier) {
    case undefined:
    case "auto":
    case "default":
      return 1
    case "flex":
      return batch
    case "priority":
    case "fast":
      return priority
    default:
      return undefined
  }
}

/**
 * Adds the cost of a completion to its usage. A cost that the provider reports is kept. `Llm.make` calls it. Use it for
 * completions from another source.
 *
 * @category combinators
 * @since 0.1.0
 */
export const price = (tables: ReadonlyArray<Pricing>, request: LlmRequest, completion: Completion): Completion => {
  const { usage } = completion
  if (usage.usd > 0 || usage.unpriced > 0 || totalTokens(usage) === 0) return completion
  const found = priceOf(tables, completion.model) ??
    (request.model === completion.model ? undefined : priceOf(tables, request.model))
  const usd = found === undefined
    ? undefined
    : costOf(found, usage, completion.serviceTier ?? request.parameters.serviceTier)
  return { ...completion, usage: usd === undefined ? { ...usage, unpriced: 1 } : { ...usage, usd } }
}
