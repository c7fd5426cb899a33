/**
 * The one authority over requests to a provider. It sends them as fast as the provider's limits let it, and again what
 * a moment's wait can mend; the SDK's own retries are off, so nothing retries twice.
 *
 * @since 0.1.0
 */
import type * as AiError from "effect/ai/AiError"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as RateLimiter from "effect/persistence/RateLimiter"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import type { Completion, CompletionPart } from "../../llm/Completion.ts"
import * as Admission from "./internal/admission.ts"
import * as RateMirror from "./internal/rateMirror.ts"
import * as SharedLimits from "./internal/sharedLimits.ts"
import * as TokenEstimate from "./internal/tokenEstimate.ts"
import { Llm } from "../../llm/Llm.ts"
import { CurrentLlmObserver } from "../../llm/RequestObserver.ts"
import { CurrentLlmFlow, CurrentLlmPriority, type LlmPriority } from "../../llm/LlmPriority.ts"
import type { LlmRequest } from "../../llm/LlmRequest.ts"
import * as Usage from "../../llm/Usage.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * The most requests to send in a minute, for each model. What the provider tells of its own limit counts too; the
   * smaller one holds.
   *
   * @default what the provider tells
   */
  readonly requestsPerMinute?: number | undefined
  /**
   * The most tokens to ask for in a minute, for each model: of prompts, and the most that answers may have.
   *
   * @default what the provider tells
   */
  readonly tokensPerMinute?: number | undefined
  /**
   * The most requests in flight. `"adaptive"` finds out how many the server can take: from 8 upwards, until it refuses
   * or answers more slowly.
   *
   * @default "adaptive"
   */
  readonly concurrency?: number | "adaptive" | undefined
  /**
   * Counts the tokens of a text, `countTokens` of the `gpt-tokenizer` package for one.
   *
   * @default a guess from its characters, which answers' usage corrects
   */
  readonly countTokens?: ((text: string) => number) | undefined
  /**
   * Asks for no more tokens than answers turn out to need, and a half more. Providers count what an answer may have, not
   * what it has, so this can let several times as many requests through. An answer that does not fit is asked for again
   * with the size the request came with; both are in its usage.
   *
   * @default false
   */
  readonly adaptiveMaxTokens?: boolean | undefined
  /**
   * How often a request is sent again after a transient failure. Rate limits do not count: a request they refuse goes
   * to the front of the line.
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
  /**
   * How long one request may be held up by failures, refusals and outages together.
   *
   * @default "1 hour"
   */
  readonly giveUpAfter?: Duration.Input | undefined
  /**
   * After how many transient failures in a row, of five requests or more, the provider counts as down. Then one request
   * at a time finds out whether it is back, after 5 seconds and ever longer up to a minute, and all others wait.
   *
   * @default 10
   */
  readonly failuresToBreak?: number | undefined
}

/**
 * @category models
 * @since 0.1.0
 */
export interface SharedOptions extends Options {
  /**
   * What the limits go by in the store. Processes with the same one share them.
   *
   * @default "effect-instructor"
   */
  readonly key?: string | undefined
}

/**
 * Why requests wait: after a refusal (`rate_limited`), for their turn within a limit (`requests`, `tokens`), for another
 * to be answered (`concurrency`), for the provider to be up again (`outage`), or for their share of limits that other
 * processes draw on (`shared`).
 *
 * @category models
 * @since 0.1.0
 */
export type WaitReason = Admission.WaitReason

/**
 * One of a model's limits.
 *
 * @category models
 * @since 0.1.0
 */
export interface LimitSnapshot {
  readonly perMinute: number
  /** What the provider should have left of it, where it tells. */
  readonly remaining: number | undefined
}

/**
 * @category models
 * @since 0.1.0
 */
export interface ModelSnapshot {
  readonly model: string
  /** `undefined` while no limit is known. */
  readonly requests: LimitSnapshot | undefined
  readonly tokens: LimitSnapshot | undefined
  readonly queued: number
}

