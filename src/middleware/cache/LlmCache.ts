/**
 * Answers a request that was answered before, without asking again. Equal requests at the same time are sent once.
 *
 * What is kept is the completion as it came. It is decoded through the Schema whenever it is used, so a check that has
 * changed since is never passed by.
 *
 * @since 0.1.0
 */
import type * as AiError from "effect/ai/AiError"
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import type * as Persistence from "effect/persistence/Persistence"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import * as Struct from "effect/Struct"
import type { Completion, CompletionPart } from "../../llm/Completion.ts"
import { type CacheControl, CurrentCacheControl } from "./CacheControl.ts"
import * as CacheKey from "./internal/cacheKey.ts"
import * as CacheStore from "./internal/cacheStore.ts"
import * as LruMap from "../../internal/lruMap.ts"
import { Llm, toParts } from "../../llm/Llm.ts"
import type { LlmRequest } from "../../llm/LlmRequest.ts"
import * as Usage from "../../llm/Usage.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options<R = never> {
  /**
   * Where answers outlive the process and are shared with others: files (`LlmCacheFiles.layer`), SQLite
   * (`NodeLlmCache.layerSqlite`), or any `BackingPersistence` of Effect's, such as `Persistence.layerBackingRedis`. By
   * default they are kept in memory only. A store that fails is a cache that misses, and a warning.
   */
  readonly store?: Layer.Layer<Persistence.BackingPersistence, unknown, R> | undefined
  /**
   * Keeps the answers of this cache apart from others in the same store.
   *
   * @default "default"
   */
  readonly namespace?: string | undefined
  /**
   * Answers kept under another version are stale: asked for again, and replaced.
   *
   * @default ""
   */
  readonly version?: string | undefined
  /** How long an answer is good for. For ever, by default. */
  readonly timeToLive?: Duration.Input | undefined
  /**
   * How many answers are kept in memory, the ones used last. They are found there before the store is asked.
   *
   * @default 10_000
   */
  readonly capacity?: number | undefined
  /**
   * Whether refusals, and answers a content filter has stopped, are kept.
   *
   * @default false
   */
  readonly keepRefusals?: boolean | undefined
  /**
   * Whether answers that were cut off at the token limit are kept.
   *
   * @default false
   */
  readonly keepTruncated?: boolean | undefined
  /**
   * How long the store may take for an answer.
   *
   * @default "2 seconds"
   */
  readonly storeTimeout?: Duration.Input | undefined
}

/**
 * What a cache was asked, and what it had.
 *
 * @category models
 * @since 0.1.0
 */
export interface Stats {
  /** Requests answered by an answer that was kept. */
  readonly hits: number
  /** Requests answered by an equal one that was under way. */
  readonly shared: number
  /** Requests sent. */
  readonly misses: number
  /** Those of the misses that had an answer, but of another version, or too old. */
  readonly stale: number
  /** Operations of the store that failed. */
  readonly storeFailures: number
}

/**
 * @category services
 * @since 0.1.0
 */
export class LlmCache extends Context.Service<LlmCache, {
  /** The counts since the layer was built. */
  readonly stats: Effect.Effect<Stats>
}>()("effect-instructor/llm/LlmCache") {}

/**
 * Counts what caches are asked, by `outcome`: `hit`, `shared`, `miss`, `stale`.
 *
 * @category metrics
 * @since 0.1.0
 */
export const lookups: Metric.Counter<number> = Metric.counter("effect_instructor_llm_cache_lookups", {
  description: "Requests that came to a cache, by outcome",
  incremental: true
})

const hitMetric = Metric.withAttributes(lookups, { outcome: "hit" })
const sharedMetric = Metric.withAttributes(lookups, { outcome: "shared" })
const missMetric = Metric.withAttributes(lookups, { outcome: "miss" })
const staleMetric = Metric.withAttributes(lookups, { outcome: "stale" })

/**
 * Puts a cache in front of a provider. Requests are equal when all of what they say is: model, messages, schema, mode
 * and parameters. Errors are never kept, and answers that led to `InvalidOutput` are forgotten.
 *
 * **Example** (The second time is free)
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
    const provider = yield* Llm
    const stats = { hits: 0, shared: 0, misses: 0, stale: 0, storeFailures: 0 }
    const timeToLive = options?.timeToLive === undefined ? undefined : Duration.fromInputUnsafe(options.timeToLive)
    const store = options?.store === undefined ? undefined : yield* CacheStore.open({
      layer: options.store,
      namespace: options.namespace ?? "default",
      timeToLive,
      timeout: Duration.fromInputUnsafe(options.storeTimeout ?? "2 seconds"),
      onFailure: () => stats.storeFailures++
    })
    const llm = make(provider, {
      stats,
      store,
      version: options?.version ?? "",
      maxAgeMillis: timeToLive === undefined ? Infinity : Duration.toMillis(timeToLive),
      capacity: options?.capacity ?? 10_000,
      keepRefusals: options?.keepRefusals ?? false,
      keepTruncated: options?.keepTruncated ?? false
    })
    return Context.make(Llm, llm).pipe(
      Context.add(LlmCache, LlmCache.of({ stats: Effect.sync(() => ({ ...stats })) }))
    )
  }))

interface Resolved {
  readonly stats: { -readonly [Key in keyof Stats]: number }
  readonly store: CacheStore.CacheStore | undefined
  readonly version: string
  readonly maxAgeMillis: number
  readonly capacity: number
  readonly keepRefusals: boolean
  readonly keepTruncated: boolean
}

/** What a flight lands with: nothing, if a stream ended without the whole answer. */
type Landed = Completion | undefined

