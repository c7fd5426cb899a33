/**
 * What tokens cost. A model that is not in the table has an unknown cost, never none.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type { Completion } from "./Completion.ts"
import type { LlmRequest } from "./LlmRequest.ts"
import { totalTokens, type Usage, zero } from "./Usage.ts"

/**
 * The price of a model, in US dollars for a million tokens.
 *
 * @category models
 * @since 0.1.0
 */
export interface Price {
  readonly input: number
  /** Of input tokens out of the provider's prompt cache. As `input`, if it is not given. */
  readonly cachedInput?: number | undefined
  /** Of input tokens written into the provider's prompt cache. As `input`, if it is not given. */
  readonly cacheWrite?: number | undefined
  readonly output: number
  /** What batches and the `flex` tier cost, as a share of the rest. They have no known price, if it is not given. */
  readonly batch?: number | undefined
  /** What the `priority` tier costs, as a multiple of the rest. It has no known price, if it is not given. */
  readonly priority?: number | undefined
  /** What a request costs whose input is longer than so many tokens, as multiples of the rest. */
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
  /** When the prices were right, as `2026-10-27`. */
  readonly asOf: string
  /** Where they are from. */
  readonly source: string
  readonly models: Readonly<Record<string, Price>>
}

const long = { above: 272_000, input: 2, output: 1.5 }

/**
 * OpenAI's prices, as its pricing page had them by way of dated public copies of it.
 *
 * @category constants
 * @since 0.1.0
 */
export const openAi: Pricing = {
  asOf: "2026-10-27",
  source: "https://developers.openai.com/api/docs/pricing",
  models: {
    "gpt-6.1-sol": { input: 2, cachedInput: 0.1, cacheWrite: 2.5, output: 10, batch: 0.5, long },
    "gpt-6.1-terra": { input: 1, cachedInput: 0.05, cacheWrite: 1.25, output: 5, batch: 0.5, priority: 2, long },
    "gpt-6-astra": { input: 10, cachedInput: 1, cacheWrite: 12.5, output: 50, batch: 0.5, long },
    "gpt-6-sol": { input: 2, cachedInput: 0.2, cacheWrite: 2.5, output: 10, batch: 0.5, long },
    "gpt-6-luna": { input: 0.1, cachedInput: 0.01, cacheWrite: 0.125, output: 0.5, batch: 0.5, long },
    "gpt-5.6-terra": { input: 2, cachedInput: 0.2, cacheWrite: 2.5, output: 12, batch: 0.5, long },
    "gpt-5.6-luna": { input: 0.2, cachedInput: 0.02, cacheWrite: 0.25, output: 1.2, batch: 0.5, long },
    "gpt-5.5": { input: 5, cachedInput: 0.5, output: 30, batch: 0.5, priority: 2.5 },
    "gpt-5.5-pro": { input: 30, output: 180, batch: 0.5 },
    "gpt-5.4": { input: 2.5, cachedInput: 0.25, output: 15, batch: 0.5, priority: 2, long },
    "gpt-5.4-pro": { input: 30, output: 180, batch: 0.5, long },
    "gpt-5.4-mini": { input: 0.75, cachedInput: 0.075, output: 4.5, batch: 0.5 },
    "gpt-5.4-nano": { input: 0.2, cachedInput: 0.02, output: 1.25, batch: 0.5 },
    "gpt-5.2": { input: 1.75, cachedInput: 0.175, output: 14, batch: 0.5 },
    "gpt-5.1": { input: 1.25, cachedInput: 0.125, output: 10, batch: 0.5 },
    "gpt-5": { input: 1.25, cachedInput: 0.125, output: 10, batch: 0.5 },
    "gpt-5-mini": { input: 0.25, cachedInput: 0.025, output: 2, batch: 0.5 },
    "gpt-5-nano": { input: 0.05, cachedInput: 0.005, output: 0.4, batch: 0.5 },
    "gpt-4.1": { input: 2, cachedInput: 0.5, output: 8, batch: 0.5 },
    "gpt-4.1-mini": { input: 0.4, cachedInput: 0.1, output: 1.6, batch: 0.5 },
    "gpt-4.1-nano": { input: 0.1, cachedInput: 0.025, output: 0.4, batch: 0.5 },
    "gpt-4o": { input: 2.5, cachedInput: 1.25, output: 10, batch: 0.5 },
    "gpt-4o-mini": { input: 0.15, cachedInput: 0.075, output: 0.6, batch: 0.5 },
    "o3": { input: 2, cachedInput: 0.5, output: 8, batch: 0.5 },
    "o4-mini": { input: 1.1, cachedInput: 0.275, output: 4.4, batch: 0.5 }
  }
}

