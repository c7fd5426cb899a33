/**
 * The one authority over the requests to a provider: rate limits, concurrency, retries and outages. It sends requests as
 * fast as the provider's limits allow, and sends them again after transient failures.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as RateLimiter from "effect/persistence/RateLimiter"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { RateLimitWindow } from "../../llm/Completion.ts"
import { Llm } from "../../llm/Llm.ts"
import type { LlmError } from "../../llm/LlmError.ts"
import * as TokenCount from "../../llm/TokenCount.ts"
import * as Admission from "./internal/admission.ts"
import * as CircuitBreaker from "./internal/circuitBreaker.ts"
import * as Dispatch from "./internal/dispatch.ts"
import * as Govern from "./internal/govern.ts"
import type * as Job from "./internal/job.ts"
import type * as Lane from "./internal/lane.ts"
import * as RateLimits from "./internal/rateLimits.ts"
import type { Options } from "./internal/settings.ts"
import * as Settings from "./internal/settings.ts"
import * as SharedLimits from "./internal/sharedLimits.ts"
import * as SqlStore from "./internal/sqlStore.ts"

export type {
  /** @since 0.1.0 */
  WaitReason
} from "./internal/lane.ts"
export {
  /** @since 0.1.0 */
  metrics
} from "./internal/metrics.ts"
export {
  /** @since 0.1.0 */
  type Options
} from "./internal/settings.ts"

/**
 * The options of a governor that shares its limits with other processes.
 *
 * @category models
 * @since 0.1.0
 */
export interface SharedOptions extends Options {
  /**
   * The name of the limits in the store. Processes with the same key share them.
   *
   * @default "effect-instructor"
   */
  readonly key?: string | undefined
}

/**
 * The state of one of a model's rate limits.
 *
 * @category models
 * @since 0.1.0
 */
export interface LimitSnapshot {
  readonly unit: RateLimitWindow["unit"]
  readonly period: RateLimitWindow["period"]
  readonly limit: number
  /** What the provider should have left of it, where it reports that. */
  readonly remaining: number | undefined
}

/**
 * The state of one model's requests.
 *
 * @category models
 * @since 0.1.0
 */
export interface ModelSnapshot {
  readonly model: string
  /** The limits that are known: those of the options, and those that the provider reported. */
  readonly limits: ReadonlyArray<LimitSnapshot>
  readonly queued: number
}

/**
 * The state of a governor at one moment.
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
  /** How many requests may be in flight. */
  readonly concurrency: number
  /** Why the next request waits, and how long at least, where that is known. */
  readonly waiting: {
    readonly reason: Lane.WaitReason
    readonly wait: Duration.Duration | undefined
  } | undefined
  /** The circuit breaker, and the last failure unless it is closed. */
  readonly circuit: {
    readonly state: "closed" | "open" | "half-open"
    readonly lastError: LlmError | undefined
  }
  readonly models: ReadonlyArray<ModelSnapshot>
}

/**
 * A governor, for programs that show its state. The layers provide it next to the `Llm`.
 *
 * @category services
 * @since 0.1.0
 */
export class LlmGovernor extends Context.Service<LlmGovernor, {
  readonly snapshot: Effect.Effect<Snapshot>
}>()("effect-instructor/middleware/governor/LlmGovernor") {}