type Consumer = Queue.Queue<CompletionPart, AiError.AiError | Cause.Done>

/** A request under way, and who waits for it. */
interface Flight {
  readonly landed: Deferred.Deferred<Landed, AiError.AiError>
  readonly consumers: Set<Consumer>
  /** What a stream has brought so far, for those who join it late. */
  readonly parts: Array<CompletionPart>
  /** The exit, once it has landed. */
  exit: Exit.Exit<Landed, AiError.AiError> | undefined
  waiting: number
  /** Whether somebody has been told of the usage. It was spent once, so the others used nothing. */
  isBilled: boolean
  fiber: Fiber.Fiber<unknown, unknown> | undefined
}

const make = (provider: Llm["Service"], options: Resolved): Llm["Service"] => {
  const { maxAgeMillis, stats, store, version } = options
  const memory = LruMap.make<CacheStore.Entry>(options.capacity)
  const flights = new Map<string, Flight>()

  const isFresh = (entry: CacheStore.Entry, now: number): boolean =>
    entry.version === version && now - entry.at < maxAgeMillis

  const isKept = ({ finishReason, refusal }: Completion): boolean => {
    if (refusal !== undefined || finishReason === "content-filter") return options.keepRefusals
    return finishReason === "length" ? options.keepTruncated : true
  }

  const forget = (key: string): Effect.Effect<void> =>
    Effect.suspend(() => {
      memory.delete(key)
      return store === undefined ? Effect.void : store.remove(key)
    })

  const fromMemory = (key: string, fiber: Fiber.Fiber<unknown, unknown>): Completion | undefined => {
    const entry = memory.get(key)
    if (entry === undefined) return undefined
    if (!isFresh(entry, fiber.getRef(Clock.Clock).currentTimeMillisUnsafe())) {
      memory.delete(key)
      return undefined
    }
    stats.hits++
    hitMetric.updateUnsafe(1, fiber.context)
    return entry.completion
  }

  const fromStore = Effect.fnUntraced(function*(key: string): Effect.fn.Return<Completion | undefined> {
    const entry = store === undefined ? undefined : yield* store.read(key)
    if (entry === undefined) return undefined
    if (!isFresh(entry, yield* Clock.currentTimeMillis)) {
      stats.stale++
      yield* Metric.update(staleMetric, 1)
      return undefined
    }
    const kept = { ...entry, completion: replayed(entry.completion) }
    memory.set(key, kept)
    stats.hits++
    yield* Metric.update(hitMetric, 1)
    return kept.completion
  })

  /** Once there is an answer, nothing comes between it and the store. */
  const keep = Effect.fnUntraced(function*(key: string, completion: Landed) {
    if (completion === undefined || !isKept(completion)) return
    const entry = { version, at: yield* Clock.currentTimeMillis, completion }
    memory.set(key, { ...entry, completion: replayed(completion) })
    if (store !== undefined) yield* store.write(key, { ...entry, completion: storable(completion) })
  })

  /** Gets an answer from the store, or else from the provider. Runs in a fiber of its own, for whoever waits for it. */
  const fetch = (
    key: string,
    ask: Effect.Effect<Landed, AiError.AiError>
  ): Effect.Effect<Landed, AiError.AiError> =>
    Effect.uninterruptibleMask(Effect.fnUntraced(function*(restore) {
      const found = yield* restore(fromStore(key))
      if (found !== undefined) return found
      stats.misses++
      yield* Metric.update(missMetric, 1)
      const completion = yield* restore(ask)
      yield* keep(key, completion)
      return completion
    }))

  /** Sets off a request, which ends when nobody waits for it any more. */
  const takeOff = (key: string, ask: (flight: Flight) => Effect.Effect<Landed, AiError.AiError>) =>
    Effect.suspend(() => {
      const flight: Flight = {
        landed: Deferred.makeUnsafe(),
        consumers: new Set(),
        parts: [],
        exit: undefined,
        waiting: 0,
        isBilled: false,
        fiber: undefined
      }
      flights.set(key, flight)
      const flying = Effect.onExit(fetch(key, ask(flight)), (exit) => {
        flight.exit = exit
        if (flights.get(key) === flight) flights.delete(key)
        Deferred.doneUnsafe(flight.landed, exit)
        for (const consumer of flight.consumers) land(flight, consumer)
        return Effect.void
      })
      return Effect.map(Effect.forkDetach(flying), (fiber) => {
        flight.fiber = fiber
        return flight
      })
    })

  const board = (key: string, ask: (flight: Flight) => Effect.Effect<Landed, AiError.AiError>) =>
    Effect.suspend(() => {
      const flight = flights.get(key)
      if (flight === undefined) return takeOff(key, ask)
      stats.shared++
      return Effect.as(Metric.update(sharedMetric, 1), flight)
    })

  const leave = (key: string, flight: Flight): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (--flight.waiting > 0 || flight.exit !== undefined || flight.fiber === undefined) return Effect.void
      if (flights.get(key) === flight) flights.delete(key)
      return Fiber.interrupt(flight.fiber)
    })

  /** What one of those who waited gets. */
  const claim = (flight: Flight, completion: Completion): Completion => {
    if (flight.isBilled) return replayed(completion)
    flight.isBilled = true
    return completion
  }

  /** Gives a consumer the end of the answer. */
  const land = (flight: Flight, consumer: Consumer): void => {
    const exit = flight.exit!
    if (Exit.isFailure(exit)) {
      Queue.failCauseUnsafe(consumer, exit.cause)
      return
    }
    if (exit.value !== undefined) {
      const completion = claim(flight, exit.value)
      Queue.offerAllUnsafe(consumer, flight.parts.length > 0 ? [{ _tag: "Finish", completion }] : toParts(completion))
    }
    Queue.endUnsafe(consumer)
  }

  const complete = (request: LlmRequest): Effect.Effect<Completion, AiError.AiError> =>
    Effect.withFiber((fiber) => {
      const control = fiber.getRef(CurrentCacheControl)
      if (!control.enabled) return provider.complete(request)
      const key = CacheKey.make(provider.provider, request)
      const found = fromMemory(key, fiber)
      if (found !== undefined) {
        control.onAnswer(forget(key))
        return Effect.succeed(found)
      }
      return join(key, request, control)
    })

  const join = (
    key: string,
    request: LlmRequest,
    control: CacheControl
  ): Effect.Effect<Completion, AiError.AiError> =>
    Effect.uninterruptibleMask(Effect.fnUntraced(function*(restore) {
      const flight = yield* board(key, () => provider.complete(request))
      flight.waiting++
      const completion = yield* Effect.ensuring(restore(Deferred.await(flight.landed)), leave(key, flight))
      // It was a stream, and it broke off without an error.
      if (completion === undefined) return yield* restore(join(key, request, control))
      control.onAnswer(forget(key))
      return claim(flight, completion)
    }))

  const stream = (request: LlmRequest): Stream.Stream<CompletionPart, AiError.AiError> =>
    Stream.unwrap(Effect.withFiber((fiber) => {
      const control = fiber.getRef(CurrentCacheControl)
      if (!control.enabled) return Effect.succeed(provider.stream(request))
      const key = CacheKey.make(provider.provider, request)
      const found = fromMemory(key, fiber)
      if (found === undefined) return joinStream(key, request, control)
      control.onAnswer(forget(key))
      return Effect.succeed(Stream.fromIterable(toParts(found)))
    }))

  const joinStream = Effect.fnUntraced(function*(key: string, request: LlmRequest, control: CacheControl) {
    const consumer = yield* Queue.unbounded<CompletionPart, AiError.AiError | Cause.Done>()
    yield* Effect.acquireRelease(
      Effect.map(board(key, (flight) => collect(flight, request)), (flight) => {
        flight.waiting++
        flight.consumers.add(consumer)
        Queue.offerAllUnsafe(consumer, flight.parts)
        if (flight.exit !== undefined) land(flight, consumer)
        return flight
      }),
      (flight) => {
        flight.consumers.delete(consumer)
        return leave(key, flight)
      }
    )
    control.onAnswer(forget(key))
    return Stream.fromQueue(consumer)
  })

  /** Hands out the parts of a stream as they come, all but the last, which is there for each of those who wait. */
  const collect = Effect.fnUntraced(function*(flight: Flight, request: LlmRequest) {
    let completion: Landed
    yield* Stream.runForEachArray(provider.stream(request), (parts) =>
      Effect.sync(() => {
        const pieces = parts.filter((part) => part._tag !== "Finish")
        const [last] = parts.slice(-1)
        if (last?._tag === "Finish") completion = last.completion
        flight.parts.push(...pieces)
        // Pieces that arrive together leave together.
        for (const consumer of flight.consumers) Queue.offerAllUnsafe(consumer, pieces)
      }))
    return completion
  })

  return Llm.of({ ...provider, complete, stream })
}

/** What was true of the provider's limits then is not now. */
const storable = (completion: Completion): Completion => Struct.omit(completion, ["rateLimit"])

/** An answer that was there already: it cost nothing again. */
const replayed = (completion: Completion): Completion => ({ ...storable(completion), usage: Usage.zero })
