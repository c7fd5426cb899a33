/** Reserves the most that a request can cost before it is sent, and settles what it did cost. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Completion, CompletionPart } from "../../../llm/Completion.ts"
import type { Llm } from "../../../llm/Llm.ts"
import { BudgetExceededError, LlmError } from "../../../llm/LlmError.ts"
import type { LlmRequest } from "../../../llm/LlmRequest.ts"
import * as Pricing from "../../../llm/Pricing.ts"
import type { RequestMeter } from "../../../llm/RequestMeter.ts"
import type { Usage } from "../../../llm/Usage.ts"
import type { Options } from "../LlmBudget.ts"
import { type Account, type Restore, type Sum, zero } from "./account.ts"
import * as Spending from "./spending.ts"

export const make = (llm: Llm["Service"], account: Account, options: Options): RequestMeter => {
  const isInDollars = options.usd !== undefined

  const refuse = (description: string): Effect.Effect<never, LlmError> =>
    Effect.fail(new LlmError({ provider: llm.provider, reason: new BudgetExceededError({ description }) }))

  const reserve = (request: LlmRequest, restore: Restore): Effect.Effect<Sum, LlmError> =>
    Effect.withFiber((fiber) => {
      const pricing = [fiber.getRef(Pricing.CurrentPricing), llm.pricing]
      const sum = Spending.maximum(request, { isInDollars, pricing })
      if (sum === undefined) return refuse(unknownPrice(request.model))
      return Effect.flatMap(
        account.reserve(sum, restore),
        (isCovered) => isCovered ? Effect.succeed(sum) : refuse(exceeded(options, account.spent(), sum))
      )
    })

  const complete = (
    request: LlmRequest,
    send: Effect.Effect<Completion, LlmError>
  ): Effect.Effect<Completion, LlmError> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(reserve(request, restore), (reserved) =>
        Effect.onExit(restore(send), (exit) => {
          account.settle(
            reserved,
            Exit.isSuccess(exit) ? Spending.ofUsage(reserved, exit.value.usage) : ofFailure(reserved, exit.cause, false)
          )
          return Effect.void
        }))
    )

  const stream = (
    request: LlmRequest,
    send: Stream.Stream<CompletionPart, LlmError>
  ): Stream.Stream<CompletionPart, LlmError> =>
    Stream.unwrap(Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(reserve(request, restore), (reserved) => {
        let hasBegun = false
        let usage: Usage | undefined
        // Unless the stream ends otherwise, it was abandoned.
        let spent = reserved
        const metered = send.pipe(
          Stream.mapArray((parts) => {
            hasBegun = true
            for (const part of parts) if (part._tag === "Finish") usage = part.completion.usage
            return parts
          }),
          Stream.tapCause((cause) => {
            spent = ofFailure(reserved, cause, hasBegun)
            return Effect.void
          })
        )
        return Effect.as(
          Effect.addFinalizer(() => {
            account.settle(reserved, usage === undefined ? spent : Spending.ofUsage(reserved, usage))
            return Effect.void
          }),
          metered
        )
      })
    ))

  return { complete, stream }
}

const ofFailure = (reserved: Sum, cause: Cause.Cause<LlmError>, hasBegun: boolean): Sum => {
  const error = Option.getOrUndefined(Cause.findErrorOption(cause))
  if (error?.usage !== undefined) return Spending.ofUsage(reserved, error.usage)
  return error === undefined || hasBegun || Spending.mayBeBilled(error) ? reserved : zero
}

const unknownPrice = (model: string): string =>
  `The price of ${model} is unknown, so a budget in dollars cannot be kept. ` +
  `Provide its price as Pricing.CurrentPricing, or set a budget in tokens`

const exceeded = ({ tokens, usd }: Options, spent: Sum, next: Sum): string => {
  const inDollars = usd === undefined ? [] : [dollars(usd)]
  const budget = [...inDollars, ...(tokens === undefined ? [] : [`${tokens} tokens`])].join(" and ")
  const nextDollars = usd === undefined ? "" : `${dollars(next.nanoDollars / 1e9)} and `
  return `The budget of ${budget} does not cover the next request: ${dollars(spent.nanoDollars / 1e9)} and ` +
    `${spent.tokens} tokens are spent, and the request may take up to ${nextDollars}${next.tokens} tokens. ` +
    `Raise the budget, or set a lower maxTokens`
}

const dollars = (usd: number): string => `$${Number(usd.toPrecision(3))}`
