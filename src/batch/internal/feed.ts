/** The side of a progress that the engine sees. */
import type * as AiError from "effect/ai/AiError"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { Usage } from "../../llm/Usage.ts"
import type { BatchEvent, BatchProgress, BatchSnapshot } from "../BatchProgress.ts"
import type { EndedItem } from "../BatchSummary.ts"
import * as Tally from "./tally.ts"

/** An item with what its events tell. */
interface FeedItem extends EndedItem {
  readonly index: number
  readonly id: string | undefined
  readonly result: Result.Result<unknown, { readonly reason: { readonly _tag: string }; readonly message: string }>
}

export interface Feed {
  readonly started: (index: number, id: string | undefined) => void
  readonly ended: (item: FeedItem) => void
  readonly restored: (index: number, id: string | undefined) => void
  /** The item is in flight no more, and has no end. */
  readonly left: (index: number) => void
  readonly spent: (attempts: number, usage: Usage) => void
  readonly retried: (
    index: number,
    id: string | undefined,
    error: AiError.AiError,
    wait: Duration.Duration,
    now: number
  ) => void
  readonly waiting: (index: number, reason: string, wait: Duration.Duration | undefined, now: number) => void
  /** The item waits no more. */
  readonly sent: (index: number) => void
}

const feeds = new WeakMap<BatchProgress, Feed>()

export const of = (progress: BatchProgress): Feed | undefined => feeds.get(progress)

export const make = (start: number, pubsub: PubSub.PubSub<BatchEvent>): BatchProgress => {
  const tally = Tally.make(start)
  /** The items in flight; those that wait, until when, which may not be known. */
  const inFlight = new Map<number, number>()
  let listeners = 0
  let retries = 0
  let lastReason = ""

  const publish = (event: () => BatchEvent): void => {
    if (listeners > 0) PubSub.publishUnsafe(pubsub, event())
  }

  const waiting = (now: number): { readonly count: number; readonly wait: Duration.Duration | undefined } => {
    let count = 0
    let first = Infinity
    for (const until of inFlight.values()) {
      if (until <= now) continue
      count++
      first = Math.min(first, until)
    }
    return { count, wait: first === Infinity ? undefined : Duration.millis(first - now) }
  }

  const wait = (index: number, reason: string, until: number, now: number): void => {
    lastReason = reason
    inFlight.set(index, until)
    if (listeners === 0) return
    const all = waiting(now)
    if (all.count === inFlight.size) publish(() => ({ _tag: "Paused", reason, wait: all.wait }))
  }

  const progress: BatchProgress = {
    events: Stream.unwrap(Effect.map(
      Effect.acquireRelease(
        Effect.sync(() => listeners++),
        () => Effect.sync(() => listeners--)
      ),
      () => Stream.fromPubSub(pubsub)
    )),
    snapshot: Effect.map(Clock.currentTimeMillis, (now): BatchSnapshot => {
      const { count, wait } = waiting(now)
      return {
        ...Tally.summary(tally, now),
        inFlight: inFlight.size,
        retries,
        waiting: count === 0 ? undefined : { count, wait, reason: lastReason }
      }
    })
  }

  feeds.set(progress, {
    started: (index, id) => {
      inFlight.set(index, 0)
      publish(() => ({ _tag: "Started", index, id }))
    },
    ended: (item) => {
      inFlight.delete(item.index)
      Tally.add(tally, item)
      publish(() => toEvent(item))
    },
    restored: (index, id) => {
      tally.restored++
      publish(() => ({ _tag: "Restored", index, id }))
    },
    left: (index) => {
      inFlight.delete(index)
    },
    spent: (attempts, usage) => Tally.spend(tally, attempts, usage),
    retried: (index, id, { message, reason }, duration, now) => {
      retries++
      publish(() => ({ _tag: "Retried", index, id, reason: reason._tag, message, wait: duration }))
      wait(index, reason._tag, now + Duration.toMillis(duration), now)
    },
    waiting: (index, reason, duration, now) =>
      wait(index, reason, duration === undefined ? Infinity : now + Duration.toMillis(duration), now),
    sent: (index) => {
      inFlight.set(index, 0)
    }
  })
  return progress
}

const toEvent = ({ attempts, id, index, latency, result, usage }: FeedItem): BatchEvent =>
  Result.isSuccess(result)
    ? { _tag: "Done", index, id, attempts, usage, latency }
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
