import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Schema, Stream } from "effect"
import { Extraction, Llm, LlmBudget, LlmCache, LlmError, LlmGovernor, Usage } from "effect-instructor"
import { MockLlm, Reply } from "effect-instructor/testing"
import { TestClock } from "effect/testing"
import { completion } from "../support/completions.ts"

const City = Schema.Struct({ city: Schema.String })
// A request may use about 500 tokens.
const city = Extraction.make({ schema: City, parameters: { maxTokens: 100 } })

const request = {
  model: "small",
  messages: [{ role: "user" as const, content: "I live in Paris" }],
  output: { mode: "text" as const },
  parameters: {}
}

describe("Llm", () => {
  describe("make", () => {
    it.effect("streams a completion in one piece by default", () =>
      Effect.gen(function*() {
        const made = Llm.make({
          provider: "own",
          model: "small",
          complete: () =>
            Effect.succeed(completion({ text: "Paris", toolCalls: [{ id: "1", name: "x", arguments: "{}" }] }))
        })
        const parts = yield* Stream.runCollect(made.stream(request))
        assert.deepStrictEqual(parts.map(({ _tag }) => _tag), ["TextDelta", "ToolArgumentsDelta", "Finish"])
        assert.deepStrictEqual([made.dialect.name, made.pricing.models], ["plain", {}])
      }))
  })

  describe("stack", () => {
    /** Middleware that records the requests that pass it, and fails or answers them if it is told to. */
    const recorder = (name: string, log: Array<string>) =>
      Layer.effect(
        Llm.Llm,
        Effect.map(Llm.Llm, (llm) =>
          Llm.Llm.of({
            ...llm,
            complete: (request) =>
              Effect.suspend(() => {
                log.push(name)
                return llm.complete(request)
              })
          }))
      )

    it.effect("puts the cache in front of the governor, the governor in front of the budget, and the budget in front of the provider", () =>
      Effect.gen(function*() {
        const log: Array<string> = []
        const layer = Llm.stack({
          budget: recorder("budget", log),
          cache: recorder("cache", log),
          governor: recorder("governor", log),
          provider: MockLlm.layer(() =>
            Effect.sync(() => {
              log.push("provider")
              return { city: "Paris" }
            })
          )
        })
        yield* Effect.provide(Extraction.extract(City, "I live in Paris"), layer)
        assert.deepStrictEqual(log, ["cache", "governor", "budget", "provider"])
      }))

    it.effect("leaves out the middleware that is not given", () =>
      Effect.gen(function*() {
        for (const names of [[], ["cache"], ["governor"], ["budget"], ["cache", "budget"]]) {
          const log: Array<string> = []
          const given = Object.fromEntries(names.map((name) => [name, recorder(name, log)]))
          const layer = Llm.stack({ provider: MockLlm.layer([{ city: "Paris" }]), ...given })
          yield* Effect.provide(Extraction.extract(City, "I live in Paris"), layer)
          assert.deepStrictEqual(log, names)
        }
      }))

    it.effect("provides the services of all layers", () =>
      Effect.gen(function*() {
        yield* Extraction.extract(City, "I live in Paris")
        assert.strictEqual((yield* MockLlm.requests).length, 1)
        assert.strictEqual((yield* LlmGovernor.snapshot).admitted, 1)
      }).pipe(Effect.provide(Llm.stack({
        provider: MockLlm.layer([{ city: "Paris" }]),
        governor: LlmGovernor.layer(),
        cache: LlmCache.layer()
      }))))

    it.effect("answers from the cache before the budget spends anything", () =>
      Effect.gen(function*() {
        const values = yield* Effect.forEach([1, 2, 3], () => Extraction.extract(city, "I live in Paris"))
        assert.strictEqual(values.length, 3)
        assert.strictEqual((yield* MockLlm.requests).length, 1)
        // The budget pays for one request and no more.
        const error = yield* Effect.flip(Extraction.extract(city, "I live in London"))
        assert.strictEqual(error.reason._tag, "BudgetExceeded")
      }).pipe(Effect.provide(Llm.stack({
        provider: MockLlm.layer(() => Reply.withUsage({ city: "Paris" }, { inputTokens: 1200, outputTokens: 100 })),
        budget: LlmBudget.layer({ tokens: 1500 }),
        cache: LlmCache.layer()
      }))))

    it.effect("lets the budget pay for each retry of the governor", () =>
      Effect.gen(function*() {
        const fiber = yield* Effect.forkChild(Effect.flip(Extraction.extract(city, "I live in Paris")))
        while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("1 second")
        const error = yield* Fiber.join(fiber)
        assert.strictEqual(error.reason._tag, "BudgetExceeded")
        // Two failed requests used up the budget for a third.
        assert.strictEqual((yield* MockLlm.requests).length, 2)
      }).pipe(Effect.provide(Llm.stack({
        provider: MockLlm.layer(() =>
          Effect.fail(
            new LlmError.LlmError({
              provider: "mock",
              reason: new LlmError.IncompleteResponseError({ description: "broke off" }),
              usage: { ...Usage.zero, inputTokens: 700, outputTokens: 0 }
            })
          )
        ),
        governor: LlmGovernor.layer(),
        budget: LlmBudget.layer({ tokens: 1500 })
      }))))
  })
})
