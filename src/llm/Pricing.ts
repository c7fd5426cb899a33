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
  readonly input: number
  /**
   * Of input tokens read from the provider's prompt cache.
   *
   * @default input
   */
  readonly cachedInput?: number | undefined
  /**
   * Of input tokens written to the provider's prompt cache.
   *
   * @default input
   */
  readonly cacheWrite?: number | undefined
  readonly output: number
  /** The price of batches and of the `flex` tier, as a share of the normal one. Unknown by default. */
  readonly batch?: number | undefined
  /** The price of the `priority` tier, as a multiple of the normal one. Unknown by default. */
  readonly priority?: number | undefined
  /** The price of a request with more than `above` input tokens, as multiples of the normal one. */
  readonly long?: {
    readonly above: number
    readonly input: number
    readonly output: number
  } | undefined
}

/**
 * Prices by the name of the model. A dated version (`gpt-5.4-mini-2026-03-17`) has the price of its model, unless it
 * has one of its own.
 *
 * @category models
 * @since 0.1.0
 */
export interface Pricing {
  /** The date on which the prices were right, as `2026-10-27`. */
  readonly asOf: string
  /** The source of the prices. */
  readonly source: string
  readonly models: Readonly<Record<string, Price>>
}

/**
 * No prices: what a provider has that does not state any.
 *
 * @category constants
 * @since 0.1.0
 */
export const empty: Pricing = { asOf: "", source: "", models: {} }

/**
 * Prices that go before those of the provider. Provide it for models that the provider does not list, or for prices
 * from your own contract.
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
 * The price of a model, or of the model that it is a dated version of, in the first of the tables that has it.
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
 * The cost of a usage in US dollars at a price, in a service tier if one is given; `undefined` where it is unknown.
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
  // Some servers count cached tokens beside the others and not among them; the cost must not become negative for it.
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
 * The most that a number of tokens can cost in US dollars, whatever the provider's prompt cache does.
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

/** The factor on a sum of which this many tokens are billed at the price of batches. */
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
 * Adds the cost of a completion to its usage. A cost that the provider has reported itself is kept. `Llm.make` calls
 * it; call it for completions that come another way.
 *
 * @category combinators
 * @since 0.1.0
 */
export const price = (tables: ReadonlyArray<Pricing>, request: LlmRequest, completion: Completion): Completion => {
  const { usage } = completion
  if (usage.usd > 0 || usage.unpriced > 0 || totalTokens(usage) === 0) return completion
  const found = priceOf(tables, completion.model) ?? priceOf(tables, request.model)
  const usd = found === undefined
    ? undefined
    : costOf(found, usage, completion.serviceTier ?? request.parameters.serviceTier)
  return { ...completion, usage: usd === undefined ? { ...usage, unpriced: 1 } : { ...usage, usd } }
}
