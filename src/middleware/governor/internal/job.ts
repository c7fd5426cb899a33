/** A request on its way to its answer, with all the attempts it takes. */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import * as Tracer from "effect/Tracer"
import type { LlmError } from "../../../llm/LlmError.ts"
import type { LlmRequest } from "../../../llm/LlmRequest.ts"
import { CurrentRequestObserver, type RequestObserver } from "../../../llm/RequestObserver.ts"
import type * as FairQueue from "./fairQueue.ts"
import type * as Lane from "./lane.ts"
import type * as RateLimits from "./rateLimits.ts"

/** One step of a retry schedule: the delay, or the end of the schedule. */
export type RetryStep = (now: number, error: LlmError) => Pull.Pull<[unknown, Duration.Duration], never, unknown>

/** What to do after a failure. Times are in milliseconds. */
export type Decision =
  | { readonly _tag: "GiveUp"; readonly error: LlmError }
  /** Wait for a turn again, after this sleep. It is not counted as a retry. If it yields, all that wait go first. */
  | { readonly _tag: "Requeue"; readonly sleep: number; readonly wait: number; readonly yields: boolean }
  /** Ask the retry schedule. The delay is at least this. */
  | { readonly _tag: "Retry"; readonly atLeast: number }

export interface Job extends FairQueue.Waiting, RateLimits.Cost {
  readonly request: LlmRequest
  readonly context: Context.Context<never>
  readonly lane: Lane.Lane<Job>
  /** The tokens of the prompt by our own count. */
  readonly counted: number
  readonly createdAt: number
  readonly priority: number
  order: number
  inputTokens: number
  outputTokens: number
  rank: number
  state: "idle" | "waiting" | "sent"
  /** When it was last sent. */
  mark: Lane.Mark
  /** The generation of the concurrency window at that time. */
  windowGeneration: number
  /** How often it was refused in a row. */
  refusals: number
  /** When it first failed or was refused. */
  troubledAt: number | undefined
  waitingSince: number
  reason: Lane.WaitReason
  resume: (effect: Effect.Effect<void, LlmError>) => void
  /** The error that ended its wait, and leaves no more attempts. */
  expired: LlmError | undefined
  /** Its place in the retry schedule, after the first transient failure. */
  retry: RetryStep | undefined
}

const notSent: Lane.Mark = { at: 0, requests: 0, inputTokens: 0, outputTokens: 0, episode: -1 }
const ignore = () => {}

export const make = (
  options: Pick<Job, "request" | "context" | "lane" | "counted" | "createdAt" | "flow" | "priority" | "order">
): Job => ({
  request: options.request,
  context: options.context,
  lane: options.lane,
  counted: options.counted,
  createdAt: options.createdAt,
  flow: options.flow,
  priority: options.priority,
  rank: options.priority,
  order: options.order,
  cancelled: false,
  inputTokens: 0,
  outputTokens: 0,
  state: "idle",
  mark: notSent,
  windowGeneration: 0,
  refusals: 0,
  troubledAt: undefined,
  waitingSince: 0,
  reason: "concurrency",
  resume: ignore,
  expired: undefined,
  retry: undefined
})

export const observer = ({ context }: Job): RequestObserver => Context.get(context, CurrentRequestObserver)

/** Adds an event to the span in which the request was made. */
export const spanEvent = (
  { context }: Job,
  name: string,
  nanos: bigint,
  attributes: Readonly<Record<string, unknown>>
): void => {
  const span = Context.getOrUndefined(context as Context.Context<Tracer.ParentSpan>, Tracer.ParentSpan)
  if (span?._tag === "Span") span.event(name, nanos, { ...attributes })
}
