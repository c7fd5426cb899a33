/** What requests cost: at most, before they are sent, and in the end. */
import type { LlmError } from "../../../llm/LlmError.ts"
import type { LlmRequest } from "../../../llm/LlmRequest.ts"
import * as Pricing from "../../../llm/Pricing.ts"
import * as TokenCount from "../../../llm/TokenCount.ts"
import * as Usage from "../../../llm/Usage.ts"
import { type Sum, toNanoDollars } from "./account.ts"

/** The most that a request can cost, or `undefined` if its price is unknown and matters. */
export const maximum = (
  request: LlmRequest,
  options: { readonly isInDollars: boolean; readonly pricing: ReadonlyArray<Pricing.Pricing> }
): Sum | undefined => {
  const { model, parameters } = request
  const inputTokens = TokenCount.maximumPrompt(request)
  const outputTokens = parameters.maxTokens ?? 0
  const tokens = inputTokens + outputTokens
  if (!options.isInDollars) return { nanoDollars: 0, tokens }
  const price = Pricing.priceOf(options.pricing, model)
  const usd = price && Pricing.maximumCost(price, { inputTokens, outputTokens }, parameters.serviceTier)
  return usd === undefined ? undefined : { nanoDollars: toNanoDollars(usd), tokens }
}

/** The cost of a request with this usage. What its provider does not report counts as reserved. */
export const ofUsage = (reserved: Sum, usage: Usage.Usage): Sum => ({
  nanoDollars: usage.unpriced > 0 ? reserved.nanoDollars : toNanoDollars(usage.usd),
  tokens: usage.unreported > 0 ? reserved.tokens : Usage.totalTokens(usage)
})

/** Gateways answer with these when they lost the server behind them, which may have finished the work and billed it. */
const gatewayStatuses = new Set([408, 499, 502, 504, 520, 521, 522, 523, 524])

/** The codes of connections that were never made, as Node and undici name them. */
const neverConnected = /\b(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT)\b/

/** Whether the provider may bill a request that failed without reporting its usage. */
export const mayBeBilled = ({ code, reason, status }: LlmError): boolean => {
  switch (reason._tag) {
    case "RateLimitError":
    case "QuotaExhaustedError":
    case "AuthenticationError":
    case "InvalidRequestError":
    case "InvalidUserInputError":
    case "UnsupportedSchemaError":
    case "RequestTooLargeError":
    case "NotFoundError":
    case "OverloadedError":
    case "BudgetExceededError":
      return false
    case "InternalProviderError":
      return status !== undefined && gatewayStatuses.has(status)
    case "NetworkError":
      return reason.reason === "TransportError" && !neverConnected.test(`${code} ${reason.description}`)
    default:
      return true
  }
}
