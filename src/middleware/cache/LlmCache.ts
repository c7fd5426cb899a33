/**
 * A cache of completions. A request that was answered before is answered from the cache, and equal requests that are in
 * flight at the same time are sent once.
 *
 * The cache keeps the completion as the provider gave it. Each use decodes it through the schema again, so a check that
 * was added later applies to cached answers, too.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as Path from "effect/Path"
import type * as Persistence from "effect/persistence/Persistence"
import type { PlatformError } from "effect/PlatformError"
import * as Stream from "effect/Stream"
import { atLeast } from "../../internal/checkOption.ts"
import { completionParts } from "../../llm/completionParts.ts"
import { Llm } from "../../llm/Llm.ts"
import type { LlmError } from "../../llm/LlmError.ts"
import { CurrentCacheControl } from "./CacheControl.ts"
import * as Answers from "./internal/answers.ts"
import * as CacheKey from "./internal/cacheKey.ts"
import * as CacheStore from "./internal/cacheStore.ts"
import * as Files from "./internal/files.ts"
import { count, type Counts, makeCounts } from "./internal/metrics.ts"
import * as SharedRequests from "./internal/sharedRequests.ts"

export {
  /** @since 0.1.0 */
  metrics
} from "./internal/metrics.ts"

/**
 * The options of a cache.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<R = never> {
  /**
   * The store in which answers outlive the process and are shared with other processes: files (`layerStoreFiles`),
   * SQLite (`NodeLlmCache.layerSqlite`), or any `BackingPersistence` of Effect, such as
   * `Persistence.layerBackingRedis`. By default answers are kept in memory only. A store that fails costs a warning and
   * a cache miss.
   */
  readonly store?: Layer.Layer<Persistence.BackingPersistence, unknown, R> | undefined
  /**
   * Separates the answers of this cache from others in the same store.
   *
   * @default "default"
   */
  readonly namespace?: string | undefined
  /**
   * Answers that were stored under another version are stale: they are requested again, and replaced.
   *
   * @default ""
   */
  readonly version?: string | undefined
  /** How long answers stay valid. By default they never expire. */
  readonly timeToLive?: Duration.Input | undefined
  /**
   * The number of answers kept in memory. The least recently used one is evicted first.
   *
   * @default 10_000
   */
  readonly capacity?: number | undefined
  /**
   * Whether to keep refusals, and answers that a content filter stopped.
   *
   * @default false
   */
  readonly keepRefusals?: boolean | undefined
  /**
   * Whether to keep answers that were cut off at the token limit.
   *
   * @default false
   */
  readonly keepTruncated?: boolean | undefined
  /**
   * The longest time that an operation of the store may take.
   *
   * @default "2 seconds"
   */
  readonly storeTimeout?: Duration.Input | undefined
}

/**
 * The counts of a cache since its layer was built.
 *
 * @category models
 * @since 0.1.0
 */
export interface Snapshot {
  /** Requests answered by an answer that was kept. */
  readonly hits: number
  /** Requests answered by an equal one that was in flight. */
  readonly shared: number
  /** Requests sent to the provider. */
  readonly misses: number
  /** Misses for which there was an answer of another version, or one that had expired. */
  readonly stale: number
  /** Operations of the store that failed. */
  readonly storeFailures: number
}

/**
 * The cache as a service, for code that reports on it.
 *
 * @category services
 * @since 0.1.0
 */
export class LlmCache extends Context.Service<LlmCache, {
  readonly snapshot: Effect.Effect<Snapshot>
}>()("effect-instructor/middleware/cache/LlmCache") {}

