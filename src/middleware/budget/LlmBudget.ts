/**
 * A limit on the cost of requests, in dollars or tokens. A request is sent only when the budget covers the most that it
 * can cost; afterwards what it did cost is deducted.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { memoize } from "effect/Function"
import * as Layer from "effect/Layer"
import * as RateLimiter from "effect/persistence/RateLimiter"
import * as Stream from "effect/Stream"
import { atLeast } from "../../internal/checkOption.ts"
import { Llm } from "../../llm/Llm.ts"
import type { LlmRequest, Parameters } from "../../llm/LlmRequest.ts"
import { CurrentRequestMeter, isMetered, metered, type RequestMeter } from "../../llm/RequestMeter.ts"
import * as Account from "./internal/account.ts"
import * as Meter from "./internal/meter.ts"
import * as SharedAccount from "./internal/sharedAccount.ts"

/**
 * The limits of a budget. With both, a request must fit both.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The most that may be spent, in US dollars. Requests to models without a known price fail. */
  readonly usd?: number | undefined
  /** The most tokens that may be used, input and output together. */
  readonly tokens?: number | undefined
  /**
   * The `maxTokens` of requests that have none, because the cost of an unlimited answer is unlimited. This much is
   * reserved for each request in flight: the closer it is to the length of typical answers, the more of them fit.
   *
   * @default 16_384
   */
  readonly maxOutputTokens?: number | undefined
}

/**
 * An amount in US dollars and in tokens.
 *
 * @category models
 * @since 0.1.0
 */
export interface Amount {
  readonly usd: number
  readonly tokens: number
}

/**
 * The state of a budget: what was spent since its layer was built, and what is reserved for requests in flight.
 *
 * @category models
 * @since 0.1.0
 */
export interface Snapshot {
  readonly spent: Amount
  readonly reserved: Amount
}

/**
 * The budget as a service, for code that reports on it.
 *
 * @category services
 * @since 0.1.0
 */
export class LlmBudget extends Context.Service<LlmBudget, {
  readonly snapshot: Effect.Effect<Snapshot>
}>()("effect-instructor/middleware/budget/LlmBudget") {}

/**
 * The state of the budget.
 *
 * **Example** (Tokens spent)
 *
 * ```ts
 * import { Effect, Layer, Schema } from "effect"
 * import { Extraction, LlmBudget } from "effect-instructor"
 * import { MockLlm, Reply } from "effect-instructor/testing"
 *
 * const program = Effect.gen(function*() {
 *   yield* Extraction.extract(Schema.Struct({ name: Schema.String }), "I am Ada")
 *   return (yield* LlmBudget.snapshot).spent.tokens
 * }).pipe(Effect.provide(LlmBudget.layer({ tokens: 50_000 }).pipe(
 *   Layer.provide(MockLlm.layer([Reply.withUsage({ name: "Ada" }, { inputTokens: 80, outputTokens: 20 })]))
 * )))
 *
 * await Effect.runPromise(program) // => 100
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const snapshot: Effect.Effect<Snapshot, never, LlmBudget> = Effect.flatMap(
  LlmBudget,
  (budget) => budget.snapshot
)

/**
 * Puts a budget in front of a provider, for the lifetime of the layer. A request that does not fit waits while requests
 * in flight may cost less than was reserved for them; if it still does not fit, it fails with `BudgetExceededError`.
 *
 * Every request sent is settled by itself, the retries of a governor included. Its cost is the usage that the provider
 * reports. Where there is none, because the request was abandoned or its connection broke, the whole reservation counts
 * as spent: the provider may bill it. A request that still waits in a governor reserves nothing.
 *
 * The order of middleware: the cache in front of the governor, the governor in front of the budget, the budget in front
 * of the provider. `Llm.stack` arranges it. A budget in front of a governor, such as that of `OpenAi.layer`, counts the
 * same requests.
 *
 * **Example** (A bounded batch)
 *
 * ```ts
 * import { Effect, Layer, Schema } from "effect"
 * import { Batch, LlmBudget } from "effect-instructor"
 * import { MockLlm, Reply } from "effect-instructor/testing"
 *
 * const answer = Reply.withUsage({ name: "Ada" }, { inputTokens: 100, outputTokens: 100 })
 *
 * const program = Batch.results(Schema.Struct({ name: Schema.String }), ["one", "two", "three"]).pipe(
 *   Effect.map((results) => results.map((result) => result._tag === "Success" ? "done" : result.failure.reason._tag)),
 *   Effect.provide(LlmBudget.layer({ tokens: 2000, maxOutputTokens: 900 }).pipe(
 *     Layer.provide(MockLlm.layer(() => answer))
 *   ))
 * )
 *
 * await Effect.runPromise(program) // => ["done", "done", "done"]
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<Llm | LlmBudget, never, Llm> =>
  Layer.effectContext(Effect.suspend(() => provide(options, (budget) => Effect.succeed(Account.make(budget)))))

/**
 * The options of a budget that several processes share.
 *
 * @category models
 * @since 0.1.0
 */