/**
 * The current state of the governor. Use it for a status line, or to find out why requests wait.
 *
 * **Example** (A status line)
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
 * Puts a governor in front of a provider. Use it where a provider's own layer has none, or to set its options. Building
 * the layer dies with an `IllegalArgumentError` if an option is invalid.
 *
 * Its place in the order of middleware: the cache in front of the governor, the governor in front of the budget, the
 * budget in front of the provider. Then a cached answer waits for no limit, and the budget counts every retry.
 * `Llm.stack` arranges them.
 *
 * **Example** (Limits of your own, and more retries)
 *
 * ```ts
 * import { Layer, Schedule } from "effect"
 * import { LlmGovernor } from "effect-instructor"
 * import { OpenAi } from "effect-instructor/openai"
 *
 * export const Governed = LlmGovernor.layer({
 *   requestsPerMinute: 500,
 *   tokensPerMinute: 200_000,
 *   retry: Schedule.exponential("1 second").pipe(Schedule.jittered, Schedule.upTo({ times: 8 }))
 * }).pipe(
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
 * Puts a governor in front of a provider that shares its limits with the governors of other processes, through a store
 * of `effect/persistence` such as Redis, or one in a SQL database (`layerStoreSql`). Use it where several processes use one account. While the store does not
 * answer, the governor logs a warning and keeps to the limits on its own. When the provider asks one of them to wait, all of
 * them wait. The clocks of the machines should agree to a
 * fraction of a second.
 *
 * Its place in the order of middleware: the cache in front of the governor, the governor in front of the budget, the
 * budget in front of the provider. `Llm.stack` arranges them.
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

/**
 * A store for `layerShared` in a SQL database, PostgreSQL or SQLite, for programs that have no Redis. Times are those of
 * the database. Its table, `effect_instructor_rate`, is created if it is missing.
 *
 * **Example** (Several processes on one PostgreSQL)
 *
 * ```ts
 * import { PgClient } from "@effect/sql-pg"
 * import { Layer, Redacted } from "effect"
 * import { LlmGovernor } from "effect-instructor"
 * import { OpenAi } from "effect-instructor/openai"
 *
 * const Postgres = PgClient.layer({ url: Redacted.make("postgres://localhost/batches") })
 *
 * export const Governed = LlmGovernor.layerShared({ requestsPerMinute: 5000 }).pipe(
 *   Layer.provide([OpenAi.layerProviderConfig(), LlmGovernor.layerStoreSql.pipe(Layer.provide(Postgres))])
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerStoreSql: Layer.Layer<RateLimiter.RateLimiterStore, SqlError, SqlClient.SqlClient> = Layer.effect(
  RateLimiter.RateLimiterStore,
  Effect.flatMap(SqlClient.SqlClient, SqlStore.make)
)

const make = Effect.fnUntraced(function*(
  options: Options,
  shared: { readonly store: RateLimiter.RateLimiterStore["Service"]; readonly key: string } | undefined
) {
  const provider = yield* Llm
  const settings = Settings.make(options, {
    provider: provider.provider,
    countText: yield* TokenCount.fromContext
  })
  if (Result.isFailure(settings)) return yield* Effect.die(new Cause.IllegalArgumentError(settings.failure))
  const clock = yield* Clock.Clock
  const random = yield* Random.Random
  const fork = yield* FiberSet.makeRuntime<never, void>()
  const dispatch = Dispatch.make(settings.success, {
    clock,
    random,
    fork,
    shared: shared === undefined
      ? undefined
      : SharedLimits.make({ ...shared, now: () => Dispatch.monotonicMillis(clock), fork })
  })
  yield* Effect.addFinalizer(() => Effect.sync(() => Admission.close(dispatch)))
  return Context.make(Llm, Govern.make(provider, dispatch)).pipe(
    Context.add(LlmGovernor, LlmGovernor.of({ snapshot: Effect.sync(() => toSnapshot(dispatch)) }))
  )
})

const toSnapshot = (self: Dispatch.Dispatch): Snapshot => {
  const at = Dispatch.now(self)
  const blocked = self.laneList.find(({ queue }) => queue.size > 0)?.blocked
  return {
    inFlight: self.inFlight,
    queued: self.queued,
    admitted: self.admitted,
    rateLimited: self.rateLimited,
    concurrency: Math.floor(self.window.size),
    waiting: blocked === undefined ? undefined : {
      reason: blocked.reason,
      wait: blocked.until === undefined ? undefined : Duration.millis(Math.max(0, blocked.until - at))
    },
    circuit: { state: CircuitBreaker.state(self.circuit, at), lastError: self.circuit.trouble?.error },
    models: self.laneList.map((lane) => toModelSnapshot(lane, at))
  }
}

const toModelSnapshot = (lane: Lane.Lane<Job.Job>, at: number): ModelSnapshot => ({
  model: lane.model,
  limits: RateLimits.known(lane.limits, at),
  queued: lane.queue.size
})
