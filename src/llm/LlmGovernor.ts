/**
 * The one authority over requests to a provider. It retries what a moment's wait can mend; the SDK's own retries are
 * off, so nothing retries twice.
 *
 * @since 0.1.0
 */
import type * as AiError from "effect/ai/AiError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as ProviderWait from "./internal/providerWait.ts"
import { Llm } from "./Llm.ts"
import { CurrentLlmObserver } from "./LlmObserver.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * How often a request is sent again after a transient failure.
   *
   * @default 5
   */
  readonly maxRetries?: number | undefined
  /**
   * The wait before the first retry; each further one is twice as long, give or take 20 %.
   *
   * @default "500 millis"
   */
  readonly baseDelay?: Duration.Input | undefined
  /**
   * The longest wait of our own choosing.
   *
   * @default "30 seconds"
   */
  readonly maxDelay?: Duration.Input | undefined
  /**
   * The longest wait a server may ask for. A request told to wait longer fails instead, with the server's wait on the
   * error.
   *
   * @default "5 minutes"
   */
  readonly maxServerDelay?: Duration.Input | undefined
}

/**
 * Counts requests sent again after a transient failure.
 *
 * @category metrics
 * @since 0.1.0
 */
export const retries: Metric.Counter<number> = Metric.counter("effect_instructor_llm_retries", {
  description: "Requests sent again after a transient failure",
  incremental: true
})

/**
 * The schedule of retries: jittered exponential backoff, never shorter than the wait the server asked for, and none at
 * all for what cannot succeed (a bad key, a bad request, no quota).
 *
 * **Example** (Retrying something else the same way)
 *
 * ```ts
 * import { Effect } from "effect"
 * import type { AiError } from "effect/ai"
 * import { LlmGovernor } from "effect-instructor"
 *
 * export const patiently = <A, R>(effect: Effect.Effect<A, AiError.AiError, R>) =>
 *   Effect.retry(effect, LlmGovernor.retrySchedule({ maxRetries: 10 }))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const retrySchedule = (options?: Options): Schedule.Schedule<unknown, AiError.AiError> => {
  const maxRetries = options?.maxRetries ?? 5
  const maxServerDelay = Duration.fromInputUnsafe(options?.maxServerDelay ?? "5 minutes")
  return Schedule.min([
    Schedule.exponential(options?.baseDelay ?? "500 millis"),
    Schedule.spaced(options?.maxDelay ?? "30 seconds")
  ]).pipe(
    Schedule.jittered,
    Schedule.setInputType<AiError.AiError>(),
    Schedule.while(({ attempt, input }) => {
      if (!input.isRetryable || attempt > maxRetries) return false
      const wait = ProviderWait.fromError(input)
      return wait === undefined || Duration.isLessThanOrEqualTo(wait, maxServerDelay)
    }),
    Schedule.modifyDelay(({ duration, input }) => {
      const wait = ProviderWait.fromError(input)
      if (wait === undefined) return Effect.succeed(duration)
      // Everyone was told the same instant; a spread of up to a tenth keeps them from coming back as one.
      return Effect.map(Random.next, (random) => Duration.max(duration, Duration.times(wait, 1 + random / 10)))
    })
  )
}

/**
 * Puts a governor in front of a provider.
 *
 * **Example** (Retrying more patiently)
 *
 * ```ts
 * import { Layer } from "effect"
 * import { LlmGovernor } from "effect-instructor"
 * import { OpenAi } from "effect-instructor/openai"
 *
 * const Patient = LlmGovernor.layer({ maxRetries: 20, maxDelay: "2 minutes" }).pipe(
 *   Layer.provide(OpenAi.layerProviderConfig())
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<Llm, never, Llm> =>
  Layer.effect(Llm, Effect.map(Llm, (provider) => govern(provider, retrySchedule(options))))

/** Counts the retries of a schedule, and tells the observer. */
const observed = <Output>(
  schedule: Schedule.Schedule<Output, AiError.AiError>
): Schedule.Schedule<Output, AiError.AiError> =>
  Schedule.tap(schedule, ({ duration, input }) =>
    Effect.andThen(
      Metric.update(retries, 1),
      Effect.map(CurrentLlmObserver, (observer) => observer.onRetry(input, duration))
    ))

const govern = (
  provider: Llm["Service"],
  schedule: Schedule.Schedule<unknown, AiError.AiError>
): Llm["Service"] =>
  Llm.of({
    ...provider,
    complete: (request) => Effect.retry(provider.complete(request), observed(schedule)),
    stream: (request) =>
      Stream.suspend(() => {
        // What the consumer has seen cannot be taken back, so only a stream that has not begun is tried again.
        let begun = false
        return provider.stream(request).pipe(
          Stream.mapArray((parts) => {
            begun = true
            return parts
          }),
          Stream.retry(observed(Schedule.while(schedule, () => !begun)))
        )
      })
  })
