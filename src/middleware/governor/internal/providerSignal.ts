/**
 * What a failed request tells about the provider's limits. `AiError` has a place for a wait on rate limits only, and
 * none for the limits themselves, so providers put both into the reason's metadata under this key.
 */
import type * as AiError from "effect/ai/AiError"
import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"

const key = "effect-instructor"

/** Which limit refused a request: `slow_down` is one on how fast the rate may grow. */
export type LimitKind = "requests" | "tokens" | "slow_down"

export interface Level {
  readonly limit: number
  readonly remaining: number
}

export interface ProviderSignal {
  readonly wait: Duration.Duration | undefined
  readonly kind: LimitKind | undefined
  /** It has too much to do just now, which is no limit of the account's. */
  readonly overloaded: boolean
  readonly requests: Level | undefined
  readonly tokens: Level | undefined
}

export const toMetadata = ({ kind, overloaded, requests, tokens, wait }: ProviderSignal): AiError.ProviderMetadata => {
  const signal = {
    ...(wait !== undefined && { retryAfterMillis: Duration.toMillis(wait) }),
    ...(kind !== undefined && { limitKind: kind }),
    ...(overloaded && { overloaded }),
    ...(requests !== undefined && { requests: { limit: requests.limit, remaining: requests.remaining } }),
    ...(tokens !== undefined && { tokens: { limit: tokens.limit, remaining: tokens.remaining } })
  }
  return Object.keys(signal).length === 0 ? {} : { [key]: signal }
}

export const fromError = (error: AiError.AiError): ProviderSignal => {
  const metadata = "metadata" in error.reason && error.reason.metadata ? error.reason.metadata[key] : undefined
  const field = (name: string): unknown => Predicate.hasProperty(metadata, name) ? metadata[name] : undefined
  const millis = field("retryAfterMillis")
  const kind = field("limitKind")
  return {
    wait: error.retryAfter ?? (Predicate.isNumber(millis) ? Duration.millis(millis) : undefined),
    kind: kind === "requests" || kind === "tokens" || kind === "slow_down" ? kind : undefined,
    overloaded: field("overloaded") === true,
    requests: level(field("requests")),
    tokens: level(field("tokens"))
  }
}

const level = (value: unknown): Level | undefined =>
  Predicate.hasProperty(value, "limit") && Predicate.hasProperty(value, "remaining") &&
    Predicate.isNumber(value.limit) && Predicate.isNumber(value.remaining)
    ? { limit: value.limit, remaining: value.remaining }
    : undefined
