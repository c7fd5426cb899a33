import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import { Extraction, type LlmRequest } from "effect-instructor"
import { AiError, Prompt, Tokenizer } from "effect/ai"
import * as TokenCount from "../../../src/llm/TokenCount.ts"

const request = (overrides: Partial<LlmRequest.LlmRequest> = {}): LlmRequest.LlmRequest => ({
  model: "small",
  messages: [{ role: "user", content: "a".repeat(400) }],
  output: { mode: "text" },
  parameters: {},
  ...overrides
})

const count = (overrides?: Partial<LlmRequest.LlmRequest>) =>
  TokenCount.prompt(request(overrides), TokenCount.guessText)

const file = (url: string): Partial<LlmRequest.LlmRequest> => ({
  messages: [{ role: "user", content: [{ type: "file", mediaType: "image/png", url }] }]
})

describe("TokenCount", () => {
  describe("guessText", () => {
    it("is one token for four Latin characters, and more for other scripts", () => {
      assert.strictEqual(TokenCount.guessText(""), 0)
      assert.strictEqual(TokenCount.guessText("größe".repeat(80)), 100)
      assert.strictEqual(TokenCount.guessText("日本".repeat(100)), 120)
      assert.strictEqual(TokenCount.guessText("größe".repeat(20) + "日本".repeat(50)), 85)
    })
  })

  describe("prompt", () => {
    it("counts the messages, and a schema only where there is one", () => {
      assert.strictEqual(count(), 107)
      assert.strictEqual(count({ messages: [] }), 3)
      const json = count({ output: { mode: "json_schema", name: "City", jsonSchema: { type: "object" } } })
      assert.isAbove(json, 107)
      assert.isBelow(json, 120)
    })

    it("counts tool calls, tool results and files", () => {
      const calls = count({
        messages: [
          { role: "assistant", content: "", toolCalls: [{ id: "1", name: "find", arguments: "a".repeat(400) }] },
          { role: "tool", toolCallId: "1", content: "a".repeat(400) }
        ]
      })
      assert.isTrue(calls > 210 && calls < 220)
      assert.strictEqual(count(file("https://example.com/a.png")), 807)
      assert.strictEqual(count(file(`data:image/png;base64,${"A".repeat(100_000)}`)), 807)
    })

    it("uses the given counter of texts", () => {
      assert.strictEqual(TokenCount.prompt(request(), () => 1000), 1007)
    })
  })

  describe("maximumPrompt", () => {
    it.prop("is never less than the prompt", [Schema.String, Schema.String], ([system, user]) => {
      const messages = [{ role: "system" as const, content: system }, { role: "user" as const, content: user }]
      for (const output of [request().output, { mode: "json" as const, name: "x", jsonSchema: { title: user } }]) {
        const some = request({ messages, output })
        assert.isAtLeast(TokenCount.maximumPrompt(some), TokenCount.prompt(some, TokenCount.guessText))
        assert.isAtLeast(TokenCount.maximumPrompt(some), new TextEncoder().encode(system + user).length)
      }
    })

    it("counts the text of a data URL next to the file", () => {
      const small = TokenCount.maximumPrompt(request(file("https://example.com/a.png")))
      assert.isAbove(
        TokenCount.maximumPrompt(request(file(`data:image/png;base64,${"A".repeat(100_000)}`))),
        small + 90_000
      )
    })
  })

  describe("fromContext", () => {
    const words = Tokenizer.make({
      tokenize: (prompt) => {
        const text = prompt.content.flatMap(({ content }) =>
          typeof content === "string" ? [content] : content.map((part) => part.type === "text" ? part.text : "")
        ).join("")
        return text.startsWith("broken")
          ? Effect.fail(
            AiError.make({ module: "Words", method: "tokenize", reason: new AiError.UnknownError({}) })
          )
          : text.startsWith("slow")
          ? Effect.delay(Effect.succeed([1]), "1 minute")
          : Effect.succeed(text.split(" ").map((_, i) => i))
      }
    })

    it.effect("is the guess without a Tokenizer", () =>
      Effect.gen(function*() {
        assert.strictEqual(yield* TokenCount.fromContext, TokenCount.guessText)
      }))

    it.effect("is the Tokenizer of the context, and the guess where it fails or does not answer at once", () =>
      Effect.gen(function*() {
        const count = yield* TokenCount.fromContext
        assert.strictEqual(count("one two three"), 3)
        for (const text of ["broken text", "slow text"]) assert.strictEqual(count(text), TokenCount.guessText(text))
      }).pipe(Effect.provideService(Tokenizer.Tokenizer, words)))

    it.effect("counts the prompt of an extraction", () =>
      Effect.gen(function*() {
        const count = yield* TokenCount.fromContext
        const extraction = Extraction.make({ schema: Schema.String, instructions: "one two" })
        const made = Result.getOrThrow(Extraction.toRequest(extraction, Prompt.make("one two three"), { model: "m" }))
        assert.strictEqual(TokenCount.prompt({ ...made, output: { mode: "text" } }, count), 2 + 3 + 2 * 4 + 3)
      }).pipe(Effect.provideService(Tokenizer.Tokenizer, words)))
  })

  describe("typicalAnswer", () => {
    const answer = (schema: Schema.ConstraintDecoder<unknown>) => {
      const made = Result.getOrThrow(Extraction.toRequest(Extraction.make({ schema }), "x", { model: "m" }))
      return TokenCount.typicalAnswer(made.output)
    }

    it("grows with the schema", () => {
      const City = Schema.Struct({ city: Schema.String })
      const sizes = [
        answer(Schema.Struct({ found: Schema.Boolean })),
        answer(City),
        answer(Schema.Struct({ city: Schema.String, country: Schema.String })),
        answer(Schema.Array(City)),
        answer(Schema.Array(Schema.Struct({ cities: Schema.Array(City) })))
      ]
      assert.deepStrictEqual(sizes.toSorted((a, b) => a - b), sizes)
      assert.strictEqual(new Set(sizes).size, sizes.length)
    })

    it("ends for a recursive schema", () => {
      interface Tree {
        readonly name: string
        readonly children: ReadonlyArray<Tree>
      }
      const Tree = Schema.Struct({
        name: Schema.String,
        children: Schema.Array(Schema.suspend((): Schema.Codec<Tree> => Tree))
      }).annotate({ identifier: "Tree" })
      assert.isTrue(answer(Tree) > 10 && answer(Tree) < 200)
    })

    it("is a few hundred tokens for text", () => {
      assert.strictEqual(TokenCount.typicalAnswer({ mode: "text" }), 256)
    })
  })
})
