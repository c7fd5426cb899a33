import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schema, Stream } from "effect"
import { Extraction, Llm, LlmBudget, LlmError, type LlmRequest } from "effect-instructor"
import { MockLlm, Reply } from "effect-instructor/testing"
import { AnthropicSimulator, OpenAiSimulator } from "effect-instructor/testing/simulators"
import { AiError } from "effect/ai"

const City = Schema.Struct({ city: Schema.String, country: Schema.optionalKey(Schema.String) })

const failing = (reason: LlmError.Reason, asked: Array<string> = []) =>
  Layer.succeed(
    Llm.Llm,
    Llm.make({
      provider: "broken",
      model: "broken-model",
      complete: ({ model }) =>
        Effect.suspend(() => {
          asked.push(model)
          return Effect.fail(new LlmError.LlmError({ provider: "broken", reason }))
        })
    })
  )

const answering = (asked: Array<LlmRequest.LlmRequest> = [], options?: Partial<Llm.Options>) =>
  Layer.succeed(
    Llm.Llm,
    Llm.make({
      provider: "working",
      model: "working-model",
      ...options,
      complete: (request) => {
        asked.push(request)
        return Effect.succeed({
          id: "1",
          model: request.model,
          text: JSON.stringify({ city: "Paris" }),
          toolCalls: [],
          finishReason: "stop",
          usage: { ...zero, inputTokens: 1_000_000, outputTokens: 0 }
        })
      }
    })
  )

const zero = {
  inputTokens: 0,
  cachedInputTokens: 0,
  cacheWriteTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
  batchInputTokens: 0,
  batchOutputTokens: 0,
  unreported: 0,
  usd: 0,
  unpriced: 0
}

const extract = Extraction.extract(City, "I live in Paris")

