import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Layer, Schedule } from "effect"
import { LlmGovernor } from "effect-instructor"
import { MockLlm } from "effect-instructor/testing"
import { RateLimiter } from "effect/persistence"
import { completion, governed, numbers, provider, request } from "./support.ts"

const mock = MockLlm.layer([])

const invalid: ReadonlyArray<readonly [keyof LlmGovernor.Options, unknown]> = [
  ...(["requestsPerMinute", "tokensPerMinute"] as const).flatMap((option) =>
    [0, -5, NaN, -Infinity, "500", null].map((value) => [option, value] as const)
  ),
  ...[0, -1, NaN, 2.5, "many", null].map((value) => ["concurrency", value] as const),
  ...(["maxServerDelay", "giveUpAfter"] as const).flatMap((option) =>
    [-1, NaN, "-5 seconds", "soon"].map((value) => [option, value] as const)
  ),
  ...[0, -1, NaN, 2.5, "10"].map((value) => ["failureThreshold", value] as const),
  ["countTokens", 4],
  ["retry", 5],
  ["retry", "1 second"],
  ["adaptiveMaxTokens", "yes"]
]

describe("LlmGovernor.Options", () => {
  for (const [option, value] of invalid) {
    it.effect(`rejects ${option}: ${typeof value === "string" ? `"${value}"` : String(value)}`, () =>
      Effect.gen(function*() {
        const options = { [option]: value } as LlmGovernor.Options
        for (
          const layer of [
            LlmGovernor.layer(options),
            Layer.provide(LlmGovernor.layerShared(options), RateLimiter.layerStoreMemory)
          ]
        ) {
          const exit = yield* Effect.exit(Layer.build(Layer.provide(layer, mock)))
          if (Exit.isSuccess(exit)) return assert.fail("built")
          const error = Cause.squash(exit.cause)
          assert.isTrue(Cause.isIllegalArgumentError(error))
          assert.match((error as Error).message, new RegExp(`^LlmGovernor: ${option} must be `))
        }
      }))
  }

  it.effect("accepts infinite limits, concurrency and times, and a delay of 0", () =>
    Effect.gen(function*() {
      const { llm: provided } = provider(() => Effect.succeed(completion()))
      const { llm } = yield* governed({
        requestsPerMinute: Infinity,
        tokensPerMinute: Infinity,
        concurrency: Infinity,
        giveUpAfter: "Infinity",
        maxServerDelay: 0,
        failureThreshold: Infinity,
        retry: Schedule.recurs(0)
      }, provided)
      yield* Effect.all(numbers(500).map((i) => llm.complete(request(`${i}`))), { concurrency: "unbounded" })
    }))

  it.effect("accepts fractions of a request per minute", () =>
    Effect.gen(function*() {
      const { llm: provided } = provider(() => Effect.succeed(completion()))
      const { llm } = yield* governed({ requestsPerMinute: 0.5 }, provided)
      yield* llm.complete(request(""))
    }))

  for (const count of [NaN, -7, Infinity]) {
    it.effect(`goes on when countTokens returns ${count}`, () =>
      Effect.gen(function*() {
        const { llm: provided } = provider(() => Effect.succeed(completion()))
        const { llm } = yield* governed({ tokensPerMinute: 60_000, countTokens: () => count }, provided)
        yield* Effect.all(numbers(3).map(() => llm.complete(request("text"))))
      }))
  }
})
