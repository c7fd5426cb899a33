/**
 * The state of a governor, and the sending of those whose turn it is. Nothing here waits or suspends: events change the
 * state (see `admission.ts`), and `pump` sends what may be sent then. It therefore costs little and works on any clock.
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type * as Random from "effect/Random"
import type { LlmError } from "../../../llm/LlmError.ts"
import * as CircuitBreaker from "./circuitBreaker.ts"
import * as ConcurrencyWindow from "./concurrencyWindow.ts"
import * as FairQueue from "./fairQueue.ts"
import * as GaveUp from "./gaveUp.ts"
import * as Job from "./job.ts"
import * as Lane from "./lane.ts"
import { metrics, waitsFor } from "./metrics.ts"
import * as RateLimits from "./rateLimits.ts"
import * as RateMirror from "./rateMirror.ts"
import type { Settings } from "./settings.ts"
import * as SharedLimits from "./sharedLimits.ts"
import * as TokenEstimate from "./tokenEstimate.ts"

export interface Services {
  readonly clock: Clock.Clock
  readonly random: Random.Random
  /** Runs an effect for as long as the governor exists. */
  readonly fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
  readonly shared: SharedLimits.SharedLimits | undefined
}

export interface Dispatch extends Services {
  readonly settings: Settings
  readonly estimate: TokenEstimate.TokenEstimate
  readonly window: ConcurrencyWindow.ConcurrencyWindow
  readonly circuit: CircuitBreaker.CircuitBreaker<Job.Job>
  readonly lanes: Map<string, Lane.Lane<Job.Job>>
  readonly laneList: Array<Lane.Lane<Job.Job>>
  /** How many requests were made, sent and refused so far, and are sent or wait now. */
  jobs: number
  admitted: number
  rateLimited: number
  inFlight: number
  queued: number
  isPumping: boolean
  pumpAgain: boolean
  alarm: { readonly at: number; readonly fiber: Fiber.Fiber<void> } | undefined
  /** When requests that have waited too long were last looked for. */
  expiredAt: number
  isClosed: boolean
}

/** Limits move while requests wait for them, so they are looked at again after this time at the latest. */
const reviewMillis = 5_000

export const make = (settings: Settings, services: Services): Dispatch => {
  const self: Dispatch = {
    ...services,
    settings,
    estimate: TokenEstimate.make(),
    window: ConcurrencyWindow.make(settings.concurrency),
    circuit: CircuitBreaker.make(settings.failureThreshold),
    lanes: new Map(),
    laneList: [],
    jobs: 0,
    admitted: 0,
    rateLimited: 0,
    inFlight: 0,
    queued: 0,
    isPumping: false,
    pumpAgain: false,
    alarm: undefined,
    expiredAt: 0,
    isClosed: false
  }
  if (settings.requestsPerMinute !== undefined || settings.tokensPerMinute !== undefined) {
    ConcurrencyWindow.widen(self.window)
  }
  if (services.shared !== undefined) services.shared.onGranted = () => pump(self)
  return self
}

/** The clock that never jumps, in milliseconds from an arbitrary origin. */
export const monotonicMillis = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe()) / 1e6

export const now = ({ clock }: Dispatch): number => monotonicMillis(clock)

export const random = (self: Dispatch): number => self.random.nextDoubleUnsafe()

export const laneOf = (self: Dispatch, model: string, at: number): Lane.Lane<Job.Job> => {
  let lane = self.lanes.get(model)
  if (lane === undefined) {
    lane = Lane.make(model, self.settings, at)
    self.lanes.set(model, lane)
    self.laneList.push(lane)
  }
  return lane
}

/** Why the request cannot be sent now, if it cannot. */
export const blocked = (self: Dispatch, job: Job.Job, at: number): Lane.Block | undefined => {
  const { circuit, shared, window } = self
  const { lane } = job
  const openUntil = CircuitBreaker.blockedUntil(circuit, at)
  if (openUntil > 0) return { reason: "circuit_open", until: openUntil }
  const paused = Lane.paused(lane, at)
  if (paused !== undefined) return paused
  if (!ConcurrencyWindow.hasRoom(window, self.inFlight)) {
    window.saturated = true
    return { reason: "concurrency", until: undefined }
  }
  const limited = Lane.limited(lane, job, at)
  if (limited !== undefined) return limited
  return shared === undefined || takeShared(shared, job) ? undefined : { reason: "shared", until: undefined }
}

