/**
 * Admits requests, one at a time and without any waiting of its own: state that is moved on by what happens (a request
 * comes, an answer, a failure, a moment passes), so that it costs little and works on any clock.
 */
import type * as AiError from "effect/ai/AiError"
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import type * as Random from "effect/Random"
import * as Tracer from "effect/Tracer"
import type { Completion } from "../../../llm/Completion.ts"
import * as GovernorMetrics from "../GovernorMetrics.ts"
import type { LlmRequest } from "../../../llm/LlmRequest.ts"
import * as ConcurrencyWindow from "./concurrencyWindow.ts"
import * as FairQueue from "./fairQueue.ts"
import * as ProviderSignal from "./providerSignal.ts"
import * as RateMirror from "./rateMirror.ts"
import type { SharedLimits } from "./sharedLimits.ts"
import * as TokenEstimate from "./tokenEstimate.ts"

export interface Settings {
  readonly requestsPerMinute: number | undefined
  readonly tokensPerMinute: number | undefined
  readonly concurrency: number | "adaptive"
  readonly countTokens: TokenEstimate.CountTokens
  readonly maxRetries: number
  readonly baseDelayMillis: number
  readonly maxDelayMillis: number
  readonly maxServerDelayMillis: number
  readonly giveUpAfterMillis: number
  readonly failuresToBreak: number
}

export type WaitReason = "rate_limited" | "requests" | "tokens" | "concurrency" | "outage" | "shared"

/** A request on its way to its answer, through as many tries as it takes. */
export interface Job extends FairQueue.Waiting {
  readonly request: LlmRequest
  readonly context: Context.Context<never>
  readonly lane: Lane
  /** Tokens of the prompt before anything was learned. */
  readonly guess: number
  tokens: number
  rank: number
  state: "idle" | "waiting" | "sent"
  requestsMark: RateMirror.Mark
  tokensMark: RateMirror.Mark
  generation: number
  windowGeneration: number
  retries: number
  /** When it first failed or was refused. */
  troubledAt: number | undefined
  waitingSince: number
  reason: WaitReason
  resume: (effect: Effect.Effect<void, AiError.AiError>) => void
  /** Ended the waiting, and leaves no more tries. */
  expired: AiError.AiError | undefined
}

/** What limits the requests to one model. */
interface Lane {
  readonly model: string
  readonly requests: RateMirror.RateMirror
  readonly tokens: RateMirror.RateMirror
  readonly queue: FairQueue.FairQueue<Job>
  /** Nothing is sent before. */
  pausedUntil: number
  /** Counts the episodes of refusals: what was sent before the last one belongs to it. */
  generation: number
  /** Episodes since the last answer. */
  refusals: number
  /** The share of the limits that is used, after refusals that told no better. */
  share: number
  shareAt: number
  shareGrowth: number
  blocked: { readonly reason: WaitReason; readonly until: number | undefined } | undefined
}

/** The provider is down: one request at a time finds out whether it still is. */
interface Outage {
  readonly since: number
  retryAt: number
  delay: number
  probe: Job | undefined
  lastError: AiError.AiError
}

export type Decision =
  | { readonly _tag: "GiveUp" }
  | { readonly _tag: "SendAgain"; readonly wait: Duration.Duration; readonly sleep: Duration.Duration }

export interface Admission {
  readonly settings: Settings
  readonly estimator: TokenEstimate.TokenEstimator
  readonly job: (
    request: LlmRequest,
    context: Context.Context<never>,
    options: { readonly rank: number; readonly flow: unknown }
  ) => Job
  /** Whether the request may be sent right now. If not, it waits in line. */
  readonly enter: (job: Job) => boolean
  /** Until it may be sent. */
  readonly wait: (job: Job) => Effect.Effect<void, AiError.AiError>
  /** How long it is in milliseconds until a request in line can be sent at the earliest, where that is known. */
  readonly waitOf: (job: Job) => number | undefined
  readonly succeeded: (job: Job, completion: Completion | undefined) => void
  /** `final` is for what cannot be sent again, whatever the failure. */
  readonly failed: (job: Job, error: AiError.AiError, final: boolean) => Decision
  /** It is not wanted any more. */
  readonly left: (job: Job) => void
  readonly state: () => {
    readonly now: number
    readonly inFlight: number
    readonly concurrency: number
    readonly admitted: number
    readonly rateLimited: number
    readonly lanes: ReadonlyArray<Lane>
  }
}

export const giveUp: Decision = { _tag: "GiveUp" }

const noMark: RateMirror.Mark = { at: 0, spent: 0 }

