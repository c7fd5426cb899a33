/**
 * How long a provider asked to wait. `AiError` has a place for it on rate limits only, while servers ask for it with
 * 503 and others too, so providers put it into the reason's metadata under this key.
 */
import type * as AiError from "effect/ai/AiError"
import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"

const key = "effect-instructor"

export const toMetadata = (wait: Duration.Duration | undefined): AiError.ProviderMetadata =>
  wait === undefined ? {} : { [key]: { retryAfterMillis: Duration.toMillis(wait) } }

export const fromError = (error: AiError.AiError): Duration.Duration | undefined => {
  if (error.retryAfter !== undefined) return error.retryAfter
  const metadata = "metadata" in error.reason ? error.reason.metadata[key] : undefined
  const millis = Predicate.hasProperty(metadata, "retryAfterMillis") ? metadata.retryAfterMillis : undefined
  return Predicate.isNumber(millis) ? Duration.millis(millis) : undefined
}
