/**
 * A circuit breaker for a provider that is down. Closed, it lets requests pass and counts failures; enough of them trip
 * it. Open, it lets nothing pass; then it is half-open and lets one request at a time pass as a probe. A probe that is
 * answered closes it, one that fails opens it for longer.
 *
 * `effect/persistence/CircuitBreaker` rejects calls while it is open. Here they wait in a queue, one of them becomes the
 * probe, and the state changes together with that of the queue, in one synchronous step. It also trips only when several
 * different requests fail, because one that always fails says something about itself, and when they fail for a moment,
 * because a server that sheds load answers others meanwhile.
 */
import type { LlmError } from "../../../llm/LlmError.ts"

export interface CircuitBreaker<Request> {
  /** Failures in a row that trip it. */
  readonly failureThreshold: number
  failures: number
  /** The time of the first of these failures. */
  failingSince: number
  /** The requests that they belong to, at most as many as it takes to trip. */
  readonly failing: Set<Request>
  /** When it tripped, and the last failure, unless it is closed. */
  trouble: { readonly since: number; readonly error: LlmError } | undefined
  /** How long it stays open before the next probe. */
  openMillis: number
  /** When it is half-open. */
  retryAt: number
  /** The request in flight as a probe, and when the next one may be sent although it has not been answered. */
  probe: Request | undefined
  probeUntil: number
}

const minOpenMillis = 5_000
const maxOpenMillis = 60_000
/** How long a probe may take before another one is sent. */
const probeMillis = 60_000
/** How many different requests have to fail, and for how long. */
const requestsToTrip = 5
const millisToTrip = 1_000

export const make = <Request>(failureThreshold: number): CircuitBreaker<Request> => ({
  failureThreshold,
  failures: 0,
  failingSince: 0,
  failing: new Set(),
  trouble: undefined,
  openMillis: minOpenMillis,
  retryAt: 0,
  probe: undefined,
  probeUntil: 0
})

export const state = <Request>({ retryAt, trouble }: CircuitBreaker<Request>, at: number) =>
  trouble === undefined ? "closed" : at < retryAt ? "open" : "half-open"

/** When the next request may pass: 0 for now. */
export const blockedUntil = <Request>(self: CircuitBreaker<Request>, at: number): number => {
  if (self.trouble === undefined) return 0
  if (at < self.retryAt) return self.retryAt
  return self.probe !== undefined && at < self.probeUntil ? self.probeUntil : 0
}

/** A request passes. Half-open, it is the probe. */
export const passed = <Request>(self: CircuitBreaker<Request>, request: Request, at: number): void => {
  if (self.trouble === undefined) return
  self.probe = request
  self.probeUntil = at + probeMillis
}

export const isProbe = <Request>(self: CircuitBreaker<Request>, request: Request): boolean => self.probe === request

/** A request left without an answer or a failure. If it was the probe, another one may be sent. */
export const released = <Request>(self: CircuitBreaker<Request>, request: Request): void => {
  if (self.probe === request) self.probe = undefined
}

/** The provider answered: the circuit closes. */
export const succeeded = <Request>(self: CircuitBreaker<Request>): void => {
  self.failures = 0
  if (self.failing.size > 0) self.failing.clear()
  self.trouble = undefined
  self.probe = undefined
}

/**
 * A request failed in a way that may be the provider's. Returns whether that tripped the circuit. `random` is between 0
 * and 1.
 */
export const failed = <Request>(
  self: CircuitBreaker<Request>,
  request: Request,
  error: LlmError,
  at: number,
  random: number
): boolean => {
  if (self.trouble !== undefined) {
    self.trouble = { since: self.trouble.since, error }
    // Requests sent before it tripped say nothing new.
    if (self.probe !== request) return false
    self.probe = undefined
    open(self, Math.min(maxOpenMillis, self.openMillis * 2), at, random)
    return false
  }
  if (self.failures++ === 0) self.failingSince = at
  if (self.failing.size < requestsToTrip) self.failing.add(request)
  if (
    self.failures < self.failureThreshold || self.failing.size < requestsToTrip || at - self.failingSince < millisToTrip
  ) return false
  self.trouble = { since: at, error }
  open(self, minOpenMillis, at, random)
  return true
}

// A spread of up to a tenth, so that several processes do not probe at the same instant.
const open = <Request>(self: CircuitBreaker<Request>, millis: number, at: number, random: number): void => {
  self.openMillis = millis
  self.retryAt = at + Math.ceil(millis * (1 + random / 10))
}
