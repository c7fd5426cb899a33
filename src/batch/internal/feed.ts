/** The connection of a run to its progress. */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { LlmError } from "../../llm/LlmError.ts"
import type { Usage } from "../../llm/Usage.ts"
import type { BatchEvent, BatchProgress, BatchSnapshot } from "../BatchProgress.ts"
import type { FinishedItem } from "../BatchSummary.ts"
import * as Tally from "./tally.ts"

/** The key of the feed in a progress. A progress that was not made here does not have it, so its type does not fit. */
export const TypeId: unique symbol = Symbol.for("~effect-instructor/BatchProgress") as never

export const fromProgress = (progress: BatchProgress | undefined): Effect.Effect<Feed | undefined> => {
  const feed = progress?.[TypeId] as Feed | undefined
  return progress === undefined || feed !== undefined
    ? Effect.succeed(feed)
    : Effect.die(new Cause.IllegalArgumentError("Batch: progress must be made by BatchProgress.make"))
}

interface ReportedItem extends FinishedItem {
  readonly index: number
  readonly id: string | undefined
  readonly result: Result.Result<unknown, { readonly reason: { readonly _tag: string }; readonly message: string }>
}

export interface Feed {
  readonly started: (index: number, id: string | undefined) => void
  readonly finished: (item: ReportedItem) => void
  readonly restored: (index: number, id: string | undefined) => void
  /** The item is no longer in flight, but stays pending. */
  readonly left: (index: number) => void
  readonly spent: (attempts: number, usage: Usage) => void
  readonly retried: (
    index: number,
    id: string | undefined,
    error: LlmError,
    delay: Duration.Duration,
    now: number
  ) => void
  readonly waiting: (index: number, reason: string, wait: Duration.Duration | undefined, now: number) => void
  /** The item's request was sent. */
  readonly sent: (index: number) => void
}

interface State {
  readonly pubsub: PubSub.PubSub<BatchEvent>
  readonly tally: Tally.Tally
  /** The items in flight, each with the time until which it waits: 0 for no wait, `Infinity` for an unknown end. */
  readonly inFlight: Map<number, number>
  listeners: number
  retries: number
  lastReason: string
  lastMessage: string | undefined
}

export const make = (start: number, pubsub: PubSub.PubSub<BatchEvent>): BatchProgress => {
  const state: State = {
    pubsub,
    tally: Tally.make(start),
    inFlight: new Map(),
    listeners: 0,
    retries: 0,
    lastReason: "",
    lastMessage: undefined
  }
  return {
    [TypeId]: makeFeed(state),
    events: Stream.unwrap(Effect.map(
      Effect.acquireRelease(
        Effect.sync(() => state.listeners++),
        () => Effect.sync(() => state.listeners--)
      ),
      () => Stream.fromPubSub(pubsub)
    )),
    snapshot: Effect.map(Clock.currentTimeMillis, (now) => snapshot(state, now))
  }
}

const snapshot = (state: State, now: number): BatchSnapshot => {
  const { count, wait } = waitingItems(state, now)
  return {
    ...Tally.summary(state.tally, now),
    inFlight: state.inFlight.size,
    retries: state.retries,
    waiting: count === 0 ? undefined : { count, wait, reason: state.lastReason, message: state.lastMessage }
  }
}

const waitingItems = (
  { inFlight }: State,
  now: number
): { readonly count: number; readonly wait: Duration.Duration | undefined } => {
  let count = 0
  let first = Infinity
  for (const until of inFlight.values()) {
    if (until <= now) continue
    count++
    first = Math.min(first, until)
  }
  return { count, wait: first === Infinity ? undefined : Duration.millis(first - now) }
}

const publish = ({ listeners, pubsub }: State, event: () => BatchEvent): void => {
  if (listeners > 0) PubSub.publishUnsafe(pubsub, event())
}

const waits = (state: State, index: number, reason: string, until: number, now: number): void => {
  state.lastReason = reason
  state.inFlight.set(index, until)
  if (state.listeners === 0) return
  const { count, wait } = waitingItems(state, now)
  if (count === state.inFlight.size) publish(state, () => ({ _tag: "Paused", reason, wait }))
}

const makeFeed = (state: State): Feed => ({
  started: (index, id) => {
    state.inFlight.set(index, 0)
    publish(state, () => ({ _tag: "Started", index, id }))
  },
  finished: (item) => {
    state.inFlight.delete(item.index)
    state.lastMessage = undefined
    Tally.add(state.tally, item)
    publish(state, () => toEvent(item))
  },
  restored: (index, id) => {
    state.tally.restored++
    publish(state, () => ({ _tag: "Restored", index, id }))
  },
  left: (index) => {
    state.inFlight.delete(index)
  },
  spent: (attempts, usage) => Tally.spend(state.tally, attempts, usage),
  retried: (index, id, { message, reason }, delay, now) => {
    state.retries++
    state.lastMessage = message
    publish(state, () => ({ _tag: "Retried", index, id, reason: reason._tag, message, delay }))
    waits(state, index, reason._tag, now + Duration.toMillis(delay), now)
  },
  waiting: (index, reason, duration, now) =>
    waits(state, index, reason, duration === undefined ? Infinity : now + Duration.toMillis(duration), now),
  sent: (index) => {
    if (state.inFlight.has(index)) state.inFlight.set(index, 0)
  }
})

const toEvent = ({ attempts, id, index, latency, result, usage }: ReportedItem): BatchEvent =>
  Result.isSuccess(result)
    ? { _tag: "Succeeded", index, id, attempts, usage, latency }
    : {
      _tag: "Failed",
      index,
      id,
      reason: result.failure.reason._tag,
      message: result.failure.message,
      attempts,
      usage,
      latency
    }
