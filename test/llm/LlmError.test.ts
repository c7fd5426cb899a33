import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Schema } from "effect"
import { LlmError, Usage } from "effect-instructor"
import { AiError } from "effect/ai"

const description = "as the provider says"

const error = (reason: LlmError.Reason, fields: Partial<LlmError.LlmError> = {}) =>
  new LlmError.LlmError({ provider: "mock", reason, ...fields })

const network = (reason: AiError.NetworkError["reason"]) =>
  new AiError.NetworkError({ reason, method: "POST", url: "http://localhost" })

describe("LlmError", () => {
  it("is retryable where the same request may succeed later", () => {
    for (
      const reason of [
        new AiError.RateLimitError({}),
        new AiError.InternalProviderError({ description }),
        network("TransportError"),
        new LlmError.OverloadedError({ description }),
        new LlmError.IncompleteResponseError({ description })
      ]
    ) {
      assert.isTrue(error(reason).isRetryable, reason._tag)
      assert.isFalse(error(reason).isUnrecoverable, reason._tag)
    }
  })

  it("is unrecoverable where every other request would fail in the same way", () => {
    for (
      const reason of [
        new AiError.AuthenticationError({ kind: "InvalidKey" }),
        new AiError.QuotaExhaustedError({}),
        new AiError.UnsupportedSchemaError({ description }),
        network("InvalidUrlError"),
        new LlmError.NotFoundError({ description }),
        new LlmError.BudgetExceededError({ description })
      ]
    ) {
      assert.isTrue(error(reason).isUnrecoverable, reason._tag)
      assert.isFalse(error(reason).isRetryable, reason._tag)
    }
  })

  it("is neither where only this request fails", () => {
    for (
      const reason of [
        new AiError.InvalidRequestError({ description }),
        new AiError.ContentPolicyError({ description }),
        new LlmError.RequestTooLargeError({ description })
      ]
    ) {
      assert.isFalse(error(reason).isRetryable, reason._tag)
      assert.isFalse(error(reason).isUnrecoverable, reason._tag)
    }
  })

  it("finds the delay that the server asked for", () => {
    const seconds = Duration.seconds
    assert.deepStrictEqual(error(new AiError.RateLimitError({ retryAfter: seconds(2) })).retryAfter, seconds(2))
    const overloaded = new LlmError.OverloadedError({ description })
    assert.deepStrictEqual(error(overloaded, { serverDelay: seconds(3) }).retryAfter, seconds(3))
    assert.isUndefined(error(overloaded).retryAfter)
  })

  it("begins its message with the provider", () => {
    assert.strictEqual(
      error(new LlmError.NotFoundError({ description: "no model \"x\"" })).message,
      "mock: Not found: no model \"x\""
    )
  })

  it.effect("survives serialisation with all its fields", () =>
    Effect.gen(function*() {
      const codec = Schema.toCodecJson(LlmError.LlmError)
      const full = error(new AiError.RateLimitError({ retryAfter: Duration.seconds(1) }), {
        status: 429,
        code: "rate_limit_exceeded",
        requestId: "req_1",
        serverDelay: Duration.seconds(2),
        limit: "tokens",
        rateLimits: [
          { unit: "inputTokens", period: "day", limit: 100, remaining: 0, resetAfter: Duration.minutes(1) }
        ],
        usage: Usage.zero
      })
      const json = JSON.parse(JSON.stringify(yield* Schema.encodeEffect(codec)(full)))
      const revived = yield* Schema.decodeEffect(codec)(json)
      assert.isTrue(LlmError.isLlmError(revived))
      assert.deepStrictEqual(yield* Schema.encodeEffect(codec)(revived), json)
      assert.deepStrictEqual([revived.message, revived.retryAfter, revived.isRetryable], [
        full.message,
        full.retryAfter,
        true
      ])
    }))
})
