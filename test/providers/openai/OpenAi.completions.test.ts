import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { Usage } from "effect-instructor"
import { Fault, Reply } from "effect-instructor/testing"
import { complete, person } from "../../support/people.ts"
import { bare } from "../../support/simulated.ts"

describe("OpenAi completions", () => {
  it.live("contain everything that the response reports", () =>
    Effect.gen(function*() {
      const completion = yield* complete
      assert.deepStrictEqual(completion, {
        id: "chatcmpl-0",
        model: "test-model",
        text: JSON.stringify(person),
        toolCalls: [],
        finishReason: "stop",
        usage: { ...Usage.zero, inputTokens: 11, outputTokens: 7, unpriced: 1 },
        serviceTier: "default",
        rateLimits: [
          { unit: "requests", period: "minute", limit: 600, remaining: 599, resetAfter: Duration.millis(100) },
          { unit: "tokens", period: "minute", limit: 6000, remaining: 5975, resetAfter: Duration.millis(250) }
        ]
      })
    }).pipe(
      Effect.provide(bare({
        answer: () => Reply.withUsage(person, { inputTokens: 11, outputTokens: 7 }),
        limits: { requestsPerMinute: 600, tokensPerMinute: 6000 }
      }))
    ))

  for (
    const [name, body, expected] of [
      ["cached and reasoning tokens", {
        usage: {
          prompt_tokens: 10,
          completion_tokens: 5,
          prompt_tokens_details: { cached_tokens: 8, cache_write_tokens: 1 },
          completion_tokens_details: { reasoning_tokens: 3 }
        }
      }, {
        usage: {
          ...Usage.zero,
          inputTokens: 10,
          cachedInputTokens: 8,
          cacheWriteTokens: 1,
          outputTokens: 5,
          reasoningTokens: 3,
          unpriced: 1
        }
      }],
      ["no usage", {}, { usage: Usage.unreported }],
      ["absurd usage", { usage: { prompt_tokens: -1, completion_tokens: "5" } }, { usage: Usage.unreported }],
      ["a usage beyond any model", { usage: { prompt_tokens: 1e300, completion_tokens: 9e15 } }, {
        usage: Usage.unreported
      }],
      ["text in parts", { message: { content: [{ type: "text", text: "a" }, { type: "text", text: "b" }] } }, {
        text: "ab"
      }],
      ["arguments as an object, and no id", {
        message: { content: null, tool_calls: [{ function: { name: "f", arguments: { a: 1 } } }] },
        finish_reason: "tool_calls"
      }, { toolCalls: [{ id: "call_0", name: "f", arguments: "{\"a\":1}" }], finishReason: "tool-calls" }],
      ["a finish reason of its own", { finish_reason: "bored" }, { finishReason: "other" }]
    ] as const
  ) {
    it.live(`accept what compatible servers send: ${name}`, () =>
      Effect.gen(function*() {
        const completion = yield* complete
        for (const [key, value] of Object.entries(expected)) {
          assert.deepStrictEqual(completion[key as keyof typeof completion], value as never)
        }
      }).pipe(
        Effect.provide(bare({
          answer: () => {
            const { message, finish_reason, ...rest } = {
              message: { content: "{}" },
              finish_reason: "stop",
              ...body
            } as any
            return Fault.respond({
              status: 200,
              body: JSON.stringify({ choices: [{ message, finish_reason }], ...rest })
            })
          }
        }))
      ))
  }
})
