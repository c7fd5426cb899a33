/**
 * Spends no more than it is given. A request is sent once the most it can cost is set aside, and what it did cost is
 * taken off when it is done.
 *
 * @since 0.1.0
 */
import type * as AiError from "effect/ai/AiError"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { memoize } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import type { Completion, CompletionPart } from "../../llm/Completion.ts"
import * as BudgetError from "../../llm/internal/budgetError.ts"
import * as TokenBounds from "../../llm/TokenBounds.ts"
import { Llm } from "../../llm/Llm.ts"
import type { LlmRequest, Parameters } from "../../llm/LlmRequest.ts"
import * as Pricing from "../../llm/Pricing.ts"
import * as Usage from "../../llm/Usage.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The most that may be spent, in US dollars. Models without a known price are not asked then. */
  readonly usd?: number | undefined
  /** The most tokens that may be used, input and output together. */
  readonly tokens?: number | undefined
  /**
   * The `maxTokens` of requests that have none of their own. Without a bound on the answer there is none on its cost.
   * So much is set aside for each request under way: the nearer it is to what answers take, the more of them may be.
   *
   * @default 16_384
   */
  readonly maxOutputTokens?: number | undefined
}

/**
 * An amount, of dollars and of tokens.
 *
 * @category models
 * @since 0.1.0
 */
export interface Amount {
  readonly usd: number
  readonly tokens: number
}

/**
 * @category services
 * @since 0.1.0
 */
export class LlmBudget extends Context.Service<LlmBudget, {
  /** What has been spent since the layer was built, and what is set aside for the requests under way. */
  readonly status: Effect.Effect<{ readonly spent: Amount; readonly reserved: Amount }>
}>()("effect-instructor/llm/LlmBudget") {}

/**
 * Puts a budget in front of a provider, for as long as the layer lives. A request that does not fit waits for those
 * under way to give back what they did not need; one that does not fit even then fails with `BudgetExceeded`.
 *
 * The provider is taken at its word about usage. Where it gives none, because the request was abandoned or the
 * connection broke, what was set aside counts as spent: the provider may well bill it.
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
  Layer.effectContext(Effect.map(Llm, (provider) => {
    const account = makeAccount({
      nano: options.usd === undefined ? Infinity : Math.floor(options.usd * 1e9),
      tokens: options.tokens ?? Infinity
    })
    const status = Effect.sync(() => ({ spent: toAmount(account.spent()), reserved: toAmount(account.reserved()) }))
    return Context.make(Llm, make(provider, account, options)).pipe(Context.add(LlmBudget, LlmBudget.of({ status })))
  }))

/** Dollars are counted in whole billionths, rounded up: sums of them are exact. */
const toNano = (usd: number): number => Math.ceil(usd * 1e9)

interface Sum {
  readonly nano: number
  readonly tokens: number
}

const nothing: Sum = { nano: 0, tokens: 0 }

const plus = (a: Sum, b: Sum): Sum => ({ nano: a.nano + b.nano, tokens: a.tokens + b.tokens })

const minus = (a: Sum, b: Sum): Sum => ({ nano: a.nano - b.nano, tokens: a.tokens - b.tokens })

const toAmount = ({ nano, tokens }: Sum): Amount => ({ usd: nano / 1e9, tokens })

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

interface Account {
  readonly spent: () => Sum
  readonly reserved: () => Sum
  /** Sets a sum aside, or tells that there is not so much. To be called where nothing interrupts but in `restore`. */
  readonly reserve: (sum: Sum, restore: Restore) => Effect.Effect<boolean>
  readonly settle: (reserved: Sum, spent: Sum) => void
}

const makeAccount = (budget: Sum): Account => {
  const queue: Array<{ readonly sum: Sum; readonly admitted: Deferred.Deferred<boolean> }> = []
  let spent = nothing
  let reserved = nothing
  let underWay = 0

  const fits = (sum: Sum): boolean => {
    const { nano, tokens } = plus(plus(spent, reserved), sum)
    return nano <= budget.nano && tokens <= budget.tokens
  }

  /** In the order they came. What does not fit waits for as long as others may give something back. */
  const admit = (): void => {
    while (queue.length > 0) {
      const { admitted, sum } = queue[0]!
      const isEnough = fits(sum)
      if (!isEnough && underWay > 0) return
      queue.shift()
      if (isEnough) {
        reserved = plus(reserved, sum)
        underWay++
      }
      Deferred.doneUnsafe(admitted, Exit.succeed(isEnough))
    }
  }

  const settle = (sum: Sum, cost: Sum): void => {
    reserved = minus(reserved, sum)
    underWay--
    spent = plus(spent, cost)
    admit()
  }

  return {
    spent: () => spent,
    reserved: () => reserved,
    reserve: (sum, restore) =>
      Effect.suspend(() => {
        const waiting = { sum, admitted: Deferred.makeUnsafe<boolean>() }
        queue.push(waiting)
        admit()
        return Effect.onInterrupt(restore(Deferred.await(waiting.admitted)), () =>
          Effect.sync(() => {
            const position = queue.indexOf(waiting)
            if (position < 0) return settle(sum, nothing)
            queue.splice(position, 1)
            admit()
          }))
      }),
    settle
  }
}

