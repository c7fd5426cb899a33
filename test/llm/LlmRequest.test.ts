import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import { Completion, Extraction, LlmRequest, Usage } from "effect-instructor"

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

  it.effect("is equal for the same extraction and input, and contains the model of the extraction", () =>
    Effect.sync(() => {
      const extraction = Extraction.make({ schema: Schema.Struct({ a: Schema.String }), model: "mine" })
      const request = () => Extraction.toRequest(extraction, "text", { model: "default" })
      assert.deepStrictEqual(request(), request())
      assert.strictEqual(Result.getOrThrow(request()).model, "mine")
    }))
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
