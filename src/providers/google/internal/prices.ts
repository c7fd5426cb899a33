/** Google's prices for text, from dated copies of its pricing page. Documented as `Google.pricing`. */
import type { Price, Pricing } from "../../../llm/Pricing.ts"

/** Reading from the cache costs a tenth. */
const price = (input: number, output: number, long?: Price["long"]): Price => ({
  input,
  cachedInput: input / 10,
  output,
  batch: 0.5,
  ...(long !== undefined && { long })
})

const long = { above: 200_000, input: 2, output: 1.5 }

export const googlePricing: Pricing = {
  asOf: "2026-10-07",
  source: "https://ai.google.dev/gemini-api/docs/pricing",
  models: {
    "gemini-3.8-flash": price(0.75, 3.75),
    "gemini-3.5-flash": price(1.5, 9),
    "gemini-3.5-flash-lite": price(0.3, 2.5),
    "gemini-3.1-pro-preview": price(2, 12, long),
    "gemini-3.1-flash-lite": price(0.25, 1.5),
    "gemini-3-flash-preview": price(0.5, 3),
    "gemini-2.5-pro": price(1.25, 10, long),
    "gemini-2.5-flash": price(0.3, 2.5),
    "gemini-2.5-flash-lite": price(0.1, 0.4)
  }
}
