/**
 * Where a batch stands, while it runs: as events, and as figures to look at whenever one likes.
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
 * @category models
 * @since 0.1.0
 */
export interface Started {
  readonly _tag: "Started"
  readonly index: number
  readonly id: string | undefined
}

/**
 * An item ended with a value.
 *
 * @category models
 * @since 0.1.0
 */
export interface Done {
  readonly _tag: "Done"
  readonly index: number
  readonly id: string | undefined
  readonly attempts: number
  readonly usage: Usage
  readonly latency: Duration.Duration
}

/**
 * An item ended with an error.
 *
 * @category models
 * @since 0.1.0
 */
export interface Failed {
  readonly _tag: "Failed"
  readonly index: number
  readonly id: string | undefined
  /** The tag of the error's reason. */
  readonly reason: string
  readonly message: string
  readonly attempts: number
  readonly usage: Usage
  readonly latency: Duration.Duration
}

/**
 * An earlier run had ended the item.
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
 * A request of the item is sent again, after a wait.
 *
 * @category models
 * @since 0.1.0
 */
export interface Retried {
  readonly _tag: "Retried"
  readonly index: number
  readonly id: string | undefined
  /** The tag of the provider's failure. */
  readonly reason: string
  readonly message: string
  readonly wait: Duration.Duration
}

/**
 * Every item in flight waits to send its request.
 *
 * @category models
 * @since 0.1.0
 */
export interface Paused {
  readonly _tag: "Paused"
  /** What the last of them waits for: the tag of the provider's failure, or the governor's reason. */
  readonly reason: string
  /** Until the first of them goes on, where that is known. */
  readonly wait: Duration.Duration | undefined
}

/**
 * @category models
 * @since 0.1.0
 */
export type BatchEvent = Started | Done | Failed | Restored | Retried | Paused

/**
 * @category models
 * @since 0.1.0
 */
export interface BatchSnapshot extends BatchSummary {
  readonly inFlight: number
  /** Requests sent again so far. */
  readonly retries: number
  /** The items in flight that wait to send their request. */
  readonly waiting: {
    readonly count: number
    /** What the last of them waits for: the tag of the provider's failure, or the governor's reason. */
    readonly reason: string
    /** Until the first of them goes on, where that is known. */
    readonly wait: Duration.Duration | undefined
  } | undefined
}

/**
 * @category models
 * @since 0.1.0
 */
export interface BatchProgress {
  /**
   * What happens from now on. It has no end of its own, and holds up no batch: who falls more than 4,096 events behind
   * loses the oldest.
   */
  readonly events: Stream.Stream<BatchEvent>
  readonly snapshot: Effect.Effect<BatchSnapshot>
}

/**
 * Makes the progress to give to a batch.
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
 *   const { failed, inFlight, ok } = yield* progress.snapshot
 *   return { ok, failed, inFlight }
 * }).pipe(Effect.provide(MockLlm.layer([{ name: "Ada" }])))
 *
 * await Effect.runPromise(program) // => { ok: 1, failed: 0, inFlight: 0 }
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
