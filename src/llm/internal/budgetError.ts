/**
 * A budget's word that it cannot pay for a request, as it passes through `Llm`. `AiError` has no reason of its own for
 * it; the nearest is an exhausted quota, which nobody retries.
 */
import * as AiError from "effect/ai/AiError"
import * as Predicate from "effect/Predicate"

const key = "effect-instructor"

export const make = (method: string, description: string): AiError.AiError =>
  AiError.make({
    module: "LlmBudget",
    method,
    reason: new AiError.QuotaExhaustedError({ metadata: { [key]: { budget: description } } })
  })

export const description = ({ reason }: AiError.AiError): string | undefined => {
  if (reason._tag !== "QuotaExhaustedError") return undefined
  const metadata = reason.metadata[key]
  return Predicate.hasProperty(metadata, "budget") && Predicate.isString(metadata.budget) ? metadata.budget : undefined
}
