import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { Extraction, Replay } from "effect-instructor"

const city = Extraction.make({ schema: Schema.Struct({ city: Schema.String }), maxAttempts: 1 })

describe("Replay", () => {
  it.effect("answers each input as its model did", () =>
    Effect.gen(function*() {
      const ask = (model: string, input: string) => Extraction.extract(Extraction.with(city, { model }), input)
      assert.deepStrictEqual(yield* ask("a", "x"), { city: "Paris" })
      assert.deepStrictEqual(yield* ask("b", "x"), { city: "Rome" })
      assert.deepStrictEqual(yield* ask("b", "y"), { city: "Oslo" })
      const error = yield* Effect.flip(ask("a", "z"))
      assert.strictEqual(error.reason._tag, "ProviderFailure")
    }).pipe(Effect.provide(Replay.layer([
      { input: "x", model: "a", answer: { city: "Paris" } },
      { input: "x", model: "b", answer: "Sure: {\"city\": \"Rome\"}" },
      { input: "y", answer: { city: "Oslo" } }
    ]))))

  it.effect("gives several answers one after the other, and cut ones as cut", () =>
    Effect.gen(function*() {
      const tags = yield* Effect.forEach(
        [1, 2, 3],
        () =>
          Effect.match(Extraction.extract(city, "x"), {
            onFailure: ({ reason }) => reason._tag,
            onSuccess: ({ city }) => city
          })
      )
      assert.deepStrictEqual(tags, ["Paris", "Truncated", "Truncated"])
    }).pipe(Effect.provide(Replay.layer([
      { input: "x", answer: { city: "Paris" } },
      { input: "x", answer: "{\"city\": \"Par", finishReason: "length" }
    ]))))
})
