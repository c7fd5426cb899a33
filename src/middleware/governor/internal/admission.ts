/** The events that change the state of a governor: a request comes, is answered, fails or leaves. */
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Completion } from "../../../llm/Completion.ts"
import type { LlmError } from "../../../llm/LlmError.ts"
import type { LlmRequest } from "../../../llm/LlmRequest.ts"
import * as TokenCount from "../../../llm/TokenCount.ts"
import * as CircuitBreaker from "./circuitBreaker.ts"
import * as ConcurrencyWindow from "./concurrencyWindow.ts"
import * as Dispatch from "./dispatch.ts"
import * as FairQueue from "./fairQueue.ts"
import * as GaveUp from "./gaveUp.ts"
import * as Job from "./job.ts"
import * as Lane from "./lane.ts"
import { metrics, rateLimitedFor } from "./metrics.ts"
import * as RateLimits from "./rateLimits.ts"
import * as TokenEstimate from "./tokenEstimate.ts"

/** How much a failure says about the server's load, compared with a server that says it is overloaded. */
const failureWeight = 0.2

/** After so many refusals in a row a request waits longer, behind all others: the refusals may be about itself. */
const refusalsToYield = 3
const yieldMillis = 500

export const newJob = (
  self: Dispatch.Dispatch,
  request: LlmRequest,
  context: Context.Context<never>,
  turn: { readonly priority: number; readonly flow: unknown }
): Job.Job => {
  const createdAt = Dispatch.now(self)
  return Job.make({
    request,
    context,
    lane: Dispatch.laneOf(self, request.model, createdAt),
    counted: TokenCount.prompt(request, self.settings.countText),
    createdAt,
    flow: turn.flow,
    priority: turn.priority,
    order: self.jobs++
  })
}

/** Whether the request may be sent right now. If not, it waits in the queue, or has expired. */
export const enter = (self: Dispatch.Dispatch, job: Job.Job): boolean => {
  const { estimate } = self
  const { lane } = job
  const at = Dispatch.now(self)
  job.inputTokens = TokenEstimate.prompt(estimate, job.request, job.counted)
  job.outputTokens = TokenEstimate.answer(estimate, job.request)
  if (lane.exhausted !== undefined) {
    if (at < lane.pausedUntil) {
      job.expired = lane.exhausted
      return false
    }
    lane.exhausted = undefined
  }
  if (lane.queue.size === 0) {
    const block = Dispatch.blocked(self, job, at)
    if (block === undefined) {
      Dispatch.send(self, job, at)
      return true
    }
    job.expired = Dispatch.quotaError(self, block, at)
    if (job.expired !== undefined) {
      Dispatch.exhaust(self, lane, job.expired, block.until!)
      return false
    }
    lane.blocked = block
  }
  job.reason = lane.blocked?.reason ?? job.reason
  Dispatch.enqueue(self, job, at)
  return false
}

/** Waits for the turn of a request that could not be sent at once. */
export const turn = (self: Dispatch.Dispatch, job: Job.Job): Effect.Effect<void, LlmError> =>
  Effect.callback<void, LlmError>((resume) => {
    if (self.isClosed) return resume(Effect.interrupt)
    // It may have come already.
    if (job.state !== "waiting") return resume(job.expired === undefined ? Effect.void : Effect.fail(job.expired))
    job.resume = resume
    Dispatch.pump(self)
  })

/** How long a request in the queue waits at least, in milliseconds, where that is known. */
export const waitOf = (self: Dispatch.Dispatch, { lane: { blocked } }: Job.Job): number | undefined =>
  blocked?.until === undefined ? undefined : Math.max(0, blocked.until - Dispatch.now(self))

const returned = (self: Dispatch.Dispatch, job: Job.Job): void => {
  job.state = "idle"
  self.inFlight--
  Lane.returned(job.lane, job.mark)
  metrics.inFlight.updateUnsafe(self.inFlight, job.context)
}

/** A request was answered. */
export const succeeded = (self: Dispatch.Dispatch, job: Job.Job, { rateLimits, usage }: Completion): void => {
  if (job.state !== "sent") return
  const at = Dispatch.now(self)
  const { lane, mark } = job
  returned(self, job)
  CircuitBreaker.succeeded(self.circuit)
  TokenEstimate.learn(self.estimate, job.request, job.counted, usage)
  Lane.answered(lane, job, rateLimits, mark, at)
  const isPaced = RateLimits.isPaced(lane.limits)
  if (isPaced && rateLimits !== undefined) ConcurrencyWindow.widen(self.window)
  ConcurrencyWindow.answered(self.window, at - mark.at, isPaced)
  Dispatch.pump(self)
}

/** The request is not wanted any more. */
export const left = (self: Dispatch.Dispatch, job: Job.Job): void => {
  if (job.state === "waiting") {
    Dispatch.dequeue(self, job)
    Dispatch.pump(self)
  } else if (job.state === "sent") {
    returned(self, job)
    CircuitBreaker.released(self.circuit, job)
    Dispatch.pump(self)
  }
}

/** Ends the wait of all requests when the governor is closed: no turn would come. */
export const close = (self: Dispatch.Dispatch): void => {
  self.isClosed = true
  for (const lane of self.laneList) {
    for (const job of Array.from(FairQueue.entries(lane.queue))) {
      Dispatch.dequeue(self, job)
      job.resume(Effect.interrupt)
    }
  }
}

