/** OpenAI's prices, from dated public copies of its pricing page. Documented as `OpenAi.pricing`. */
import type { Pricing } from "../../../llm/Pricing.ts"

const long = { above: 272_000, input: 2, output: 1.5 }

export const openAiPricing: Pricing = {
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