/**
 * The counts of the cache since its layer was built.
 *
 * **Example** (Hits and misses)
 *
 * ```ts
 * import { Effect, Layer, Schema } from "effect"
 * import { Extraction, LlmCache } from "effect-instructor"
 * import { MockLlm } from "effect-instructor/testing"
 *
 * const name = Schema.Struct({ name: Schema.String })
 *
 * const program = Effect.gen(function*() {
 *   yield* Extraction.extract(name, "I am Ada")
 *   yield* Extraction.extract(name, "I am Ada")
 *   const { hits, misses } = yield* LlmCache.snapshot
 *   return [hits, misses]
 * }).pipe(Effect.provide(LlmCache.layer().pipe(Layer.provide(MockLlm.layer([{ name: "Ada" }])))))
 *
 * await Effect.runPromise(program) // => [1, 1]
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const snapshot: Effect.Effect<Snapshot, never, LlmCache> = Effect.flatMap(LlmCache, (cache) => cache.snapshot)

/**
 * Puts a cache in front of a provider. Requests are equal when everything in them is: provider and base URL, model,
 * messages, schema, mode and parameters. Errors are never kept, and answers that led to `InvalidOutput` are removed.
 *
 * The order of middleware: the cache in front of the governor, the governor in front of the budget, the budget in front
 * of the provider. `Llm.stack` arranges it.
 *
 * **Example** (The second request is free)
 *
 * ```ts
 * import { Effect, Layer, Schema } from "effect"
 * import { Extraction, LlmCache } from "effect-instructor"
 * import { MockLlm } from "effect-instructor/testing"
 *
 * const name = Schema.Struct({ name: Schema.String })
 *
 * const program = Effect.gen(function*() {
 *   const first = yield* Extraction.extractDetailed(name, "I am Ada")
 *   const second = yield* Extraction.extractDetailed(name, "I am Ada")
 *   return [first.usage.outputTokens > 0, second.usage.outputTokens, (yield* MockLlm.requests).length]
 * }).pipe(Effect.provide(LlmCache.layer().pipe(Layer.provideMerge(MockLlm.layer([{ name: "Ada" }])))))
 *
 * await Effect.runPromise(program) // => [true, 0, 1]
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <R = never>(options?: Options<R>): Layer.Layer<Llm | LlmCache, never, Llm | R> =>
  Layer.effectContext(Effect.gen(function*() {
    yield* atLeast(0, "LlmCache: capacity", options?.capacity)
    const provider = yield* Llm
    const counts = makeCounts()
    const timeToLive = options?.timeToLive === undefined ? undefined : Duration.fromInputUnsafe(options.timeToLive)
    const store = options?.store === undefined ? undefined : yield* CacheStore.open({
      layer: options.store,
      namespace: options.namespace ?? "default",
      timeToLive,
      timeout: Duration.fromInputUnsafe(options.storeTimeout ?? "2 seconds"),
      onFailure: () => counts.storeFailures++
    })
    const answers = Answers.make({
      counts,
      store,
      version: options?.version ?? "",
      maxAgeMillis: timeToLive === undefined ? Infinity : Duration.toMillis(timeToLive),
      capacity: options?.capacity ?? 10_000,
      keepRefusals: options?.keepRefusals ?? false,
      keepTruncated: options?.keepTruncated ?? false
    })
    return Context.make(Llm, make(provider, answers, counts)).pipe(
      Context.add(LlmCache, LlmCache.of({ snapshot: Effect.sync(() => ({ ...counts })) }))
    )
  }))

/**
 * A store for `layer` that keeps a file for each answer, in a directory that processes may share. Files are private to
 * the user, and written in a way that a process can end at any time without leaving half of one. The directory is made
 * if it does not exist.
 *
 * **Example** (Answers that outlive the process)
 *
 * ```ts
 * import { NodeServices } from "@effect/platform-node"
 * import { Layer } from "effect"
 * import { LlmCache } from "effect-instructor"
 * import { OpenAi } from "effect-instructor/openai"
 *
 * export const Llm = LlmCache.layer({
 *   store: LlmCache.layerStoreFiles({ directory: ".cache/answers" }).pipe(Layer.provide(NodeServices.layer))
 * }).pipe(Layer.provide(OpenAi.layerConfig()))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerStoreFiles: (options: {
  readonly directory: string
}) => Layer.Layer<Persistence.BackingPersistence, PlatformError, FileSystem.FileSystem | Path.Path> = Files.layer

const make = (provider: Llm["Service"], answers: Answers.Answers, counts: Counts): Llm["Service"] => {
  const sent = Effect.withFiber((fiber) => {
    count(counts, "misses", fiber.context)
    return Effect.void
  })
  const keep = (key: string, answer: SharedRequests.Answer): Effect.Effect<SharedRequests.Answer> =>
    answer === undefined ? Effect.undefined : Effect.as(answers.keep(key, answer), answer)

  const resolve = (
    key: string,
    send: Effect.Effect<SharedRequests.Answer, LlmError>
  ): Effect.Effect<SharedRequests.Answer, LlmError> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.filterOrElse(
        restore(answers.fromStore(key)),
        (found) => found !== undefined,
        // Once there is an answer, it is kept, whether or not anyone still waits for it.
        () => Effect.flatMap(Effect.andThen(sent, restore(send)), (answer) => keep(key, answer))
      )
    )

  const shared = SharedRequests.make({
    resolve,
    onShared: (fiber) => count(counts, "shared", fiber.context)
  })

  return Llm.of({
    ...provider,
    complete: (request) =>
      Effect.withFiber((fiber) => {
        const control = fiber.getRef(CurrentCacheControl)
        if (!control.enabled) return provider.complete(request)
        const key = CacheKey.make(provider, request)
        const found = answers.fromMemory(key, fiber)
        control.onAnswer(answers.forget(key))
        return found === undefined
          ? SharedRequests.complete(shared, key, provider.complete(request))
          : Effect.succeed(found)
      }),
    stream: (request) =>
      Stream.unwrap(Effect.withFiber((fiber) => {
        const control = fiber.getRef(CurrentCacheControl)
        if (!control.enabled) return Effect.succeed(provider.stream(request))
        const key = CacheKey.make(provider, request)
        const found = answers.fromMemory(key, fiber)
        control.onAnswer(answers.forget(key))
        return found === undefined
          ? SharedRequests.stream(shared, key, provider.stream(request))
          : Effect.succeed(Stream.fromIterable(completionParts(found)))
      }))
  })
}
