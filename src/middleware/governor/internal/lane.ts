/**
 * Everything that limits the requests to one model: its rate limits, a pause after a refusal, a reduced share of the
 * limits after refusals that reported none, and the queue of those who wait.
 */
import type { RateLimitWindow } from "../../../llm/Completion.ts"
import type { LlmError } from "../../../llm/LlmError.ts"
import * as FairQueue from "./fairQueue.ts"
import * as RateLimits from "./rateLimits.ts"

/**
 * Why requests wait:
 *
 * - `rate_limited`: the provider refused a request for a rate limit, and all pause.
 * - `requests`, `tokens`, `input_tokens`, `output_tokens`: a limit per second or minute has no room yet.
 * - `quota`: a limit per hour or day is used up.
 * - `concurrency`: as many requests are in flight as may be.
 * - `circuit_open`: the provider is down.
 * - `shared`: other processes use the shared limits.
 *
 * @category models
 * @since 0.1.0
 */
export type WaitReason =
  | "rate_limited"
  | "requests"
  | "tokens"
  | "input_tokens"
  | "output_tokens"
  | "quota"
  | "concurrency"
  | "circuit_open"
  | "shared"

/** Why the next request waits, and until when at least, where that is known. */
export interface Block {
  readonly reason: WaitReason
  readonly until: number | undefined
}

/** When a request was sent, and all that the lane had sent by then, the request included. */
export interface Mark extends RateLimits.Totals {
  readonly episode: number
}

export interface Lane<A extends FairQueue.Waiting> {
  readonly model: string
  readonly queue: FairQueue.FairQueue<A>
  readonly limits: RateLimits.RateLimits
  /** When the last request was sent. */
  sentAt: number
  /** The requests in flight that were sent since the last refusal. */
  inEpisode: number
  /** Nothing is sent before. */
  pausedUntil: number
  /** Counts the episodes of refusals. A refusal of a request that was sent before the last episode belongs to it. */
  episode: number
  /** Episodes since the last answer. */
  refusals: number
  /** The time of the first refusal since the last answer, and the last refusal. */
  trouble: { readonly since: number; readonly error: LlmError } | undefined
  /** The error that fails every request until `pausedUntil`: the wait is longer than the governor may wait. */
  exhausted: LlmError | undefined
  /** The share of the limits in use: when it was last computed, when it was cut, and whether for growing too fast. */
  share: number
  shareAt: number
  cutAt: number
  isGrowthLimited: boolean
  /** Why the first in the queue waits. */
  blocked: Block | undefined
}

/** After a refusal that reports no limit: a fifth less. It grows by 5 % a minute at first, and ever faster. */
const shareAfterRefusal = 0.8
const shareGrowth = Math.log(1.05) / 60_000
const accelerationMillis = 60_000
/** After a refusal for growing too fast: OpenAI lets a rate grow by half in a quarter of an hour. */
const shareAfterGrowth = 0.5
const slowGrowth = Math.log(1.5) / (15 * 60_000)
const leastShare = 0.1

/** The pause after a refusal without a delay of the server's, doubled with each episode. */
const backoffMillis = 500
/** The shortest pause after a refusal, whatever the server says, doubled with each episode. */
const floorMillis = 50
const maxBackoffMillis = 30_000
/** From this many episodes without an answer on, only one request at a time tries whether there is room again. */
const episodesToProbe = 2
/** After this time without an answer the next request tries it. */
const probeMillis = 60_000

const reasons: Readonly<Record<RateLimits.Wait["limit"], WaitReason>> = {
  requests: "requests",
  tokens: "tokens",
  inputTokens: "input_tokens",
  outputTokens: "output_tokens",
  quota: "quota"
}

export const make = <A extends FairQueue.Waiting>(model: string, configured: {
  readonly requestsPerMinute: number | undefined
  readonly tokensPerMinute: number | undefined
}, at: number): Lane<A> => ({
  model,
  queue: FairQueue.make(),
  limits: RateLimits.make(configured, at),
  sentAt: at,
  inEpisode: 0,
  pausedUntil: 0,
  episode: 0,
  refusals: 0,
  trouble: undefined,
  exhausted: undefined,
  share: 1,
  shareAt: 0,
  cutAt: 0,
  isGrowthLimited: false,
  blocked: undefined
})

const advance = <A extends FairQueue.Waiting>(lane: Lane<A>, at: number): void => {
  if (lane.share < 1) {
    const growth = lane.isGrowthLimited ? slowGrowth : shareGrowth * (1 + (at - lane.cutAt) / accelerationMillis)
    lane.share = Math.min(1, lane.share * Math.exp(growth * (at - lane.shareAt)))
    lane.shareAt = at
  }
  RateLimits.advance(lane.limits, at, lane.share)
}