export interface SharedOptions extends Options {
  /**
   * The name of the budget in the store. Processes with the same key share it, and a new key is a new budget: what was
   * spent under a key stays spent.
   */
  readonly key: string
}

/**
 * Like `layer`, with one budget for several processes, in a store of `effect/persistence` such as Redis, or in a SQL
 * database (`LlmGovernor.layerStoreSql`). Together they never spend more than the budget.
 *
 * A process takes the amounts of several requests at once, and gives back what is left when its layer is released. What a
 * process holds when it is killed counts as spent. A store that does not answer for a minute counts as empty. The snapshot
 * shows what this process has spent.
 *
 * **Example** (One budget for all workers)
 *
 * ```ts
 * import { NodeRedis } from "@effect/platform-node"
 * import { Layer } from "effect"
 * import { LlmBudget } from "effect-instructor"
 * import { OpenAi } from "effect-instructor/openai"
 * import { RateLimiter } from "effect/persistence"
 *
 * export const Bounded = LlmBudget.layerShared({ key: "people-2026-11", usd: 500 }).pipe(
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
  options: SharedOptions
): Layer.Layer<Llm | LlmBudget, never, Llm | RateLimiter.RateLimiterStore> =>
  Layer.effectContext(
    Effect.flatMap(RateLimiter.RateLimiterStore, (store) =>
      provide(options, (budget) => SharedAccount.make(store, options.key, budget)))
  )

const provide = <R>(
  options: Options,
  makeAccount: (budget: Account.Sum) => Effect.Effect<Account.Account, never, R>
): Effect.Effect<Context.Context<Llm | LlmBudget>, never, Llm | R> =>
  Effect.gen(function*() {
    yield* atLeast(0, "LlmBudget: usd", options.usd)
    yield* atLeast(0, "LlmBudget: tokens", options.tokens)
    yield* atLeast(1, "LlmBudget: maxOutputTokens", options.maxOutputTokens)
    const provider = yield* Llm
    const account = yield* makeAccount({
      nanoDollars: options.usd === undefined ? Infinity : Math.floor(options.usd * 1e9),
      tokens: options.tokens ?? Infinity
    })
    const snapshot = Effect.sync(() => ({
      spent: toAmount(account.spent()),
      reserved: toAmount(account.reserved())
    }))
    return Context.make(Llm, make(provider, account, options)).pipe(
      Context.add(LlmBudget, LlmBudget.of({ snapshot }))
    )
  })

const toAmount = ({ nanoDollars, tokens }: Account.Sum): Amount => ({ usd: nanoDollars / 1e9, tokens })

const make = (provider: Llm["Service"], account: Account.Account, options: Options): Llm["Service"] => {
  const maxTokens = options.maxOutputTokens ?? 16_384
  const meter = Meter.make(provider, account, options)
  // A service that was not made by `Llm.make` applies no meter, so it is metered as a whole.
  const sender = isMetered(provider) ? provider : metered(provider)

  const limit = memoize((parameters: Parameters): Parameters => ({ ...parameters, maxTokens }))
  const limited = (request: LlmRequest): LlmRequest =>
    request.parameters.maxTokens === undefined
      ? { ...request, parameters: limit(request.parameters) }
      : request

  return Llm.of({
    ...sender,
    complete: (request) =>
      Effect.withFiber((fiber) =>
        Effect.provideService(
          sender.complete(limited(request)),
          CurrentRequestMeter,
          inside(fiber.getRef(CurrentRequestMeter), meter)
        )
      ),
    stream: (request) =>
      Stream.unwrap(
        Effect.map(CurrentRequestMeter, (outer) =>
          Stream.provideService(sender.stream(limited(request)), CurrentRequestMeter, inside(outer, meter)))
      )
  })
}

/** A budget behind another one: a request has to fit both. */
const inside = (outer: RequestMeter | undefined, inner: RequestMeter): RequestMeter =>
  outer === undefined ? inner : {
    complete: (request, send) => outer.complete(request, inner.complete(request, send)),
    stream: (request, send) => outer.stream(request, inner.stream(request, send))
  }