const make = (provider: Llm["Service"], account: Account, options: Options): Llm["Service"] => {
  const isInDollars = options.usd !== undefined
  const maxOutputTokens = options.maxOutputTokens ?? 16_384

  const boundedParameters = memoize((parameters: Parameters): Parameters => ({
    ...parameters,
    maxTokens: maxOutputTokens
  }))

  const bounded = (request: LlmRequest): LlmRequest =>
    request.parameters.maxTokens === undefined
      ? { ...request, parameters: boundedParameters(request.parameters) }
      : request

  /** The most a request can cost, or in words why nobody knows. */
  const mostOf = ({ model, parameters }: LlmRequest, inputTokens: number, pricing: Pricing.Pricing): Sum | string => {
    const outputTokens = parameters.maxTokens!
    const tokens = inputTokens + outputTokens
    if (!isInDollars) return { nano: 0, tokens }
    const price = Pricing.priceOf(pricing, model)
    const usd = price && Pricing.mostFor(price, { inputTokens, outputTokens }, parameters.serviceTier)
    return usd === undefined
      ? `The price of ${model} is not known, so a budget in dollars cannot hold. ` +
        `Tell Pricing.CurrentPricing its price, or set a budget in tokens`
      : { nano: toNano(usd), tokens }
  }

  const reserve = Effect.fnUntraced(function*(method: string, request: LlmRequest, restore: Restore) {
    const most = mostOf(request, TokenBounds.most(request), yield* Pricing.CurrentPricing)
    if (Predicate.isString(most)) return yield* BudgetError.make(method, most)
    if (yield* account.reserve(most, restore)) return most
    return yield* BudgetError.make(method, exceeded(options, account.spent(), most))
  })

  /** What a request came to that ended with this usage. */
  const costOf = (reserved: Sum, { unpriced, unreported, usd, ...usage }: Usage.Usage): Sum => ({
    nano: isInDollars && unpriced > 0 ? reserved.nano : toNano(usd),
    tokens: unreported > 0 ? reserved.tokens : Usage.totalTokens(usage)
  })

  const complete = (request: LlmRequest): Effect.Effect<Completion, AiError.AiError> =>
    Effect.uninterruptibleMask(Effect.fnUntraced(function*(restore) {
      const sent = bounded(request)
      const reserved = yield* reserve("complete", sent, restore)
      return yield* Effect.onExit(restore(provider.complete(sent)), (exit) => {
        const cost = Exit.isSuccess(exit)
          ? costOf(reserved, exit.value.usage)
          : isRefused(exit.cause)
          ? nothing
          : reserved
        account.settle(reserved, cost)
        return Effect.void
      })
    }))

  const stream = (request: LlmRequest): Stream.Stream<CompletionPart, AiError.AiError> =>
    Stream.unwrap(Effect.uninterruptibleMask(Effect.fnUntraced(function*(restore) {
      const sent = bounded(request)
      const reserved = yield* reserve("stream", sent, restore)
      let begun = false
      let usage: Usage.Usage | undefined
      let refused = false
      yield* Effect.addFinalizer(() => {
        account.settle(reserved, usage !== undefined ? costOf(reserved, usage) : refused ? nothing : reserved)
        return Effect.void
      })
      return provider.stream(sent).pipe(
        Stream.mapArray((parts) => {
          begun = true
          for (const part of parts) if (part._tag === "Finish") usage = part.completion.usage
          return parts
        }),
        Stream.tapCause((cause) => {
          refused = !begun && isRefused(cause)
          return Effect.void
        })
      )
    })))

  return Llm.of({ ...provider, complete, stream })
}

/** Whether the provider answered that it did nothing, for which it bills nothing. */
const isRefused = (cause: Cause.Cause<AiError.AiError>): boolean =>
  Option.match(Cause.findErrorOption(cause), {
    onNone: () => false,
    onSome: ({ reason }) => {
      switch (reason._tag) {
        case "NetworkError":
          return reason.reason !== "TransportError"
        case "RateLimitError":
        case "QuotaExhaustedError":
        case "AuthenticationError":
        case "ContentPolicyError":
        case "InvalidRequestError":
        case "InvalidUserInputError":
        case "UnsupportedSchemaError":
        case "InternalProviderError":
          return true
        default:
          return false
      }
    }
  })

const exceeded = ({ tokens, usd }: Options, spent: Sum, most: Sum): string => {
  const budget = [usd === undefined ? "" : dollars(usd), tokens === undefined ? "" : `${tokens} tokens`]
    .filter((text) => text !== "").join(" and ")
  return `The budget of ${budget} is used up: ${
    dollars(spent.nano / 1e9)
  } and ${spent.tokens} tokens are spent, and the ` +
    `next request may take ${
      usd === undefined ? "" : `up to ${dollars(most.nano / 1e9)} and `
    }${most.tokens} tokens. ` +
    `Go on with a larger budget, or set a lower maxTokens`
}

const dollars = (usd: number): string => `$${Number(usd.toPrecision(3))}`