/** Whether the lane is paused, or tries with a single request whether there is room again. */
export const paused = <A extends FairQueue.Waiting>(lane: Lane<A>, at: number): Block | undefined => {
  if (at < lane.pausedUntil) return { reason: "rate_limited", until: lane.pausedUntil }
  return lane.refusals >= episodesToProbe && lane.inEpisode > 0 && at < lane.sentAt + probeMillis
    ? { reason: "rate_limited", until: lane.sentAt + probeMillis }
    : undefined
}

/** Whether a rate limit has no room for a request of this cost. */
export const limited = <A extends FairQueue.Waiting>(
  lane: Lane<A>,
  cost: RateLimits.Cost,
  at: number
): Block | undefined => {
  advance(lane, at)
  const wait = RateLimits.wait(lane.limits, cost, at)
  return wait === undefined ? undefined : { reason: reasons[wait.limit], until: wait.until }
}

/** Counts a request as sent. Only right after `limited`. */
export const spend = <A extends FairQueue.Waiting>(lane: Lane<A>, cost: RateLimits.Cost, at: number): Mark => {
  const { limits } = lane
  RateLimits.spend(limits, cost, at)
  lane.sentAt = at
  lane.inEpisode++
  return {
    at,
    requests: limits.sent.requests,
    inputTokens: limits.sent.inputTokens,
    outputTokens: limits.sent.outputTokens,
    episode: lane.episode
  }
}

/** A request is no longer in flight. */
export const returned = <A extends FairQueue.Waiting>(lane: Lane<A>, { episode }: Mark): void => {
  if (episode === lane.episode) lane.inEpisode--
}

/** A request was answered, with these reports of the limits. */
export const answered = <A extends FairQueue.Waiting>(
  lane: Lane<A>,
  cost: RateLimits.Cost,
  windows: ReadonlyArray<RateLimitWindow> | undefined,
  mark: Mark,
  at: number
): void => {
  lane.refusals = 0
  lane.trouble = undefined
  const hasReports = windows !== undefined && windows.length > 0
  if (hasReports) {
    advance(lane, at)
    for (const window of windows) RateLimits.observe(lane.limits, window, mark, at)
  }
  RateLimits.answered(lane.limits, cost, at, hasReports)
}

/** A request was refused for a rate limit. Returns whether a limit that the refusal reports explains it. */
export const refused = <A extends FairQueue.Waiting>(
  lane: Lane<A>,
  error: LlmError,
  mark: Mark,
  at: number
): boolean => {
  lane.trouble = { since: lane.trouble?.since ?? at, error }
  advance(lane, at)
  const retryMillis = RateLimits.toMillis(error.retryAfter)
  let isExplained = false
  for (const window of error.rateLimits ?? []) {
    if (RateLimits.observeRefusal(lane.limits, window, mark, at, retryMillis)) isExplained = true
  }
  RateLimits.drain(lane.limits)
  // Other refusals of the same burst say nothing new.
  if (mark.episode !== lane.episode) return isExplained
  lane.episode++
  lane.inEpisode = 0
  // Without an answer in between, the pace was not tried again.
  if (lane.refusals++ > 0) return isExplained
  if (error.limit === "growth") cutShare(lane, at, shareAfterGrowth, true)
  else if (!isExplained) cutShare(lane, at, shareAfterRefusal, false)
  return isExplained
}

const cutShare = <A extends FairQueue.Waiting>(lane: Lane<A>, at: number, by: number, isGrowth: boolean): void => {
  lane.share = Math.max(leastShare, lane.share * by)
  lane.shareAt = at
  lane.cutAt = at
  lane.isGrowthLimited = isGrowth
}

/**
 * How long nothing is sent after a refusal: as long as the server asks, plus a spread of up to a tenth so that several
 * processes do not come back at the same instant, and never less than a backoff that doubles with each episode.
 * `random` is between 0 and 1.
 */
export const pauseMillis = <A extends FairQueue.Waiting>(
  { refusals }: Lane<A>,
  serverMillis: number | undefined,
  random: number
): number =>
  serverMillis === undefined
    ? backoff(backoffMillis, refusals, random)
    : Math.max(backoff(floorMillis, refusals, random), Math.ceil(serverMillis * (1 + random / 10)))

/** The nth delay of an exponential backoff, with a jitter of a fifth in both directions. */
export const backoff = (baseMillis: number, n: number, random: number): number =>
  Math.round(Math.min(maxBackoffMillis, baseMillis * 2 ** Math.min(Math.max(0, n - 1), 20)) * (0.8 + 0.4 * random))