describe("Llm.fallback", () => {
  for (
    const reason of [
      new AiError.QuotaExhaustedError({}),
      new AiError.AuthenticationError({ kind: "InvalidKey" }),
      new AiError.InternalProviderError({ description: "down" }),
      new AiError.RateLimitError({})
    ]
  ) {
    it.effect(`goes on after a ${reason._tag}, with the model of the next layer`, () =>
      Effect.gen(function*() {
        const asked: Array<LlmRequest.LlmRequest> = []
        const value = yield* Effect.provide(extract, Llm.fallback([failing(reason), answering(asked)]))
        assert.deepStrictEqual(value, { city: "Paris" })
        assert.deepStrictEqual(asked.map(({ model }) => model), ["working-model"])
      }))
  }

  it.effect("does not go on where the request is at fault, or the budget is spent", () =>
    Effect.gen(function*() {
      for (
        const reason of [
          new AiError.InvalidRequestError({ description: "bad" }),
          new LlmError.BudgetExceededError({ description: "spent" })
        ]
      ) {
        const asked: Array<LlmRequest.LlmRequest> = []
        yield* Effect.flip(Effect.provide(extract, Llm.fallback([failing(reason), answering(asked)])))
        assert.deepStrictEqual(asked, [])
      }
    }))

  it.effect("fails with the last error", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Effect.provide(
        extract,
        Llm.fallback([
          failing(new AiError.QuotaExhaustedError({})),
          failing(new AiError.AuthenticationError({ kind: "InvalidKey" }))
        ])
      ))
      assert(error.reason._tag === "ProviderFailure")
      assert.strictEqual(error.reason.error.reason._tag, "AuthenticationError")
    }))

  it.effect("keeps the prices of each", () =>
    Effect.gen(function*() {
      const priced = answering([], {
        pricing: { asOf: "2026-11-01", source: "test", models: { "working-model": { input: 3, output: 1 } } }
      })
      const { usage } = yield* Extraction.extractDetailed(City, "x").pipe(
        Effect.provide(Llm.fallback([failing(new AiError.QuotaExhaustedError({})), priced]))
      )
      assert.strictEqual(usage.usd, 3)
    }))

  it.effect("streams from the next one as long as nothing was emitted", () =>
    Effect.gen(function*() {
      const request: LlmRequest.LlmRequest = {
        model: "m",
        messages: [{ role: "user", content: "x" }],
        output: { mode: "text" },
        parameters: {}
      }
      const parts = (layer: Layer.Layer<Llm.Llm>) =>
        Llm.Llm.use((llm) => Stream.runCollect(llm.stream(request))).pipe(Effect.provide(layer))
      const all = yield* parts(Llm.fallback([failing(new AiError.QuotaExhaustedError({})), answering()]))
      assert.strictEqual(all.at(-1)?._tag, "Finish")
      const halfway = Layer.succeed(
        Llm.Llm,
        Llm.make({
          provider: "halfway",
          model: "m",
          complete: () => Effect.never,
          stream: () =>
            Stream.concat(
              Stream.succeed({ _tag: "TextDelta" as const, delta: "{" }),
              Stream.fail(
                new LlmError.LlmError({
                  provider: "halfway",
                  reason: new LlmError.IncompleteResponseError({ description: "broke" })
                })
              )
            )
        })
      )
      const error = yield* Effect.flip(parts(Llm.fallback([halfway, answering()])))
      assert.strictEqual(error.reason._tag, "IncompleteResponseError")
    }))

  it.effect("is paid by one budget for each request that is sent", () =>
    Effect.gen(function*() {
      const spent = yield* extract.pipe(
        Effect.andThen(LlmBudget.LlmBudget.use(({ snapshot }) => snapshot)),
        Effect.provide(
          Layer.provideMerge(
            LlmBudget.layer({ tokens: 10_000_000 }),
            Llm.fallback([failing(new AiError.QuotaExhaustedError({})), answering()])
          )
        )
      )
      assert.strictEqual(spent.spent.tokens, 1_000_000)
    }))

  it.live("speaks to each in its own dialect", () =>
    Effect.gen(function*() {
      const openAi = yield* OpenAiSimulator.make({ answer: () => ({ city: "Paris" }), apiKey: "right" })
      const anthropic = yield* AnthropicSimulator.make({ answer: () => ({ city: "Paris" }) })
      const { OpenAi } = yield* Effect.promise(() => import("effect-instructor/openai"))
      const { Anthropic } = yield* Effect.promise(() => import("effect-instructor/anthropic"))
      const value = yield* Effect.provide(
        extract,
        Llm.fallback([
          OpenAi.layer({ baseUrl: openAi.baseUrl }),
          Anthropic.layer({ baseUrl: anthropic.baseUrl })
        ])
      )
      assert.deepStrictEqual(value, { city: "Paris" })
      const [first] = (yield* openAi.ledger).entries
      assert.deepStrictEqual(first!.request.schema?.["required"], ["city", "country"])
      assert.strictEqual(first!.outcome, 401)
      const [second] = (yield* anthropic.ledger).entries
      assert.deepStrictEqual(second!.request.schema?.["required"], ["city"])
      assert.strictEqual(second!.request.model, "claude-haiku-5-5")
    }).pipe(Effect.scoped))
})

describe("Llm.route", () => {
  const routes = (small: Array<LlmRequest.LlmRequest>, large: Array<LlmRequest.LlmRequest>) =>
    Llm.route({ "small-": answering(small), "large/": answering(large) })

  it.effect("sends a request to the longest prefix of its model", () =>
    Effect.gen(function*() {
      const small: Array<LlmRequest.LlmRequest> = []
      const large: Array<LlmRequest.LlmRequest> = []
      const ask = (model?: string) =>
        Extraction.extract(Extraction.make({ schema: City, model }), "x").pipe(Effect.provide(routes(small, large)))
      yield* ask("small-one")
      yield* ask("large/two/three")
      assert.deepStrictEqual(small.map(({ model }) => model), ["small-one"])
      assert.deepStrictEqual(large.map(({ model }) => model), ["two/three"])
    }))

  it.effect("has no route: an error that lists the prefixes", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(
        Extraction.extract(Extraction.make({ schema: City, model: "other" }), "x").pipe(
          Effect.provide(routes([], []))
        )
      )
      assert(error.reason._tag === "ProviderFailure")
      assert.isTrue(error.isUnrecoverable)
      assert.include(error.message, "\"small-\", \"large/\"")
    }))

  it.effect("asks the first route where no model is named", () =>
    Effect.gen(function*() {
      const value = yield* extract.pipe(
        Effect.provide(Llm.route({ "mock": MockLlm.layer([Reply.json({ city: "Rome" })], { model: "mock-1" }) }))
      )
      assert.deepStrictEqual(value, { city: "Rome" })
    }))
})