const takeShared = (shared: SharedLimits.SharedLimits, job: Job.Job): boolean => {
  const { lane } = job
  let isGranted = true
  // All are asked for at once, so that their waits do not add up.
  for (const mirror of lane.limits.mirrors) {
    const limit = RateMirror.limit(mirror)
    if (limit === Infinity) continue
    isGranted = SharedLimits.has(shared, accountName(lane, mirror), limit, RateLimits.amount(mirror.unit, 1, job)) &&
      isGranted
  }
  if (!isGranted) return false
  for (const mirror of lane.limits.mirrors) {
    if (RateMirror.limit(mirror) === Infinity) continue
    SharedLimits.take(shared, accountName(lane, mirror), RateLimits.amount(mirror.unit, 1, job))
  }
  return true
}

/** A pause of a lane that the other processes keep, too. */
export const pauseShared = ({ shared }: Dispatch, lane: Lane.Lane<Job.Job>, millis: number): void => {
  const mirror = lane.limits.mirrors.find((mirror) => RateMirror.limit(mirror) !== Infinity)
  if (shared === undefined || mirror === undefined || millis <= 0) return
  SharedLimits.pause(shared, accountName(lane, mirror), RateMirror.limit(mirror), millis)
}

const accountName = ({ model }: Lane.Lane<Job.Job>, { period, unit }: RateMirror.RateMirror): string =>
  period === "minute" ? `${model}:${unit}` : `${model}:${unit}:${period}`

/** Counts the request as sent. */
export const send = (self: Dispatch, job: Job.Job, at: number): void => {
  job.mark = Lane.spend(job.lane, job, at)
  job.state = "sent"
  job.windowGeneration = self.window.generation
  self.inFlight++
  self.admitted++
  CircuitBreaker.passed(self.circuit, job, at)
  metrics.admitted.updateUnsafe(1, job.context)
  metrics.inFlight.updateUnsafe(self.inFlight, job.context)
}

export const enqueue = (self: Dispatch, job: Job.Job, at: number): void => {
  job.state = "waiting"
  job.waitingSince = at
  job.cancelled = false
  FairQueue.push(job.lane.queue, job)
  self.queued++
  metrics.queued.updateUnsafe(self.queued, job.context)
}

const dequeued = (self: Dispatch, job: Job.Job): void => {
  self.queued--
  metrics.queued.updateUnsafe(self.queued, job.context)
}

/** Takes a request out of the queue, wherever it stands. */
export const dequeue = (self: Dispatch, job: Job.Job): void => {
  job.state = "idle"
  FairQueue.cancel(job.lane.queue, job)
  dequeued(self, job)
}

/** Sends those whose turn it is, one of each model in turn, until no more can be sent. */
export const pump = (self: Dispatch): void => {
  self.pumpAgain = true
  // What is sent may be answered at once, which leads back here.
  if (self.isPumping) return
  self.isPumping = true
  while (self.pumpAgain) {
    self.pumpAgain = false
    if (self.queued > 0) sendDue(self, now(self))
  }
  self.isPumping = false
}

const sendDue = (self: Dispatch, at: number): void => {
  expireDue(self, at)
  let next = Infinity
  let hasSent = true
  while (hasSent) {
    hasSent = false
    next = Infinity
    for (const lane of self.laneList) {
      const job = FairQueue.peek(lane.queue)
      lane.blocked = job === undefined ? undefined : blocked(self, job, at)
      if (job === undefined) continue
      if (lane.blocked === undefined) {
        release(self, job, at)
        hasSent = true
      } else if (!exhaustQuota(self, lane, at)) {
        next = Math.min(next, lookAgainAt(self, lane.blocked, at))
      }
    }
  }
  for (const lane of self.laneList) if (lane.blocked !== undefined) report(lane, lane.blocked, at)
  if (next < Infinity) wakeAt(self, next, at)
}

const lookAgainAt = ({ settings }: Dispatch, { reason, until = Infinity }: Lane.Block, at: number): number => {
  switch (reason) {
    case "concurrency":
    case "shared":
      return until
    case "circuit_open":
    case "rate_limited":
      return Math.min(until, at + expiryMillis(settings))
    default:
      return Math.min(until, at + reviewMillis)
  }
}

const release = (self: Dispatch, job: Job.Job, at: number): void => {
  FairQueue.shift(job.lane.queue, job)
  dequeued(self, job)
  send(self, job, at)
  const waited = at - job.waitingSince
  waitsFor(job.reason).updateUnsafe(1, job.context)
  metrics.waitTime.updateUnsafe(waited, job.context)
  Job.spanEvent(job, "llm.admitted", self.clock.currentTimeNanosUnsafe(), {
    "effect_instructor.waited_ms": waited,
    "effect_instructor.reason": job.reason
  })
  job.resume(Effect.void)
}

