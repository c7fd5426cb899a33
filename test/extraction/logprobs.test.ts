import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schema, Stream } from "effect"
import { type Completion, Extraction, ExtractionStream, Llm, Usage } from "effect-instructor"
import { MockLlm, Reply } from "effect-instructor/testing"

const Person = Schema.Struct({ name: Schema.String, age: Schema.Int })

type Tokens = ReadonlyArray<readonly [string, number]>

const answering = (tokens: Tokens, text = tokens.map(([token]) => token).join("")) =>
  Layer.succeed(
    Llm.Llm,
    Llm.make({
      provider: "test",
      model: "test",
      complete: ({ parameters }) =>
        Effect.succeed<Completion.Completion>({
          id: "1",
          model: "test",
          text,
          toolCalls: [],
          finishReason: "stop",
          usage: Usage.zero,
          ...(parameters.logprobs === true && {
            logprobs: tokens.map(([token, logprob]) => ({ token, logprob }))
          })
        })
    })
  )

const confidences = <A>(schema: Schema.Codec<A, unknown>, logprobs: boolean) =>
  Effect.map(
    Extraction.extract(
      Extraction.confidence(Extraction.make({ schema, parameters: { logprobs } })),
      "Ada is 36, not 63"
    ),
    ({ leaves }) => leaves.map(({ confidence }) => confidence)
  )

describe("logprobs", () => {
  const tokens: Tokens = [
    ["{\"name\":\"", 0],
    ["A", -0.001],
    ["da", -0.001],
    ["\",", -5],
    ["\"age\":", -5],
    ["63", -3],
    ["}", 0]
  ]

  it.effect("lower the confidence of the leaf whose tokens are improbable", () =>
    Effect.gen(function*() {
      const [name, age] = yield* confidences(Person, false)
      const [likelyName, unlikelyAge] = yield* confidences(Person, true)
      assert.isAbove(likelyName!, name!)
      assert.isBelow(unlikelyAge!, age!)
    }).pipe(Effect.provide(answering(tokens))))

  it.effect("find the leaves of a value with a wrapper", () =>
    Effect.gen(function*() {
      const [first, second] = yield* confidences(Schema.Array(Schema.Int), true)
      assert.isAbove(first!, second!)
    }).pipe(Effect.provide(answering([["{\"items\": [", 0], ["36", -0.001], [", ", -4], ["63", -3], ["]}", 0]]))))

  it.effect("change nothing where the tokens are not those of the text", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* confidences(Person, true), yield* confidences(Person, false))
    }).pipe(Effect.provide(answering(tokens, "{\"name\":\"Ada\",\"age\":63 }"))))
})

describe("a prompt that was cut off in silence", () => {
  it.effect("fails a streamed list after its elements", () =>
    Effect.gen(function*() {
      const seen: Array<number> = []
      const error = yield* Effect.flip(Stream.runForEach(
        ExtractionStream.values(Schema.Int, "some words of a long text ".repeat(400)),
        (n) => Effect.sync(() => seen.push(n))
      ))
      assert.strictEqual(error.reason._tag, "PromptTruncated")
      assert.deepStrictEqual(seen, [1, 2])
    }).pipe(Effect.provide(MockLlm.layer([
      Reply.withUsage({ items: [1, 2] }, { inputTokens: 60, outputTokens: 5 })
    ]))))
})