/**
 * What a governor is doing.
 *
 * @category models
 * @since 0.1.0
 */
export interface Snapshot {
  readonly inFlight: number
  readonly queued: number
  /** Requests sent so far, retries included. */
  readonly admitted: number
  /** Requests refused for a rate limit so far. */
  readonly rateLimited: number
  /** How many requests may be in flight by now. */
  readonly concurrency: number
  /** Why the next request waits, and how long from now at least, where that is known. */
  readonly waiting: {
    readonly reason: WaitReason
    readonly wait: Duration.Duration | undefined
  } | undefined
  readonly models: ReadonlyArray<ModelSnapshot>
}

/**
 * The governor itself, for those who want to look at it.
 *
 * @category services
 * @since 0.1.0
 */
export class LlmGovernor extends Context.Service<LlmGovernor, {
  readonly snapshot: Effect.Effect<Snapshot>
}>()("effect-instructor/llm/LlmGovernor") {}

/**
 * What the governor is doing.
 *
 * **Example** (A line about it)
 *
 * ```ts
 * import { Effect, Layer, Schema } from "effect"
 * import { Extraction, LlmGovernor } from "effect-instructor"
 * import { MockLlm } from "effect-instructor/testing"
 *
 * const Governed = LlmGovernor.layer({ requestsPerMinute: 500 }).pipe(
 *   Layer.provide(MockLlm.layer([{ city: "Paris" }]))
 * )
 *
 * const program = Effect.gen(function*() {
 *   yield* Extraction.extract(Schema.Struct({ city: Schema.String }), "I live in Paris")
 *   const { admitted, inFlight, queued } = yield* LlmGovernor.snapshot
 *   return `${admitted} sent, ${inFlight} in flight, ${queued} waiting`
 * }).pipe(Effect.provide(Governed))
 *
 * await Effect.runPromise(program) // => "1 sent, 0 in flight, 0 waiting"
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const snapshot: Effect.Effect<Snapshot, never, LlmGovernor> = Effect.flatMap(
  LlmGovernor,
  (governor) => governor.snapshot
)

/**
 * Puts a governor in front of a provider.
 *
 * **Example** (Limits of one's own, and more patience)
 *
 * ```ts
 * import { Layer } from "effect"
 * import { LlmGovernor } from "effect-instructor"
 * import { OpenAi } from "effect-instructor/openai"
 *
 * export const Governed = LlmGovernor.layer({ requestsPerMinute: 500, tokensPerMinute: 200_000, maxRetries: 20 }).pipe(
 *   Layer.provide(OpenAi.layerProviderConfig())
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<Llm | LlmGovernor, never, Llm> =>
  Layer.effectContext(make(options ?? {}, undefined))

/**
 * Puts a governor in front of a provider that shares its limits with those of other processes, through a store of
 * `effect/persistence`: Redis, say. Where the store does not answer, it warns and goes by its own count until it does.
 * The machines' clocks should agree to a fraction of a second.
 *
 * **Example** (Several processes on one Redis)
 *
 * ```ts
 * import { NodeRedis } from "@effect/platform-node"
 * import { Layer } from "effect"
 * import { LlmGovernor } from "effect-instructor"
 * import { OpenAi } from "effect-instructor/openai"
 * import { RateLimiter } from "effect/persistence"
 *
 * export const Governed = LlmGovernor.layerShared({ tokensPerMinute: 2_000_000 }).pipe(
 *   Layer.provide([
 *     OpenAi.layerProviderConfig(),
 *     RateLimiter.layerStoreRedis().pipe(Layer.provide(NodeRedis.layer({ url: "redis://127.0.0.1:6379" })))
 *   ])
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerShared = (
  options?: SharedOptions
): Layer.Layer<Llm | LlmGovernor, never, Llm | RateLimiter.RateLimiterStore> =>
  Layer.effectContext(
    Effect.flatMap(RateLimiter.RateLimiterStore, (store) =>
      make(options ?? {}, { store, key: options?.key ?? "effect-instructor" }))
  )

const make = Effect.fnUntraced(function*(
  options: Options,
  shared: { readonly store: RateLimiter.RateLimiterStore["Service"]; readonly key: string } | undefined
) {
  const provider = yield* Llm
  const clock = yield* Clock.Clock
  const random = yield* Random.Random
  const fork = yield* FiberSet.makeRuntime<never, void>()
  const admission = Admission.make(toSettings(options), {
    clock,
    random,
    fork,
    shared: shared === undefined
      ? undefined
      : SharedLimits.make(shared.store, { key: shared.key, clock, fork })
  })
  return Context.make(Llm, govern(provider, admission, options.adaptiveMaxTokens ?? false)).pipe(
    Context.add(LlmGovernor, LlmGovernor.of({ snapshot: Effect.sync(() => toSnapshot(admission)) }))
  )
})

const toSettings = (options: Options): Admission.Settings => {
  const millis = (input: Duration.Input | undefined, otherwise: Duration.Input): number =>
    Duration.toMillis(Duration.fromInputUnsafe(input ?? otherwise))
  return {
    requestsPerMinute: options.requestsPerMinute,
    tokensPerMinute: options.tokensPerMinute,
    concurrency: options.concurrency ?? "adaptive",
    countTokens: options.countTokens ?? TokenEstimate.guessTokens,
    maxRetries: options.maxRetries ?? 5,
    baseDelayMillis: millis(options.baseDelay, "500 millis"),
    maxDelayMillis: millis(options.maxDelay, "30 seconds"),
    maxServerDelayMillis: millis(options.maxServerDelay, "5 minutes"),
    giveUpAfterMillis: millis(options.giveUpAfter, "1 hour"),
    failuresToBreak: options.failuresToBreak ?? 10
  }
}

const toSnapshot = (admission: Admission.Admission): Snapshot => {
  const { admitted, concurrency, inFlight, lanes, now, rateLimited } = admission.state()
  const blocked = lanes.find(({ queue }) => queue.size > 0)?.blocked
  return {
    inFlight,
    queued: lanes.reduce((sum, { queue }) => sum + queue.size, 0),
    admitted,
    rateLimited,
    concurrency,
    waiting: blocked === undefined ? undefined : {
      reason: blocked.reason,
      wait: blocked.until === undefined ? undefined : Duration.millis(Math.max(0, blocked.until - now))
    },
    models: lanes.map(({ model, queue, requests, tokens }) => ({
      model,
      requests: toLimit(requests),
      tokens: toLimit(tokens),
      queued: queue.size
    }))
  }
}

const toLimit = (mirror: RateMirror.RateMirror): LimitSnapshot | undefined => {
  const perMinute = RateMirror.limit(mirror)
  return perMinute === Infinity ? undefined : { perMinute, remaining: RateMirror.remaining(mirror) }
}

/** Retries are before all of these. */
const ranks: Readonly<Record<LlmPriority, number>> = { high: 1, normal: 2, low: 3 }