/** After refusals that tell nothing, a fifth less; back in a quarter of an hour or so. */
const shareAfterRefusal = 0.8
const shareGrowthPerMilli = Math.log(1.05) / 60_000
/** After `slow_down`: OpenAI lets a rate grow by half in a quarter of an hour. */
const shareAfterSlowDown = 0.5
const slowGrowthPerMilli = Math.log(1.5) / (15 * 60_000)

/** What a failure says of a server's load, next to its saying so. */
const failureWeight = 0.2

const outageDelayMillis = 5_000
const maxOutageDelayMillis = 60_000
/** A server that only turns away what is too much answers the rest meanwhile. */
const millisToBreak = 1_000
/** One request that keeps failing says something about itself; so many different ones about the provider. */
const requestsToBreak = 5

const spanEvent = (
  { context }: Job,
  clock: Clock.Clock,
  name: string,
  attributes: Readonly<Record<string, unknown>>
): void => {
  const span = Context.getOrUndefined(context as Context.Context<Tracer.ParentSpan>, Tracer.ParentSpan)
  if (span?._tag === "Span") span.event(name, clock.currentTimeNanosUnsafe(), { ...attributes })
}

const waitsBy = new Map<string, Metric.Metric<number, unknown>>()
const rateLimitedBy = new Map<string, Metric.Metric<number, unknown>>()
const labelled = (
  by: Map<string, Metric.Metric<number, unknown>>,
  metric: Metric.Metric<number, unknown>,
  label: string,
  value: string
): Metric.Metric<number, unknown> => {
  let found = by.get(value)
  if (found === undefined) {
    found = Metric.withAttributes(metric, { [label]: value })
    by.set(value, found)
  }
  return found
}

