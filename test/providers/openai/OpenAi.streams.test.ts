import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Stream } from "effect"
import { Llm, Usage } from "effect-instructor"
import { Fault, Reply } from "effect-instructor/testing"
import { format, person, request } from "../../support/people.ts"
import { bare, ledger } from "../../support/simulated.ts"

describe("OpenAi streams", () => {
  const collect = Llm.Llm.use((llm) => Stream.runCollect(llm.stream(request)))

  it.live("emit the pieces of the answer, however the bytes are split, and end with the completion", () =>
    Effect.gen(function*() {
      const text = JSON.stringify({ name: "Ädä 🦄 \"x\"" })
      for (const fragmentSize of [undefined, 1, 3, 64]) {
        const parts = yield* collect.pipe(
          Effect.provide(bare({ answer: () => text, chunkSize: 2, fragmentSize }))
        )
        const deltas = parts.flatMap((part) => part._tag === "TextDelta" ? [part.delta] : [])
        assert.strictEqual(deltas.join(""), text)
        assert.isAbove(deltas.length, 5)
        const last = parts.at(-1)!
        assert.strictEqual(last._tag === "Finish" ? last.completion.text : "", text)
        assert.isAbove(last._tag === "Finish" ? last.completion.usage.outputTokens : 0, 0)
      }
    }))

  it.live("emit the arguments of a tool call, and end with a refusal if there is one", () =>
    Effect.gen(function*() {
      const tools = { ...request, output: { ...format, mode: "tools" as const } }
      const parts = yield* Llm.Llm.use((llm) => Stream.runCollect(llm.stream(tools))).pipe(
        Effect.provide(bare({ answer: () => person }))
      )
      assert.strictEqual(
        parts.flatMap((part) => part._tag === "ToolArgumentsDelta" ? [part.delta] : []).join(""),
        JSON.stringify(person)
      )
      const last = parts.at(-1)!
      assert.deepStrictEqual(last._tag === "Finish" ? last.completion.toolCalls : [], [
        { id: "call_chatcmpl-0", name: "Person", arguments: JSON.stringify(person) }
      ])
      const [refused] = yield* collect.pipe(Effect.provide(bare({ answer: () => Reply.refusal("No.") })))
      assert.strictEqual(refused?._tag === "Finish" ? refused.completion.refusal : "", "No.")
    }))

  for (
    const [name, fault, tag] of [
      ["a refused request", Fault.insufficientQuota, "QuotaExhaustedError"],
      [
        "a connection closed inside the stream",
        Fault.dropInside(person, { afterChunks: 3 }),
        "IncompleteResponseError"
      ],
      [
        "a stream that ends before the answer",
        Fault.respond({
          status: 200,
          contentType: "text/event-stream",
          body: "data: {\"choices\":[{\"delta\":{\"content\":\"{\"}}]}\n\n"
        }),
        "IncompleteResponseError"
      ],
      [
        "an error inside the stream",
        Fault.respond({
          status: 200,
          contentType: "text/event-stream",
          body: "data: {\"error\":{\"message\":\"oops\",\"type\":\"server_error\"}}\n\n"
        }),
        "InternalProviderError"
      ],
      [
        "an event that is not JSON",
        Fault.respond({
          status: 200,
          contentType: "text/event-stream",
          body: "data: {oops\n\n"
        }),
        "IncompleteResponseError"
      ]
    ] as const
  ) {
    it.live(`fail with ${tag} for ${name}`, () =>
      Effect.gen(function*() {
        assert.strictEqual((yield* Effect.flip(collect)).reason._tag, tag)
      }).pipe(Effect.provide(bare({ answer: () => fault }))))
  }

  it.live("abort the HTTP request when the consumer ends early", () =>
    Effect.gen(function*() {
      const parts = yield* Llm.Llm.use((llm) => Stream.runCollect(Stream.take(llm.stream(request), 2)))
      assert.strictEqual(parts.length, 2)
      yield* Effect.sleep("50 millis")
      assert.strictEqual((yield* ledger).inFlight, 0)
    }).pipe(Effect.provide(bare({ answer: () => "x".repeat(1000), chunkDelay: "5 millis" }))))

  it.live("report the usage that had arrived before the answer broke off", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(collect)
      assert.strictEqual(error.reason._tag, "IncompleteResponseError")
      assert.isTrue(error.isRetryable)
      assert.deepStrictEqual(error.usage, { ...Usage.zero, inputTokens: 5, outputTokens: 2 })
    }).pipe(
      Effect.provide(bare({
        answer: () =>
          Fault.respond({
            status: 200,
            contentType: "text/event-stream",
            body: `data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2}}\n\n`
          })
      }))
    ))

  it.live("fail with a RateLimitError for a code that says so, as a word or as a status", () =>
    Effect.gen(function*() {
      for (const code of ["\"rate_limit_exceeded\"", "429"]) {
        const error = yield* Effect.flip(collect).pipe(Effect.provide(bare({
          answer: () =>
            Fault.respond({
              status: 200,
              contentType: "text/event-stream",
              body: `data: {"error":{"message":"Please try again in 2s.","code":${code}}}\n\n`
            })
        })))
        assert.strictEqual(error.reason._tag, "RateLimitError")
        assert.deepStrictEqual(error.retryAfter, Duration.seconds(2))
        assert.isUndefined(error.status)
      }
    }))
})
