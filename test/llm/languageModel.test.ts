import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Ref, Schema, Stream } from "effect"
import { Extraction, Llm, LlmBudget } from "effect-instructor"
import { MockLlm, Reply } from "effect-instructor/testing"
import { AiError, LanguageModel, type Response, Tool, Toolkit } from "effect/ai"

const Person = Schema.Struct({ name: Schema.String, age: Schema.Int })
const ada = { name: "Ada", age: 36 }
const modes = ["json_schema", "tools", "json", "markdown"] as const

const usage: typeof Response.Usage.Encoded = {
  inputTokens: { total: 10, uncached: 8, cacheRead: 2, cacheWrite: undefined },
  outputTokens: { total: 5, text: 4, reasoning: 1 }
}

/** A model of `effect/ai` that answers with these texts, and says what it was asked. */
const model = (answer: (index: number) => string, asked: Array<LanguageModel.ProviderOptions> = []) =>
  Layer.effect(
    LanguageModel.LanguageModel,
    LanguageModel.make({
      generateText: (options) =>
        Effect.sync(() => {
          const text = answer(asked.length)
          asked.push(options)
          const [tool] = options.tools
          return [
            { type: "response-metadata", id: "r1", modelId: "some-model" },
            tool === undefined
              ? { type: "text", text }
              : { type: "tool-call", id: "c1", name: tool.name, params: JSON.parse(text), providerExecuted: false },
            { type: "finish", reason: tool === undefined ? "stop" : "tool-calls", usage }
          ]
        }),
      streamText: () => Stream.empty
    })
  )

const over = (layer: Layer.Layer<LanguageModel.LanguageModel>) =>
  Llm.fromLanguageModel({ model: "some-model" }).pipe(Layer.provide(layer))

describe("Llm.fromLanguageModel", () => {
  for (const mode of modes) {
    it.effect(`${mode}: extracts a value, and asks again where it is not valid`, () =>
      Effect.gen(function*() {
        const asked: Array<LanguageModel.ProviderOptions> = []
        const detailed = yield* Extraction.extractDetailed(
          Extraction.make({ schema: Person, mode }),
          "I am Ada, and I am 36"
        ).pipe(
          Effect.provide(over(model((i) => JSON.stringify(i === 0 ? { name: "Ada", age: "old" } : ada), asked)))
        )
        assert.deepStrictEqual(detailed.value, ada)
        assert.strictEqual(detailed.attempts, 2)
        assert.strictEqual(detailed.usage.inputTokens, 20)
        assert.strictEqual(detailed.usage.cachedInputTokens, 4)
        assert.strictEqual(detailed.model, "some-model")
        if (mode === "json_schema") assert.strictEqual(asked[0]!.responseFormat.type, "json")
        if (mode === "tools") assert.deepStrictEqual(asked[0]!.toolChoice, { tool: asked[0]!.tools[0]!.name })
      }))
  }

  it.effect("keeps the reason of a failure", () =>
    Effect.gen(function*() {
      const failing = Layer.effect(
        LanguageModel.LanguageModel,
        LanguageModel.make({
          generateText: () =>
            Effect.fail(
              AiError.make({ module: "m", method: "generateText", reason: new AiError.QuotaExhaustedError({}) })
            ),
          streamText: () => Stream.empty
        })
      )
      const error = yield* Effect.flip(Effect.provide(Extraction.extract(Person, "x"), over(failing)))
      assert(error.reason._tag === "ProviderFailure")
      assert.strictEqual(error.reason.error.reason._tag, "QuotaExhaustedError")
      assert.isTrue(error.isUnrecoverable)
    }))
})

const asModel = (layer: Layer.Layer<Llm.Llm>) => Layer.provide(Llm.toLanguageModel, layer)

describe("Llm.toLanguageModel", () => {
  it.effect("generates text, with usage", () =>
    Effect.gen(function*() {
      const response = yield* LanguageModel.generateText({ prompt: "Who wrote Emma?" }).pipe(
        Effect.provide(
          asModel(MockLlm.layer([Reply.withUsage(Reply.text("Jane Austen"), { inputTokens: 7, outputTokens: 3 })]))
        )
      )
      assert.strictEqual(response.text, "Jane Austen")
      assert.strictEqual(response.finishReason, "stop")
      assert.strictEqual(response.usage.inputTokens.total, 7)
    }))

  it.effect("generates an object", () =>
    Effect.gen(function*() {
      const response = yield* LanguageModel.generateObject({ prompt: "I am Ada", schema: Person }).pipe(
        Effect.provide(asModel(MockLlm.layer([ada])))
      )
      assert.deepStrictEqual(response.value, ada)
    }))

  it.effect("streams text", () =>
    Effect.gen(function*() {
      const parts = yield* Stream.runCollect(LanguageModel.streamText({ prompt: "Hello" })).pipe(
        Effect.provide(asModel(MockLlm.layer([Reply.text("Good morning")])))
      )
      const text = parts.map((part) => part.type === "text-delta" ? part.delta : "").join("")
      assert.strictEqual(text, "Good morning")
      assert.strictEqual(parts.at(-1)?.type, "finish")
    }))

  it.effect("calls the one tool that is required, and refuses several", () =>
    Effect.gen(function*() {
      const saved = yield* Ref.make<unknown>(undefined)
      const Save = Tool.make("Save", { parameters: Person, success: Schema.String })
      const toolkit = Toolkit.make(Save)
      const handlers = toolkit.toLayer({ Save: (person) => Effect.as(Ref.set(saved, person), "saved") })
      const response = yield* LanguageModel.generateText({ prompt: "Ada", toolkit, toolChoice: "required" }).pipe(
        Effect.provide(Layer.merge(handlers, asModel(MockLlm.layer([ada]))))
      )
      assert.deepStrictEqual(yield* Ref.get(saved), ada)
      assert.strictEqual(response.toolCalls.length, 1)
      const error = yield* LanguageModel.generateText({ prompt: "Ada", toolkit }).pipe(
        Effect.provide(Layer.merge(handlers, asModel(MockLlm.layer([ada])))),
        Effect.flip
      )
      assert.include(error.message, "toolChoice")
    }))

  it.effect("is paid by a budget", () =>
    Effect.gen(function*() {
      const budgeted = Layer.provide(LlmBudget.layer({ tokens: 1 }), MockLlm.layer([ada]))
      const error = yield* LanguageModel.generateText({ prompt: "A long question" }).pipe(
        Effect.provide(asModel(budgeted)),
        Effect.flip
      )
      assert.strictEqual(error._tag, "AiError")
    }))
})
