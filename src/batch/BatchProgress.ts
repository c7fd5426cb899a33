/**
 * The progress of a batch while it runs: a stream of events, and a snapshot of the figures at any time.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import type * as Stream from "effect/Stream"
import type { Usage } from "../llm/Usage.ts"
import type { BatchSummary } from "./BatchSummary.ts"
import * as Feed from "./internal/feed.ts"

/**
 * An item started.
 *
 * @category models
 * @since 0.1.0
 */
export interface Started {
  readonly _tag: "Started"
  readonly index: number
  readonly id: string | undefined
}

/**
 * An item succeeded.
 *
 * @category models
 * @since 0.1.0
 */
export interface Succeeded {
  readonly _tag: "Succeeded"
  readonly index: number
  readonly id: string | undefined
  readonly attempts: number
  readonly usage: Usage
  readonly latency: Duration.Duration
}

/**
 * An item failed.
 *
 * @category models
 * @since 0.1.0
 */
export interface Failed {
  readonly _tag: "Failed"
  readonly index: number
  readonly id: string | undefined
  /** The tag of the reason of its error. */
  readonly reason: string
  readonly message: string
  readonly attempts: number
  readonly usage: Usage
  readonly latency: Duration.Duration
}

/**
 * An item was restored: an earlier run had finished it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Restored {
  readonly _tag: "Restored"
  readonly index: number
  readonly id: string | undefined
}

/**
 * A request of an item will be sent again, after a delay.
 *
 * @category models
 * @since 0.1.0
 */
export interface Retried {
  readonly _tag: "Retried"
  readonly index: number
  readonly id: string | undefined
  /** The tag of the reason of the error. */
  readonly reason: string
  readonly message: string
  readonly delay: Duration.Duration
}

/**
 * All items in flight are waiting to send their requests.
 *
 * @category models
 * @since 0.1.0
 */
export interface Paused {
  readonly _tag: "Paused"
  /** Why the last of them waits: the tag of the reason of an error, or the reason of the governor. */
  readonly reason: string
  /** The time until the first of them is sent, if it is known. */
  readonly wait: Duration.Duration | undefined
}

/**
 * An event of a batch: what `events` emits.
 *
 * @category models
 * @since 0.1.0
 */
export type BatchEvent = Started | Succeeded | Failed | Restored | Retried | Paused

/**
 * The figures of a batch so far: the result of `snapshot`.
 *
 * @category models
 * @since 0.1.0
 */
export interface BatchSnapshot extends BatchSummary {
  readonly inFlight: number
  /** The number of retries so far. */
  readonly retries: number
  /** The items in flight that are waiting to send their request. */
  readonly waiting: {
    readonly count: number
    /** Why the last of them waits: the tag of the reason of an error, or the reason of the governor. */
    readonly reason: string
    /** The time until the first of them is sent, if it is known. */
    readonly wait: Duration.Duration | undefined
    /** The message of the last error, if a request failed since an item last finished. */
    readonly message: string | undefined
  } | undefined
}

/**
 * The progress of one batch. Make it with `make`, and pass it to the batch as its `progress` option.
 *
 * @category models
 * @since 0.1.0
 */
export interface BatchProgress {
  readonly [Feed.TypeId]: unknown
  /**
   * The events from now on. The stream never ends and never delays the batch: a consumer that is more than 4,096 events
   * behind misses the oldest.
   */
  readonly events: Stream.Stream<BatchEvent>
  readonly snapshot: Effect.Effect<BatchSnapshot>
}

/**
 * Makes the progress of one batch. Use it for a progress bar, a status page or logs.
 *
 * **Example** (Watching a batch)
 *
 * ```ts
 * import { Effect, Schema, Stream } from "effect"
 * import { Batch, BatchProgress } from "effect-instructor"
 * import { MockLlm } from "effect-instructor/testing"
 *
 * const program = Effect.gen(function*() {
 *   const progress = yield* BatchProgress.make
 *   yield* Effect.forkChild(Stream.runForEach(progress.events, (event) => Effect.logDebug(event)))
 *   yield* Stream.runDrain(Batch.stream(Schema.Struct({ name: Schema.String }), ["I am Ada"], { progress }))
 *   const { failed, inFlight, succeeded } = yield* progress.snapshot
 *   return { succeeded, failed, inFlight }
 * }).pipe(Effect.provide(MockLlm.layer([{ name: "Ada" }])))
 *
 * await Effect.runPromise(program) // => { succeeded: 1, failed: 0, inFlight: 0 }
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<BatchProgress> = Effect.gen(function*() {
  const start = yield* Clock.currentTimeMillis
  const events = yield* PubSub.sliding<BatchEvent>(4096)
  return Feed.make(start, events)
})
