/**
 * OpenAI's rate limiter as its 429s describe it: a bucket of requests and one of tokens, each with the limit of a minute
 * as its capacity and refilled continuously. A request is admitted if both contain enough.
 */
import * as Fault from "../../Fault.ts"

export interface Limits {
  readonly requestsPerMinute: number | undefined
  readonly tokensPerMinute: number | undefined
  /** Enforces the requests by the second, as some deployments do: 600 a minute become 10 a second. */
  readonly quantised: boolean
}

type Admission = { readonly _tag: "Granted" } | Refused

export interface Refused {
  readonly _tag: "Refused"
  readonly kind: "requests" | "tokens"
  readonly limit: number
  readonly used: number
  readonly requested: number
  /** The delay until the request fits; `undefined` if it never does. */
  readonly waitMillis: number | undefined
}

interface Bucket {
  readonly kind: "requests" | "tokens"
  readonly limit: number
  readonly capacity: number
  readonly perMilli: number
  level: number
  at: number
}

export interface Limiter {
  readonly admit: (tokens: number, nowMillis: number) => Admission
  /** Uses up a part of the limits, as another client of the same account would. */
  readonly consume: (requests: number, tokens: number, nowMillis: number) => void
  readonly headers: (nowMillis: number) => Readonly<Record<string, string>>
  readonly levels: (nowMillis: number) => ReadonlyArray<Level>
}

/** The state of one limit. */
interface Level {
  readonly kind: "requests" | "tokens"
  readonly limit: number
  readonly remaining: number
  /** The time until the bucket is full. */
  readonly resetMillis: number
}

export const make = (limits: Limits): Limiter => {
  const buckets = [
    ...(limits.requestsPerMinute === undefined
      ? []
      : [bucket("requests", limits.requestsPerMinute, limits.quantised ? 60 : 1)]),
    ...(limits.tokensPerMinute === undefined ? [] : [bucket("tokens", limits.tokensPerMinute, 1)])
  ]
  const cost = (bucket: Bucket, tokens: number): number => bucket.kind === "requests" ? 1 : tokens

  return {
    admit: (tokens, now) => {
      for (const bucket of buckets) {
        refill(bucket, now)
        const requested = cost(bucket, tokens)
        if (requested > bucket.level) {
          return {
            _tag: "Refused",
            kind: bucket.kind,
            limit: bucket.limit,
            used: Math.ceil(bucket.capacity - bucket.level),
            requested,
            waitMillis: requested > bucket.capacity
              ? undefined
              : Math.ceil((requested - bucket.level) / bucket.perMilli)
          }
        }
      }
      for (const bucket of buckets) bucket.level -= cost(bucket, tokens)
      return { _tag: "Granted" }
    },
    consume: (requests, tokens, now) => {
      for (const bucket of buckets) {
        refill(bucket, now)
        bucket.level = Math.max(0, bucket.level - (bucket.kind === "requests" ? requests : tokens))
      }
    },
    headers: (now) =>
      Object.fromEntries(
        levelsOf(buckets, now).flatMap(({ kind, limit, remaining, resetMillis }) => [
          [`x-ratelimit-limit-${kind}`, String(limit)],
          [`x-ratelimit-remaining-${kind}`, String(remaining)],
          [`x-ratelimit-reset-${kind}`, goDuration(resetMillis)]
        ])
      ),
    levels: (now) => levelsOf(buckets, now)
  }
}

const levelsOf = (buckets: ReadonlyArray<Bucket>, now: number): ReadonlyArray<Level> =>
  buckets.map((bucket) => {
    refill(bucket, now)
    return {
      kind: bucket.kind,
      limit: bucket.limit,
      remaining: Math.floor(bucket.level * (bucket.limit / bucket.capacity)),
      resetMillis: (bucket.capacity - bucket.level) / bucket.perMilli
    }
  })

const bucket = (kind: Bucket["kind"], limit: number, parts: number): Bucket => ({
  kind,
  limit,
  capacity: limit / parts,
  perMilli: limit / 60_000,
  level: limit / parts,
  at: -1
})

const refill = (bucket: Bucket, now: number): void => {
  if (bucket.at !== -1) bucket.level = Math.min(bucket.capacity, bucket.level + (now - bucket.at) * bucket.perMilli)
  bucket.at = now
}

/** The 429 for a request that the limits refuse. */
export const toResponse = (
  { kind, limit, requested, used, waitMillis }: Refused,
  model: string,
  hasHeaders: boolean
): Fault.Respond => {
  const unit = kind === "requests" ? "requests per min (RPM)" : "tokens per min (TPM)"
  const where = `for ${model} in organization org-simulated on ${unit}: Limit ${limit}`
  return Fault.error(429, {
    type: kind,
    code: "rate_limit_exceeded",
    message: waitMillis === undefined
      ? `Request too large ${where}, Requested ${requested}. The input or output tokens must be reduced in order to ` +
        `run successfully.`
      : `Rate limit reached ${where}, Used ${used}, Requested ${requested}. Please try again in ${
        goDuration(waitMillis)
      }.`,
    headers: waitMillis === undefined || !hasHeaders ? {} : {
      "retry-after-ms": String(waitMillis),
      "retry-after": String(Math.ceil(waitMillis / 1000))
    }
  })
}

/** A duration as Go prints it, which is the format of the headers. */
export const goDuration = (millis: number): string => {
  if (millis < 1000) return `${Math.ceil(millis)}ms`
  const seconds = millis / 1000
  const minutes = Math.floor(seconds / 60)
  const rest = Number((seconds - minutes * 60).toFixed(3))
  return minutes === 0 ? `${rest}s` : `${minutes}m${rest}s`
}