/** A request failed. `isFinal` is for one that cannot be sent again, whatever the failure. */
export const failed = (self: Dispatch.Dispatch, job: Job.Job, error: LlmError, isFinal: boolean): Job.Decision => {
  const at = Dispatch.now(self)
  const wasProbe = CircuitBreaker.isProbe(self.circuit, job)
  if (job.state === "sent") {
    returned(self, job)
    learn(self, job, error, at)
    Dispatch.pump(self)
  }
  return isFinal ? { _tag: "GiveUp", error } : decide(self, job, error, at, wasProbe)
}

const learn = (self: Dispatch.Dispatch, job: Job.Job, error: LlmError, at: number): void => {
  const { circuit, window } = self
  switch (error.reason._tag) {
    case "RateLimitError":
      CircuitBreaker.succeeded(circuit)
      return refused(self, job, error, at)
    // These say nothing about the provider: no request reached it.
    case "BudgetExceededError":
    case "UnreachableError":
      return CircuitBreaker.released(circuit, job)
    case "NetworkError":
      if (!error.isRetryable) return CircuitBreaker.released(circuit, job)
  }
  // A refusal of this very request shows that the provider is up.
  if (!error.isRetryable) return CircuitBreaker.succeeded(circuit)
  const weight = error.reason._tag === "OverloadedError" ? 1 : failureWeight
  ConcurrencyWindow.refused(window, job.windowGeneration, self.inFlight, weight)
  if (CircuitBreaker.failed(circuit, job, error, at, Dispatch.random(self))) ConcurrencyWindow.reset(window)
  pauseForServer(self, job.lane, error, RateLimits.toMillis(error.retryAfter), at)
}

const refused = (self: Dispatch.Dispatch, job: Job.Job, error: LlmError, at: number): void => {
  const { lane } = job
  self.rateLimited++
  job.refusals++
  rateLimitedFor(error.limit ?? "unknown").updateUnsafe(1, job.context)
  const isExplained = Lane.refused(lane, error, job.mark, at)
  if (!isExplained) ConcurrencyWindow.refused(self.window, job.windowGeneration, self.inFlight, 1)
  const serverMillis = RateLimits.toMillis(error.retryAfter)
  if (pauseForServer(self, lane, error, serverMillis, at)) return
  const pauseMillis = Lane.pauseMillis(lane, serverMillis, Dispatch.random(self))
  lane.pausedUntil = Math.max(lane.pausedUntil, at + pauseMillis)
  if (serverMillis !== undefined) Dispatch.pauseShared(self, lane, pauseMillis)
}

/** Stops the lane where the server asks for a longer delay than the governor may wait. */
const pauseForServer = (
  self: Dispatch.Dispatch,
  lane: Lane.Lane<Job.Job>,
  error: LlmError,
  serverMillis: number | undefined,
  at: number
): boolean => {
  if (serverMillis === undefined || serverMillis <= self.settings.maxServerDelayMillis) return false
  const gaveUp = GaveUp.serverDelay(error, serverMillis, self.settings, self.clock)
  Dispatch.exhaust(self, lane, gaveUp, at + serverMillis)
  return true
}

const decide = (
  self: Dispatch.Dispatch,
  job: Job.Job,
  error: LlmError,
  at: number,
  wasProbe: boolean
): Job.Decision => {
  const { circuit, settings } = self
  const { lane } = job
  if (job.expired !== undefined || !error.isRetryable) return { _tag: "GiveUp", error }
  if (lane.exhausted !== undefined && at < lane.pausedUntil) return { _tag: "GiveUp", error: lane.exhausted }
  const gaveUp = Dispatch.overdue(self, job, at)
  if (gaveUp !== undefined) return { _tag: "GiveUp", error: gaveUp }
  job.troubledAt ??= at
  if (at - job.troubledAt > settings.giveUpAfterMillis) return { _tag: "GiveUp", error }
  if (error.reason._tag === "RateLimitError") {
    const wait = Math.max(0, lane.pausedUntil - at)
    if (job.refusals < refusalsToYield) return { _tag: "Requeue", sleep: 0, wait, yields: false }
    const sleep = wait + Lane.backoff(yieldMillis, job.refusals - refusalsToYield + 1, Dispatch.random(self))
    return { _tag: "Requeue", sleep, wait: sleep, yields: true }
  }
  job.refusals = 0
  // The next probe is another request: this one may be what fails.
  if (wasProbe) return { _tag: "Requeue", sleep: 0, wait: circuit.retryAt - at, yields: true }
  const serverMillis = RateLimits.toMillis(error.retryAfter)
  return { _tag: "Retry", atLeast: serverMillis === undefined ? 0 : serverMillis * (1 + Dispatch.random(self) / 10) }
}

/** A request is about to be sent again: before all others, or, if it yields, behind those of its priority. */
export const sendsAgain = (
  self: Dispatch.Dispatch,
  job: Job.Job,
  error: LlmError,
  wait: number,
  yields: boolean
): void => {
  const at = Dispatch.now(self)
  const reported = Math.ceil(Math.max(wait, CircuitBreaker.blockedUntil(self.circuit, at) - at))
  job.rank = yields ? job.priority : 0
  if (yields) job.order = self.jobs++
  metrics.retries.updateUnsafe(1, job.context)
  Job.spanEvent(job, "llm.retry", self.clock.currentTimeNanosUnsafe(), {
    "effect_instructor.reason": error.reason._tag,
    "effect_instructor.wait_ms": reported
  })
  Job.observer(job).onRetry(error, Duration.millis(reported))
}