export const make = (
  settings: Settings,
  services: {
    readonly clock: Clock.Clock
    readonly random: Random.Random
    readonly fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
    readonly shared: SharedLimits | undefined
  }
): Admission => {
  const { clock, fork, random, shared } = services
  const estimator = TokenEstimate.make()
  const window = ConcurrencyWindow.make(settings.concurrency)
  if (settings.requestsPerMinute !== undefined || settings.tokensPerMinute !== undefined) {
    ConcurrencyWindow.widen(window)
  }
  const lanes = new Map<string, Lane>()
  const laneList: Array<Lane> = []
  const failingRequests = new Set<number>()
  let failuresInARow = 0
  let failingSince = 0
  let outage: Outage | undefined
  let order = 0
  let inFlight = 0
  let queued = 0
  let admitted = 0
  let rateLimited = 0
  let isPumping = false
  let pumpAgain = false
  let alarm: { readonly at: number; readonly fiber: Fiber.Fiber<void> } | undefined

  const now = (): number => clock.currentTimeMillisUnsafe()
  /** Everyone was told the same instant; a spread of up to a tenth keeps them from coming back as one. */
  const jittered = (millis: number): number => Math.ceil(millis * (1 + random.nextDoubleUnsafe() / 10))

  const laneOf = (model: string): Lane => {
    let lane = lanes.get(model)
    if (lane === undefined) {
      lane = {
        model,
        requests: RateMirror.make("requests", settings.requestsPerMinute),
        tokens: RateMirror.make("tokens", settings.tokensPerMinute),
        queue: FairQueue.make(),
        pausedUntil: 0,
        generation: 0,
        refusals: 0,
        share: 1,
        shareAt: 0,
        shareGrowth: shareGrowthPerMilli,
        blocked: undefined
      }
      lanes.set(model, lane)
      laneList.push(lane)
    }
    return lane
  }

  const advance = (lane: Lane, at: number): void => {
    if (lane.share < 1) {
      lane.share = Math.min(1, lane.share * Math.exp(lane.shareGrowth * (at - lane.shareAt)))
      lane.shareAt = at
    }
    RateMirror.advance(lane.requests, at, lane.share)
    RateMirror.advance(lane.tokens, at, lane.share)
  }

  /** Why the request cannot be sent now, if it cannot. */
  const hindrance = (job: Job, at: number): Lane["blocked"] => {
    const { lane } = job
    if (outage !== undefined && (outage.probe !== undefined || at < outage.retryAt)) {
      return { reason: "outage", until: outage.probe === undefined ? outage.retryAt : undefined }
    }
    if (at < lane.pausedUntil) return { reason: "rate_limited", until: lane.pausedUntil }
    if (!ConcurrencyWindow.hasRoom(window, inFlight)) {
      window.saturated = true
      return { reason: "concurrency", until: undefined }
    }
    advance(lane, at)
    const forRequests = RateMirror.wait(lane.requests, 1)
    const forTokens = RateMirror.wait(lane.tokens, job.tokens)
    if (forRequests > 0 || forTokens > 0) {
      return forRequests >= forTokens
        ? { reason: "requests", until: at + forRequests }
        : { reason: "tokens", until: at + forTokens }
    }
    return shared === undefined || takeShared(shared, job) ? undefined : { reason: "shared", until: undefined }
  }

  const takeShared = (shared: SharedLimits, { lane, tokens }: Job): boolean => {
    const requestsLimit = RateMirror.limit(lane.requests)
    const tokensLimit = RateMirror.limit(lane.tokens)
    // Both are asked for at once, so that their waits do not add up.
    const forRequests = requestsLimit === Infinity || shared.has(lane.model, "requests", requestsLimit, 1)
    const forTokens = tokensLimit === Infinity || shared.has(lane.model, "tokens", tokensLimit, tokens)
    if (!forRequests || !forTokens) return false
    if (requestsLimit !== Infinity) shared.take(lane.model, "requests", 1)
    if (tokensLimit !== Infinity) shared.take(lane.model, "tokens", tokens)
    return true
  }

  const send = (job: Job, at: number): void => {
    const { lane } = job
    job.requestsMark = RateMirror.spend(lane.requests, 1, at)
    job.tokensMark = RateMirror.spend(lane.tokens, job.tokens, at)
    job.state = "sent"
    job.generation = lane.generation
    job.windowGeneration = window.generation
    inFlight++
    admitted++
    if (outage !== undefined) outage.probe = job
    GovernorMetrics.admitted.updateUnsafe(1, job.context)
    GovernorMetrics.inFlight.updateUnsafe(inFlight, job.context)
  }

  const leaveQueue = (job: Job): void => {
    queued--
    GovernorMetrics.queued.updateUnsafe(queued, job.context)
  }

  /** Sends whose turn it is, of each model in turn, until nobody can be sent. */
  const pump = (): void => {
    pumpAgain = true
    // What is sent may be answered at once, and bring us back here.
    if (isPumping) return
    isPumping = true
    while (pumpAgain) {
      pumpAgain = false
      if (queued > 0) sendDue()
    }
    isPumping = false
  }

  const sendDue = (): void => {
    const at = now()
    let next = Infinity
    let sent = true
    while (sent) {
      sent = false
      next = Infinity
      for (const lane of laneList) {
        const job = FairQueue.peek(lane.queue)
        lane.blocked = job === undefined ? undefined : hindrance(job, at)
        if (job === undefined) continue
        if (lane.blocked === undefined) {
          release(job, at)
          sent = true
        } else {
          job.reason = lane.blocked.reason
          next = Math.min(next, lane.blocked.until ?? Infinity)
        }
      }
    }
    if (next < Infinity) wakeAt(next, at)
  }

  const release = (job: Job, at: number): void => {
    FairQueue.shift(job.lane.queue, job)
    leaveQueue(job)
    send(job, at)
    const waited = at - job.waitingSince
    labelled(waitsBy, GovernorMetrics.waits, "reason", job.reason).updateUnsafe(1, job.context)
    GovernorMetrics.waitTime.updateUnsafe(waited, job.context)
    spanEvent(job, clock, "llm.admitted", {
      "effect_instructor.waited_ms": waited,
      "effect_instructor.reason": job.reason
    })
    job.resume(Effect.void)
  }

  const wakeAt = (at: number, from: number): void => {
    if (alarm !== undefined) {
      if (alarm.at <= at && alarm.at > from) return
      alarm.fiber.interruptUnsafe()
    }
    alarm = {
      at,
      // Whole milliseconds, for a clock may not tell less, and would never get there.
      fiber: fork(
        Effect.flatMap(Effect.sleep(Duration.millis(Math.max(1, Math.ceil(at - from)))), () =>
          Effect.sync(() => {
            alarm = undefined
            pump()
          }))
      )
    }
  }

  const enter = (job: Job): boolean => {
    const at = now()
    job.tokens = estimator.prompt(job.request, job.guess) + estimator.answer(job.request)
    if (job.lane.queue.size === 0) {
      const blocked = hindrance(job, at)
      if (blocked === undefined) {
        send(job, at)
        return true
      }
      job.reason = blocked.reason
      job.lane.blocked = blocked
    } else {
      job.reason = job.lane.blocked?.reason ?? job.reason
    }
    job.state = "waiting"
    job.waitingSince = at
    job.cancelled = false
    FairQueue.push(job.lane.queue, job)
    queued++
    GovernorMetrics.queued.updateUnsafe(queued, job.context)
    return false
  }

  const waitOf = ({ lane: { blocked } }: Job): number | undefined =>
    blocked?.until === undefined ? undefined : Math.max(0, blocked.until - now())

  // The turn may have come between joining the line and waiting in it.
  const wait = (job: Job): Effect.Effect<void, AiError.AiError> =>
    Effect.callback<void, AiError.AiError>((resume) => {
      if (job.state !== "waiting") return resume(job.expired === undefined ? Effect.void : Effect.fail(job.expired))
      job.resume = resume
      pump()
    })

  const returned = (job: Job): void => {
    job.state = "idle"
    inFlight--
    GovernorMetrics.inFlight.updateUnsafe(inFlight, job.context)
    if (outage?.probe === job) outage.probe = undefined
  }

  const isPaced = ({ requests, tokens }: Lane): boolean =>
    RateMirror.limit(requests) !== Infinity || RateMirror.limit(tokens) !== Infinity

  const observe = (
    job: Job,
    windows: { readonly requests?: RateMirror.Window | undefined; readonly tokens?: RateMirror.Window | undefined }
  ): void => {
    const { requests, tokens } = job.lane
    advance(job.lane, now())
    if (windows.requests !== undefined) {
      RateMirror.observe(requests, windows.requests, job.requestsMark)
    }
    if (windows.tokens !== undefined) {
      RateMirror.observe(tokens, windows.tokens, job.tokensMark)
    }
  }

  const succeeded = (job: Job, completion: Completion | undefined): void => {
    if (job.state !== "sent") return
    returned(job)
    const { lane } = job
    lane.refusals = 0
    providerLives()
    ConcurrencyWindow.answered(window, now() - job.requestsMark.at, isPaced(lane))
    if (completion !== undefined) {
      estimator.learn(job.request, job.guess, completion.usage)
      if (completion.rateLimit !== undefined) {
        ConcurrencyWindow.widen(window)
        observe(job, completion.rateLimit)
      }
    }
    pump()
  }

  const providerLives = (): void => {
    failuresInARow = 0
    if (failingRequests.size > 0) failingRequests.clear()
    outage = undefined
  }

  const failed = (job: Job, error: AiError.AiError, final: boolean): Decision => {
    const at = now()
    const wasProbe = outage !== undefined && outage.probe === job
    if (job.state === "sent") {
      returned(job)
      learnFromFailure(job, error, at, wasProbe)
      pump()
    }
    return final ? giveUp : decide(job, error, at, wasProbe)
  }

  const learnFromFailure = (job: Job, error: AiError.AiError, at: number, wasProbe: boolean): void => {
    const signal = ProviderSignal.fromError(error)
    if (error.reason._tag === "RateLimitError") {
      providerLives()
      refused(job, signal, at)
    } else if (error.isRetryable) {
      ConcurrencyWindow.refused(window, job.windowGeneration, inFlight, signal.overloaded ? 1 : failureWeight)
      if (failuresInARow++ === 0) failingSince = at
      if (failingRequests.size < requestsToBreak) failingRequests.add(job.order)
      providerFails(error, at, wasProbe)
    } else {
      // A refusal of this very request is an answer like any other, as far as the provider's health goes.
      providerLives()
    }
  }

  const providerFails = (error: AiError.AiError, at: number, wasProbe: boolean): void => {
    if (outage !== undefined) {
      outage.lastError = error
      if (!wasProbe) return
      outage.delay = Math.min(maxOutageDelayMillis, outage.delay * 2)
      outage.retryAt = at + jittered(outage.delay)
      expire(outage, at)
    } else if (
      failuresInARow >= settings.failuresToBreak && failingRequests.size >= requestsToBreak &&
      at - failingSince >= millisToBreak
    ) {
      outage = {
        since: at,
        retryAt: at + jittered(outageDelayMillis),
        delay: outageDelayMillis,
        probe: undefined,
        lastError: error
      }
      ConcurrencyWindow.reset(window)
    }
  }

  /** Ends the waiting of those who have waited for the provider long enough. */
  const expire = ({ lastError, since }: Outage, at: number): void => {
    for (const lane of laneList) {
      for (const job of Array.from(FairQueue.entries(lane.queue))) {
        if (at - Math.max(since, job.waitingSince) < settings.giveUpAfterMillis) continue
        FairQueue.cancel(lane.queue, job)
        leaveQueue(job)
        job.state = "idle"
        job.expired = lastError
        job.resume(Effect.fail(lastError))
      }
    }
  }

  const refused = (job: Job, signal: ProviderSignal.ProviderSignal, at: number): void => {
    const { lane } = job
    rateLimited++
    labelled(rateLimitedBy, GovernorMetrics.rateLimited, "kind", signal.kind ?? "unknown").updateUnsafe(1, job.context)
    const told = signal.requests !== undefined || signal.tokens !== undefined
    observe(job, signal)
    RateMirror.drain(lane.requests)
    RateMirror.drain(lane.tokens)
    const first = job.generation === lane.generation
    if (first) {
      lane.generation++
      lane.refusals++
      if (signal.kind === "slow_down") {
        cutShare(lane, at, shareAfterSlowDown, slowGrowthPerMilli)
      } else if (!told) {
        cutShare(lane, at, shareAfterRefusal, shareGrowthPerMilli)
      }
    }
    if (!told) ConcurrencyWindow.refused(window, job.windowGeneration, inFlight, 1)
    const server = signal.wait === undefined ? undefined : Duration.toMillis(signal.wait)
    const pause = server ?? backoff(Math.min(lane.refusals, 10))
    if (pause <= settings.maxServerDelayMillis) lane.pausedUntil = Math.max(lane.pausedUntil, at + jittered(pause))
  }

  const cutShare = (lane: Lane, at: number, by: number, growth: number): void => {
    lane.share = Math.max(0.01, lane.share * by)
    lane.shareAt = at
    lane.shareGrowth = growth
  }

  /** The wait after the nth failure, give or take a fifth. */
  const backoff = (n: number): number =>
    Math.ceil(
      Math.min(settings.maxDelayMillis, settings.baseDelayMillis * 2 ** (n - 1)) *
        (0.8 + 0.4 * random.nextDoubleUnsafe())
    )

  const decide = (job: Job, error: AiError.AiError, at: number, wasProbe: boolean): Decision => {
    const { wait: told } = ProviderSignal.fromError(error)
    const server = told === undefined ? 0 : Duration.toMillis(told)
    if (job.expired !== undefined || !error.isRetryable || server > settings.maxServerDelayMillis) return giveUp
    job.troubledAt ??= at
    if (at - job.troubledAt > settings.giveUpAfterMillis) return giveUp
    if (error.reason._tag === "RateLimitError") {
      const wait = Duration.millis(Math.max(0, job.lane.pausedUntil - at))
      return again(job, error, wait, Duration.zero)
    }
    // What is sent to find out whether the provider is back is not to blame if it is not.
    if (!wasProbe && ++job.retries > settings.maxRetries) return giveUp
    const millis = Math.max(backoff(Math.max(1, job.retries)), jittered(server))
    const wait = Duration.millis(outage === undefined ? millis : Math.max(millis, outage.retryAt - at))
    return again(job, error, wait, Duration.millis(millis))
  }

  const again = (
    job: Job,
    error: AiError.AiError,
    wait: Duration.Duration,
    sleep: Duration.Duration
  ): Decision => {
    job.rank = 0
    GovernorMetrics.retries.updateUnsafe(1, job.context)
    spanEvent(job, clock, "llm.retry", {
      "effect_instructor.reason": error.reason._tag,
      "effect_instructor.wait_ms": Duration.toMillis(wait)
    })
    return { _tag: "SendAgain", wait, sleep }
  }

  const left = (job: Job): void => {
    if (job.state === "waiting") {
      job.state = "idle"
      FairQueue.cancel(job.lane.queue, job)
      leaveQueue(job)
      pump()
    } else if (job.state === "sent") {
      returned(job)
      pump()
    }
  }

  shared?.onGranted(pump)

  return {
    settings,
    estimator,
    job: (request, context, { flow, rank }) => ({
      request,
      context,
      lane: laneOf(request.model),
      guess: TokenEstimate.guessPrompt(request, settings.countTokens),
      tokens: 0,
      flow,
      rank,
      order: order++,
      cancelled: false,
      state: "idle",
      requestsMark: noMark,
      tokensMark: noMark,
      generation: 0,
      windowGeneration: 0,
      retries: 0,
      troubledAt: undefined,
      waitingSince: 0,
      reason: "concurrency",
      resume: () => {},
      expired: undefined
    }),
    enter,
    wait,
    waitOf,
    succeeded,
    failed,
    left,
    state: () => ({
      now: now(),
      inFlight,
      concurrency: Math.floor(window.size),
      admitted,
      rateLimited,
      lanes: laneList
    })
  }
}
