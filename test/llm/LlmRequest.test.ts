import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import { Completion, Extraction, Llm, LlmRequest, Usage } from "effect-instructor"
import { MockLlm } from "effect-instructor/testing"

describe("LlmRequest", () => {
  it.effect("is its own encoded form", () =>
    Effect.gen(function*() {
      const extraction = Extraction.make({
        schema: Schema.Struct({ when: Schema.DateFromString, tags: Schema.Array(Schema.String) }),
        mode: "tools",
        parameters: { maxTokens: 100, stop: ["."], extra: { top_k: 5 } }
      })
      const request = Result.getOrThrow(Extraction.toRequest(extraction, "text", { model: "m" }))
      const encoded = yield* Schema.encodeEffect(LlmRequest.LlmRequest)(request)
      assert.deepStrictEqual(encoded, request)
      const revived = yield* Schema.decodeUnknownEffect(LlmRequest.LlmRequest)(JSON.parse(JSON.stringify(encoded)))
      assert.deepStrictEqual(revived, request)
    }))

  it.effect("can ask for text", () =>
    Effect.gen(function*() {
      const request: LlmRequest.LlmRequest = {
        model: "small",
        messages: [{ role: "user", content: "Say hello" }],
        output: { mode: "text" },
        parameters: {}
      }
      assert.deepStrictEqual(yield* Schema.decodeUnknownEffect(LlmRequest.LlmRequest)(request), request)
      const { text } = yield* Llm.Llm.use((llm) => llm.complete(request))
      assert.strictEqual(text, "Hello!")
    }).pipe(Effect.provide(MockLlm.layer(["Hello!"]))))

  it.effect("is equal for the same extraction and input, and contains the model of the extraction", () =>
    Effect.sync(() => {
      const extraction = Extraction.make({ schema: Schema.Struct({ a: Schema.String }), model: "mine" })
      const request = () => Extraction.toRequest(extraction, "text", { model: "default" })
      assert.deepStrictEqual(request(), request())
      assert.strictEqual(Result.getOrThrow(request()).model, "mine")
    }))
})

describe("LlmRequest.canonical", () => {
  const request = (overrides: Partial<LlmRequest.LlmRequest> = {}): LlmRequest.LlmRequest => ({
    model: "small",
    messages: [{ role: "user", content: "text" }],
    output: { mode: "json", name: "City", jsonSchema: { type: "object" } },
    parameters: { seed: 1, temperature: 0 },
    ...overrides
  })

  it("does not depend on the order of keys", () => {
    const other = request({
      parameters: { temperature: 0, seed: 1 },
      output: { jsonSchema: { type: "object" }, name: "City", mode: "json" },
      messages: [{ content: "text", role: "user" }]
    })
    assert.strictEqual(LlmRequest.canonical(other), LlmRequest.canonical(request()))
  })

  it("is JSON, and differs for every part that may change the answer", () => {
    const call = { id: "1", name: "City", arguments: "{}" }
    const variants: ReadonlyArray<Partial<LlmRequest.LlmRequest>> = [
      {},
      { model: "large" },
      { messages: [{ role: "system", content: "text" }] },
      { messages: [{ role: "user", content: [{ type: "text", text: "text" }] }] },
      { messages: [{ role: "assistant", content: "text" }] },
      { messages: [{ role: "assistant", content: "text", providerData: { thought: "abc" } }] },
      { messages: [{ role: "assistant", content: "text", toolCalls: [call] }] },
      {
        messages: [{ role: "assistant", content: "text", toolCalls: [{ ...call, providerData: { signature: "x" } }] }]
      },
      { messages: [{ role: "tool", content: "text", toolCallId: "1" }] },
      { output: { mode: "text" } },
      { output: { mode: "tools", name: "City", jsonSchema: { type: "object" } } },
      { output: { mode: "tools", name: "City", jsonSchema: { type: "object" }, strict: true } },
      { output: { mode: "tools", name: "City", jsonSchema: { type: "object" }, strict: false } },
      { parameters: { seed: 2, temperature: 0 } }
    ]
    const texts = variants.map((variant) => LlmRequest.canonical(request(variant)))
    for (const text of texts) JSON.parse(text)
    assert.strictEqual(new Set(texts).size, variants.length)
  })

  it("contains a text format as it is", () => {
    assert.strictEqual(
      LlmRequest.canonical(request({ output: { mode: "text" }, parameters: {} })),
      "{\"messages\":[{\"content\":\"text\",\"role\":\"user\"}],\"model\":\"small\",\"output\":{\"mode\":\"text\"}," +
        "\"parameters\":{}}"
    )
  })
})

describe("Completion", () => {
  it.effect.prop("survives serialisation", [Completion.Completion], ([completion]) =>
    Effect.gen(function*() {
      const codec = Schema.toCodecJson(Completion.Completion)
      const json = JSON.parse(JSON.stringify(yield* Schema.encodeEffect(codec)(completion)))
      const revived = yield* Schema.decodeEffect(codec)(json)
      assert.deepStrictEqual(yield* Schema.encodeEffect(codec)(revived), json)
    }))
})

describe("Usage", () => {
  it.effect.prop(
    "add is associative and commutative, with zero as its identity",
    [Usage.Usage, Usage.Usage, Usage.Usage],
    (usages) =>
      Effect.sync(() => {
        // Whole dollars, because the sum of fractions depends on their order.
        const [a, b, c] = usages.map((usage) => ({ ...usage, usd: Math.floor(usage.usd % 2 ** 20) + 0 })) as [
          Usage.Usage,
          Usage.Usage,
          Usage.Usage
        ]
        assert.deepStrictEqual(Usage.add(a, Usage.zero), a)
        assert.deepStrictEqual(Usage.add(Usage.zero)(a), a)
        assert.deepStrictEqual(Usage.add(a, b), Usage.add(b, a))
        // Within the safe integers.
        const safe = [a, b, c].every((usage) => Usage.totalTokens(usage) < 2 ** 50)
        if (safe) assert.deepStrictEqual(Usage.add(Usage.add(a, b), c), Usage.add(a, Usage.add(b, c)))
      })
  )
})