const govern = (
  provider: Llm["Service"],
  admission: Admission.Admission,
  adaptiveMaxTokens: boolean
): Llm["Service"] => {
  const newJob = (request: LlmRequest): Effect.Effect<Admission.Job> =>
    Effect.withFiber((fiber) =>
      Effect.succeed(admission.job(request, fiber.context, {
        rank: ranks[fiber.getRef(CurrentLlmPriority)],
        flow: fiber.getRef(CurrentLlmFlow)
      }))
    )

  const turn = (job: Admission.Job): Effect.Effect<void, AiError.AiError> =>
    Effect.withFiber((fiber) => {
      const observer = fiber.getRef(CurrentLlmObserver)
      const wait = admission.waitOf(job)
      observer.onWait(job.reason, wait === undefined ? undefined : Duration.millis(wait))
      return Effect.map(admission.wait(job), () => observer.onSend())
    })

  const complete = (job: Admission.Job): Effect.Effect<Completion, AiError.AiError> => {
    let decision: Admission.Decision = Admission.giveUp
    return Effect.suspend(() =>
      admission.enter(job)
        ? provider.complete(job.request)
        : Effect.andThen(turn(job), provider.complete(job.request))
    ).pipe(
      // Here and not where the failure is caught: an interruption may come in between, and would leave the place taken.
      Effect.onExit((exit) => {
        if (exit._tag === "Success") {
          admission.succeeded(job, exit.value)
          return Effect.void
        }
        const error = Cause.findErrorOption(exit.cause)
        if (Option.isSome(error)) decision = admission.failed(job, error.value, false)
        else admission.left(job)
        return Effect.void
      }),
      Effect.catch((error) => again(decision, error, Effect.suspend(() => complete(job))))
    )
  }

  const completeOnce = (request: LlmRequest): Effect.Effect<Completion, AiError.AiError> =>
    Effect.flatMap(newJob(request), (job) => complete(job))

  const completeFitted = (request: LlmRequest): Effect.Effect<Completion, AiError.AiError> => {
    const fitted = fit(request, admission.estimator.mostOutput(request))
    if (fitted === undefined) return completeOnce(request)
    return completeOnce(fitted).pipe(
      Effect.filterOrElse(
        ({ finishReason }) => finishReason !== "length",
        ({ usage }) =>
          Effect.map(completeOnce(request), (whole) => ({ ...whole, usage: Usage.add(usage, whole.usage) }))
      )
    )
  }

  const stream = (job: Admission.Job): Stream.Stream<CompletionPart, AiError.AiError> => {
    // What the consumer has seen cannot be taken back, so only a stream that has not begun is tried again.
    let begun = false
    let decision: Admission.Decision | undefined
    const tried = Stream.unwrap(Effect.gen(function*() {
      yield* Effect.addFinalizer(() => Effect.sync(() => admission.left(job)))
      if (!admission.enter(job)) yield* turn(job)
      return provider.stream(job.request).pipe(
        Stream.mapArray((parts) => {
          begun = true
          const last = parts[parts.length - 1]!
          if (last._tag === "Finish") admission.succeeded(job, last.completion)
          return parts
        }),
        Stream.tapError((error) =>
          Effect.sync(() => {
            decision = admission.failed(job, error, begun)
          })
        )
      )
    }))
    return tried.pipe(
      Stream.catch((error) =>
        Stream.unwrap(
          again(decision ?? admission.failed(job, error, begun), error, Effect.sync(() => stream(job)))
        )
      )
    )
  }

  return Llm.of({
    ...provider,
    complete: adaptiveMaxTokens ? (request) => Effect.suspend(() => completeFitted(request)) : completeOnce,
    stream: (request) => Stream.unwrap(Effect.map(newJob(request), stream))
  })
}

const again = <A, E>(
  decision: Admission.Decision,
  error: AiError.AiError,
  next: Effect.Effect<A, E>
): Effect.Effect<A, E | AiError.AiError> => {
  if (decision._tag === "GiveUp") return Effect.fail(error)
  const told = Effect.map(CurrentLlmObserver, (observer) => observer.onRetry(error, decision.wait))
  return Effect.andThen(
    Duration.isZero(decision.sleep) ? told : Effect.andThen(told, Effect.sleep(decision.sleep)),
    next
  )
}

/** The request with no more room for its answer than answers need, if that is less than it came with. */
const fit = (request: LlmRequest, mostOutput: number | undefined): LlmRequest | undefined => {
  if (mostOutput === undefined) return undefined
  const maxTokens = Math.max(16, Math.ceil(mostOutput * 1.5))
  const { parameters } = request
  return parameters.maxTokens !== undefined && parameters.maxTokens <= maxTokens
    ? undefined
    : { ...request, parameters: { ...parameters, maxTokens } }
}