/** Reasons that concern all requests of a lane, and not only the next one. */
const isForAll = (reason: Lane.WaitReason): boolean =>
  reason === "rate_limited" || reason === "circuit_open" || reason === "quota"

/** Reports a change of the reason for which requests wait: to the next one, or to all that it concerns. */
const report = (lane: Lane.Lane<Job.Job>, { reason, until }: Lane.Block, at: number): void => {
  const head = FairQueue.peek(lane.queue)
  if (head === undefined || head.reason === reason) return
  const wait = until === undefined ? undefined : Duration.millis(until - at)
  const concerned = isForAll(reason) || isForAll(head.reason) ? FairQueue.entries(lane.queue) : [head]
  for (const job of concerned) {
    if (job.reason === reason) continue
    job.reason = reason
    Job.observer(job).onWait(reason, wait)
  }
}

/** Makes sure that the governor looks again at this time. */
const wakeAt = (self: Dispatch, at: number, from: number): void => {
  const { alarm } = self
  if (alarm !== undefined) {
    if (alarm.at <= at && alarm.at > from) return
    alarm.fiber.interruptUnsafe()
  }
  self.alarm = {
    at,
    // Whole milliseconds: a timer may not count less, and would never get there.
    fiber: self.fork(
      Effect.flatMap(Effect.sleep(Duration.millis(Math.max(1, Math.ceil(at - from)))), () =>
        Effect.sync(() => {
          self.alarm = undefined
          pump(self)
        }))
    )
  }
}

/** Ends the wait of a request in the queue with an error. */
const expire = (self: Dispatch, job: Job.Job, error: LlmError): void => {
  dequeue(self, job)
  job.expired = error
  job.resume(Effect.fail(error))
}

/** Fails everything that waits in a lane. */
export const exhaust = (self: Dispatch, lane: Lane.Lane<Job.Job>, error: LlmError, until: number): void => {
  lane.exhausted = error
  lane.pausedUntil = Math.max(lane.pausedUntil, until)
  lane.blocked = undefined
  for (const job of Array.from(FairQueue.entries(lane.queue))) expire(self, job, error)
}

/** Whether the lane waits for a quota that is reset later than the governor may wait. If so, its requests fail. */
const exhaustQuota = (self: Dispatch, lane: Lane.Lane<Job.Job>, at: number): boolean => {
  const error = quotaError(self, lane.blocked, at)
  if (error === undefined) return false
  exhaust(self, lane, error, lane.blocked!.until!)
  return true
}

export const quotaError = (
  { clock, settings }: Dispatch,
  block: Lane.Block | undefined,
  at: number
): LlmError | undefined =>
  block?.reason === "quota" && block.until! - at > settings.maxServerDelayMillis
    ? GaveUp.quota(settings, block.until! - at, clock)
    : undefined

/** How often requests that have waited too long are looked for. */
const expiryMillis = ({ giveUpAfterMillis }: Settings): number => Math.max(1_000, giveUpAfterMillis / 60)

/** Fails those who have waited long enough for a provider that answers no request. */
const expireDue = (self: Dispatch, at: number): void => {
  if (at - self.expiredAt < expiryMillis(self.settings)) return
  self.expiredAt = at
  for (const lane of self.laneList) {
    if (lane.queue.size === 0 || troubleOf(self, lane) === undefined) continue
    for (const job of Array.from(FairQueue.entries(lane.queue))) {
      const error = overdue(self, job, at)
      if (error !== undefined) expire(self, job, error)
    }
  }
}

/** The error of a request that was held up for too long by a provider that answers none, if it was. */
export const overdue = (self: Dispatch, job: Job.Job, at: number): LlmError | undefined => {
  const trouble = troubleOf(self, job.lane)
  return trouble !== undefined && at - Math.max(trouble.since, job.createdAt) >= self.settings.giveUpAfterMillis
    ? GaveUp.noAnswer(trouble.error, self.settings)
    : undefined
}

/** Since when the provider has answered no request of the lane, and its last error. */
const troubleOf = ({ circuit }: Dispatch, lane: Lane.Lane<Job.Job>): Lane.Lane<Job.Job>["trouble"] =>
  circuit.trouble ?? lane.trouble
