/** Anthropic's prices, from its pricing page and dated copies of it. Documented as `Anthropic.pricing`. */
import type { Price, Pricing } from "../../../llm/Pricing.ts"

/** Writing to the cache for five minutes costs a quarter more than reading the prompt. */
const price = (input: number, output: number, cachedInput: number, long?: Price["long"]): Price => ({
  input,
  cachedInput,
  cacheWrite: input * 1.25,
  output,
  batch: 0.5,
  ...(long !== undefined && { long })
})

export const anthropicPricing: Pricing = {
  asOf: "2026-10-24",
  source: "https://platform.claude.com/docs/en/about-claude/pricing",
  models: {
    "claude-fable-5-1": price(10, 50, 0.25),
    "claude-mythos-5-1": price(10, 50, 0.25),
    "claude-fable-5": price(10, 50, 1),
    "claude-mythos-5": price(10, 50, 1),
    "claude-opus-5-5": price(4, 20, 0.2),
    "claude-opus-5": price(5, 25, 0.5),
    "claude-opus-4-8": price(5, 25, 0.5),
    "claude-opus-4-7": price(5, 25, 0.5),
    "claude-opus-4-6": price(5, 25, 0.5),
    "claude-opus-4-5": price(5, 25, 0.5),
    "claude-sonnet-5-5": price(2, 10, 0.1),
    "claude-sonnet-5": price(2, 10, 0.2),
    "claude-sonnet-4-6": price(3, 15, 0.3),
    "claude-sonnet-4-5": price(3, 15, 0.3),
    "claude-haiku-5-5": price(0.1, 0.5, 0.01, { above: 100_000, input: 5, output: 5 }),
    "claude-haiku-4-5": price(1, 5, 0.1)
  }
}
