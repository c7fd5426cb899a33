/** The options of `Batch.offline` and their defaults. `Batch` exports the public part. */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { BatchStatus, Limits } from "../../../../llm/LlmBatch.ts"
import type { Options } from "../../options.ts"

/**
 * What happens to answers that are not valid: they are asked again `online`, with the `Llm` of the context, or in the next
 * `batch`, or they fail (`none`).
 *
 * @category models
 * @since 0.1.0
 */
export type Finish = "online" | "batch" | "none"

/**
 * The options of `Batch.offline`. `In` is the type of the inputs. `concurrency` limits what is finished online.
 *
 * @category models
 * @since 0.1.0
 */
export interface OfflineOptions<in In = never> extends Options<In> {
  /**
   * When to ask for the status of a batch.
   *
   * @default after 5 seconds at first, and then less and less often, up to once a minute
   */
  readonly poll?: Schedule.Schedule<unknown> | undefined
  /**
   * What happens to answers that are not valid. Requests that were not answered, because the provider failed or the batch
   * expired, go into the next batch in any case.
   *
   * @default "batch", or "online" with a `deadline`
   */
  readonly finish?: Finish | undefined
  /**
   * When the results are needed, from the start of the run. What would be late is cancelled and finished online, with the
   * `Llm` of the context.
   */
  readonly deadline?: Duration.Input | undefined
  /** The most requests of one batch. The provider's limit by default, which it cannot exceed. */
  readonly maxRequests?: number | undefined
  /** The most bytes of one batch. The provider's limit by default, which it cannot exceed. */
  readonly maxBytes?: number | undefined
  /**
   * The prompt tokens that the account may have enqueued at one time. By default the engine learns it when the provider
   * refuses a batch.
   */
  readonly enqueuedTokens?: number | undefined
  /**
   * How often a request is sent again in another batch, if it was not answered.
   *
   * @default 3
   */
  readonly retries?: number | undefined
  /** Called with every status that a batch has. */
  readonly onStatus?: ((status: BatchStatus) => Effect.Effect<void>) | undefined
}

export const defaultPoll: Schedule.Schedule<unknown> = Schedule.min([
  Schedule.exponential("5 seconds", 1.5),
  Schedule.spaced("1 minute")
])

export const defaultRetries = 3

export const finishOf = ({ deadline, finish }: OfflineOptions): Finish =>
  finish ?? (deadline === undefined ? "batch" : "online")

/** What one batch may hold. Some room is left, because a provider may count in another way. */
export interface Size {
  readonly requests: number
  readonly bytes: number
  readonly tokens: number
}

const margin = 0.98
const tokenMargin = 0.9

export const sizeOf = (options: OfflineOptions, limits: Limits): Size => ({
  requests: Math.max(1, Math.floor(Math.min(options.maxRequests ?? Infinity, limits.maxRequests))),
  bytes: Math.min(options.maxBytes ?? Infinity, limits.maxBytes * margin),
  tokens: enqueuedTokensOf(options, limits) * tokenMargin
})

export const enqueuedTokensOf = (options: OfflineOptions, limits: Limits): number =>
  options.enqueuedTokens ?? limits.enqueuedTokens ?? Infinity

export const notDerived =
  "A batch has one request for each input, and this extraction sends several that depend on each other. Run it online"