/**
 * The prices that completions are billed with. OpenAI's, by default.
 *
 * **Example** (A model of one's own)
 *
 * ```ts
 * import { Layer } from "effect"
 * import { Pricing } from "effect-instructor"
 *
 * export const Prices = Layer.succeed(Pricing.CurrentPricing, {
 *   asOf: "2026-11-21",
 *   source: "our contract",
 *   models: { ...Pricing.openAi.models, "our-tune": { input: 0.3, output: 1.2 } }
 * })
 * ```
 *
 * @category references
 * @since 0.1.0
 */
export const CurrentPricing: Context.Reference<Pricing> = Context.Reference("effect-instructor/llm/Pricing", {
  defaultValue: () => openAi
})

/**
 * The price of a model, or of the model it is a dated version of.
 *
 * **Example** (A dated version)
 *
 * ```ts
 * import { Pricing } from "effect-instructor"
 *
 * Pricing.priceOf(Pricing.openAi, "gpt-4.1-mini-2025-04-14")?.input // => 0.4
 * Pricing.priceOf(Pricing.openAi, "gpt-4.1-mega") // => undefined
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const priceOf = ({ models }: Pricing, model: string): Price | undefined => {
  if (Object.hasOwn(models, model)) return models[model]
  const undated = model.replace(/-\d{4}-\d{2}-\d{2}$/, "")
  return Object.hasOwn(models, undated) ? models[undated] : undefined
}

/**
 * The cost of a usage in US dollars at a price, in a service tier if it names one, or `undefined` where nobody knows.
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
  // A server that counts cached tokens beside the others, and not among them, must not make any cost less than nothing.
  const plainInput = Math.max(0, inputTokens - cachedInputTokens - cacheWriteTokens)
  const input = plainInput * price.input +
    cachedInputTokens * (price.cachedInput ?? price.input) +
    cacheWriteTokens * (price.cacheWrite ?? price.input)
  const output = outputTokens * price.output
  return tier / 1_000_000 * (
    input * (isLong ? price.long.input : 1) * share(usage.batchInputTokens, inputTokens, price.batch) +
    output * (isLong ? price.long.output : 1) * share(usage.batchOutputTokens, outputTokens, price.batch)
  )
}

/**
 * The most that so many tokens can cost in US dollars, whatever the provider's prompt cache does.
 *
 * @category getters
 * @since 0.1.0
 */
export const mostFor = (
  price: Price,
  { inputTokens, outputTokens }: Pick<Usage, "inputTokens" | "outputTokens">,
  serviceTier?: string
): number | undefined =>
  costOf(
    { ...price, input: Math.max(price.input, price.cacheWrite ?? 0) },
    { ...zero, inputTokens, outputTokens },
    serviceTier
  )

/** What the price of batches makes of a sum, when this many of the tokens are billed at it. */
const share = (batched: number, tokens: number, batch = 1): number =>
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
 * A completion with its cost in its usage. Where the provider has told the cost itself, it stays.
 *
 * @category combinators
 * @since 0.1.0
 */
export const price = (pricing: Pricing, request: LlmRequest, completion: Completion): Completion => {
  const { usage } = completion
  if (usage.usd > 0 || usage.unpriced > 0 || totalTokens(usage) === 0) return completion
  const price = priceOf(pricing, completion.model) ?? priceOf(pricing, request.model)
  const usd = price === undefined
    ? undefined
    : costOf(price, usage, completion.serviceTier ?? request.parameters.serviceTier)
  return { ...completion, usage: usd === undefined ? { ...usage, unpriced: 1 } : { ...usage, usd } }
}
