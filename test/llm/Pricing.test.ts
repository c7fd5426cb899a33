import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Schema, Stream } from "effect"
import { Batch, BatchSummary, Extraction, Llm, type LlmRequest, Pricing, Usage } from "effect-instructor"
import { OpenAi } from "effect-instructor/openai"
import { MockLlm, Reply } from "effect-instructor/testing"

const Echo = Schema.Struct({ echo: Schema.String })

const million = 1_000_000
const price: Pricing.Price = {
  input: 2,
  cachedInput: 0.5,
  cacheWrite: 2.5,
  output: 10,
  batch: 0.5,
  priority: 2,
  long: { above: 10 * million, input: 2, output: 1.5 }
}
const costOf = (usage: Partial<Usage.Usage>, tier?: string, of = price) =>
  Pricing.costOf(of, { ...Usage.zero, ...usage }, tier)

describe("Pricing", () => {
  it("charges each kind of token its own price", () => {
    assert.strictEqual(costOf({ inputTokens: million }), 2)
    assert.strictEqual(costOf({ inputTokens: million, cachedInputTokens: million }), 0.5)
    assert.strictEqual(costOf({ inputTokens: 2 * million, cachedInputTokens: million, cacheWriteTokens: million }), 3)
    assert.strictEqual(costOf({ outputTokens: million, reasoningTokens: million / 2 }), 10)
    assert.strictEqual(
      costOf({ inputTokens: million, cachedInputTokens: million }, undefined, { input: 2, output: 1 }),
      2
    )
    assert.strictEqual(costOf({ inputTokens: 11 * million, outputTokens: million }), 11 * 2 * 2 + 15)
  })

  it("charges batches and service tiers their own prices", () => {
    assert.strictEqual(costOf({ inputTokens: million, batchInputTokens: million }), 1)
    assert.strictEqual(costOf({ outputTokens: 2 * million, batchOutputTokens: million }), 15)
    assert.strictEqual(costOf({ inputTokens: million }, "flex"), 1)
    assert.strictEqual(costOf({ inputTokens: million }, "priority"), 4)
    assert.strictEqual(costOf({ inputTokens: million }, "default"), 2)
  })

  it("returns undefined for an unknown tier, model or usage", () => {
    const bare = { input: 1, output: 1 }
    assert.isUndefined(costOf({ inputTokens: 1 }, "flex", bare))
    assert.isUndefined(costOf({ inputTokens: 1 }, "priority", bare))
    assert.isUndefined(costOf({ inputTokens: 1 }, "scale"))
    assert.isUndefined(costOf({ inputTokens: 1, batchInputTokens: 1 }, undefined, bare))
    assert.isUndefined(costOf({ inputTokens: 1, unreported: 1 }))
    assert.isUndefined(Pricing.priceOf([OpenAi.pricing], "gpt-99"))
    assert.isUndefined(Pricing.priceOf([OpenAi.pricing], "toString"))
    assert.strictEqual(Pricing.priceOf([OpenAi.pricing], "gpt-5.4-mini-2026-03-17")?.output, 4.5)
  })

  it("finds the price of a model in the first table that has it", () => {
    const own = { asOf: "2026-11-24", source: "contract", models: { "our-tune": { input: 1, output: 2 } } }
    const other = { ...own, models: { "our-tune": { input: 3, output: 4 }, "theirs": { input: 5, output: 6 } } }
    assert.strictEqual(Pricing.priceOf([own, other], "our-tune")?.input, 1)
    assert.strictEqual(Pricing.priceOf([own, other], "our-tune-2026-01-31")?.input, 1)
    assert.strictEqual(Pricing.priceOf([own, other], "theirs")?.input, 5)
    assert.isUndefined(Pricing.priceOf([Pricing.empty], "our-tune"))
  })

  it("has a table for OpenAI with a date, a source and plausible prices", () => {
    const { asOf, models, source } = OpenAi.pricing
    assert.match(asOf, /^\d{4}-\d\d-\d\d$/)
    assert.match(source, /^https:/)
    for (const [name, { cachedInput, input, output }] of Object.entries(models)) {
      assert.isAbove(output, input, name)
      assert.isBelow(cachedInput ?? 0, input, name)
    }
  })

  it.effect.prop(
    "no cost is negative or above the maximum cost of the same tokens",
    [Usage.Usage],
    ([usage]) =>
      Effect.sync(() => {
        const cost = Pricing.costOf(price, {
          ...usage,
          unreported: 0,
          cachedInputTokens: 0,
          cacheWriteTokens: Math.min(usage.cacheWriteTokens, usage.inputTokens)
        })!
        assert.isAtLeast(cost, 0)
        assert.isAtMost(cost, Pricing.maximumCost(price, usage)! * (1 + 1e-12))
      })
  )

  describe("Llm.make", () => {
    const prices = Layer.succeed(Pricing.CurrentPricing, {
      asOf: "2026-11-21",
      source: "test",
      models: { mock: { input: 1, output: 10 } }
    })
    const providerPrices: Pricing.Pricing = {
      asOf: "2026-11-21",
      source: "provider",
      models: { mock: { input: 100, output: 100 }, listed: { input: 3, output: 0 } }
    }
    const request = (model: string): LlmRequest.LlmRequest => ({
      model,
      messages: [{ role: "user", content: "x" }],
      output: { mode: "json_schema", name: "Echo", jsonSchema: {} },
      parameters: {}
    })
    const reply = Reply.withUsage({ echo: "x" }, { inputTokens: million, outputTokens: million / 10 })

    it.effect("adds the cost to every completion, streamed or not", () =>
      Effect.gen(function*() {
        const llm = yield* Llm.Llm
        const completion = yield* llm.complete(request("mock"))
        const last = (yield* Stream.runCollect(llm.stream(request("mock")))).at(-1)
        assert.strictEqual(completion.usage.usd, 2)
        assert.isTrue(last?._tag === "Finish" && last.completion.usage.usd === 2)
        const unknown = yield* llm.complete(request("mystery"))
        assert.deepStrictEqual([unknown.usage.usd, unknown.usage.unpriced], [0, 1])
      }).pipe(Effect.provide([MockLlm.layer(() => reply), prices])))

    it.effect("uses the prices of the provider for models that CurrentPricing does not have", () =>
      Effect.gen(function*() {
        const llm = yield* Llm.Llm
        assert.strictEqual((yield* llm.complete(request("mock"))).usage.usd, 2)
        assert.strictEqual((yield* llm.complete(request("listed"))).usage.usd, 3)
      }).pipe(Effect.provide([MockLlm.layer(() => reply, { pricing: providerPrices }), prices])))

    it.effect("keeps a cost that the provider reports itself", () =>
      Effect.gen(function*() {
        const llm = Llm.make({
          provider: "reporting",
          model: "mock",
          pricing: providerPrices,
          complete: () =>
            Effect.succeed({
              id: "1",
              model: "mock",
              text: "{}",
              toolCalls: [],
              finishReason: "stop",
              usage: { ...Usage.zero, inputTokens: million, usd: 0.25 }
            })
        })
        assert.strictEqual((yield* llm.complete(request("mock"))).usage.usd, 0.25)
      }))

    it.effect("gives attempts and items a total cost, which is unknown as soon as a part is unknown", () =>
      Effect.gen(function*() {
        const extraction = Extraction.make({ schema: Echo, maxAttempts: 2 })
        const { attempts, usage } = yield* Extraction.extractDetailed(extraction, "corrected")
        assert.deepStrictEqual([attempts, usage.usd], [2, 4])
        const error = yield* Effect.flip(Extraction.extract(extraction, "invalid"))
        assert.deepStrictEqual(Usage.cost(error.usage), Option.some(4))
        const summary = yield* Stream.run(Batch.stream(extraction, ["valid", "invalid"]), BatchSummary.sink)
        assert.deepStrictEqual(Usage.cost(summary.usage), Option.some(6))
        const other = yield* Extraction.extractDetailed(Extraction.make({ schema: Echo, model: "mystery" }), "valid")
        assert.deepStrictEqual(Usage.cost(Usage.add(other.usage, usage)), Option.none())
      }).pipe(Effect.provide([
        MockLlm.layer(({ messages }) =>
          messages[1]?.content === "valid" || messages[1]?.content === "corrected" && messages.length > 2
            ? reply
            : Reply.withUsage("no", { inputTokens: million, outputTokens: million / 10 })
        ),
        prices
      ])))
  })
})
