import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import { Extraction } from "effect-instructor"
import { MockLlm } from "effect-instructor/testing"

const City = Schema.Struct({ city: Schema.String })
const city = Extraction.make<typeof City.Type, never, string>({ schema: City })
const examples = [
  { input: "The food in Rome is good", output: { city: "Rome" } },
  { input: "My flight to Oslo was late", output: { city: "Oslo" } },
  { input: "Paris has a tower", output: { city: "Paris" } }
]

const messagesOf = <A>(self: Extraction.Extraction<A, string>, input: string) =>
  Result.getOrThrow(Extraction.toRequest(self, input, { model: "m" })).messages

describe("withExamples", () => {
  it("shows all, in their order, before the input", () => {
    const [system, ...messages] = messagesOf(Extraction.withExamples(city, examples), "I like Rome")
    assert.strictEqual(system!.role, "system")
    assert.deepStrictEqual(messages.map(({ role }) => role), [
      "user",
      "assistant",
      "user",
      "assistant",
      "user",
      "assistant",
      "user"
    ])
    assert.strictEqual(messages[1]!.content, "{\"city\":\"Rome\"}")
    assert.strictEqual(messages[6]!.content, "I like Rome")
  })

  it("shows those that resemble the input most, in a fixed order", () => {
    const nearest = city.pipe(Extraction.withExamples(examples, { nearest: 2 }))
    const shown = (input: string) => messagesOf(nearest, input).filter(({ role }) => role === "user").slice(0, -1)
    assert.deepStrictEqual(shown("a late flight and a tower").map(({ content }) => content), [
      "My flight to Oslo was late",
      "Paris has a tower"
    ])
    assert.deepStrictEqual(shown("a tower and a late flight").map(({ content }) => content), [
      "My flight to Oslo was late",
      "Paris has a tower"
    ])
  })

  it("answers in the form of the mode and of the schema", () => {
    const tools = messagesOf(
      Extraction.with(Extraction.withExamples(city, examples.slice(0, 1)), { mode: "tools" }),
      "x"
    )
    assert.deepStrictEqual(tools.map(({ role }) => role), ["system", "user", "assistant", "tool", "user"])
    const days = Extraction.make<ReadonlyArray<Date>, never, string>({ schema: Schema.Array(Schema.DateFromString) })
    const [, , answer] = messagesOf(
      Extraction.withExamples(days, [{ input: "x", output: [new Date("2026-03-03")] }]),
      "y"
    )
    assert.strictEqual(answer!.content, "{\"items\":[\"2026-03-03T00:00:00.000Z\"]}")
  })

  it.effect("is no source for grounding", () =>
    Effect.gen(function*() {
      const grounded = Extraction.grounded(Extraction.withExamples(city, examples))
      const { leaves } = yield* Extraction.extract(grounded, "I live in a city")
      assert.isNull(leaves[0]!.span)
      const required = Extraction.requireGrounding(Extraction.withExamples(city, examples), ["city"])
      const error = yield* Effect.flip(Extraction.extract(required, "I live in a city"))
      assert.strictEqual(error.reason._tag, "InvalidOutput")
    }).pipe(Effect.provide(MockLlm.layer(() => ({ city: "Rome" })))))

  it.effect("reaches the parts of a vote", () =>
    Effect.gen(function*() {
      yield* Extraction.extract(Extraction.withExamples(Extraction.vote(city, { models: ["a", "b"] }), examples), "x")
      for (const { messages } of yield* MockLlm.requests) assert.strictEqual(messages.length, 8)
    }).pipe(Effect.provide(MockLlm.layer(() => ({ city: "Rome" })))))
})
