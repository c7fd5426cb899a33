/** Random combinations of everything that a provider does wrong: the outcomes add up to the inputs, always. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Result, Schema, Stream } from "effect"
import { Batch, Extraction, LlmError } from "effect-instructor"
import { MockLlm, MockLlmBatch, Reply } from "effect-instructor/testing"
import { AiError } from "effect/ai"
import { TestClock } from "effect/testing"

const echo = Extraction.make({ schema: Schema.Struct({ text: Schema.String }), name: "Echo" })

/** Mulberry32, so that each case can be repeated by its seed. */
const random = (seed: number) => {
  let state = seed
  return (below: number): number => {
    state = state + 0x6D2B79F5 | 0
    let t = Math.imul(state ^ state >>> 15, 1 | state)
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t
    return ((t ^ t >>> 14) >>> 0) % below
  }
}

const userText = (messages: ReadonlyArray<{ readonly role: string; readonly content: unknown }>) =>
  String(messages.find(({ role }) => role === "user")?.content)

const busy = new AiError.InternalProviderError({ description: "502" })

const rows = (next: (below: number) => number): MockLlmBatch.Handler => ({ messages }) => {
  const text = userText(messages)
  switch (next(16)) {
    case 0:
      return MockLlmBatch.lost
    case 1:
      return MockLlmBatch.expired
    case 2:
      return MockLlmBatch.twice({ text })
    case 3:
      return Effect.fail(new AiError.RateLimitError({}))
    case 4:
      return Effect.fail(busy)
    case 5:
      return Effect.fail(new AiError.InvalidRequestError({ description: "too long" }))
    case 6:
      return { wrong: 1 }
    case 7:
      return Reply.refusal("No")
    case 8:
      return Reply.truncated("{\"te")
    case 9:
      return MockLlmBatch.cancelled
    default:
      return { text }
  }
}

const faults = (next: (below: number) => number): MockLlmBatch.Options["fault"] => (operation) => {
  const trap = next(12)
  if (operation === "submit") {
    switch (trap) {
      case 0:
        return MockLlmBatch.fail(busy)
      case 1:
        return MockLlmBatch.loseResponse(busy)
      case 2:
        return MockLlmBatch.ends("expired", { answered: next(4) })
      case 3:
        return MockLlmBatch.ends("cancelled", { answered: next(4) })
      case 4:
        return MockLlmBatch.ends("failed")
      case 5:
        return MockLlmBatch.ends("completed", { answered: next(4) })
      case 6:
        return MockLlmBatch.vanishes
      default:
        return undefined
    }
  }
  if (trap < 2) return MockLlmBatch.fail(busy)
  return operation === "results" && trap === 2
    ? MockLlmBatch.fail(new LlmError.NotFoundError({ description: "not there yet" }))
    : undefined
}

describe("random combinations of traps", () => {
  for (let part = 0; part < 10; part++) {
    it.effect(`seeds ${part * 20} to ${part * 20 + 19}`, () =>
      Effect.forEach(
        Array.from({ length: 20 }, (_, i) => part * 20 + i),
        (seed) =>
          Effect.gen(function*() {
            const next = random(seed + 1)
            const inputs = Array.from({ length: 1 + next(20) }, (_, i) => `text ${i}`)
            const batch = Batch.offline(echo, inputs, {
              maxRequests: 1 + next(7),
              finish: (["batch", "online", "none"] as const)[next(3)],
              deadline: next(3) === 0 ? "3 hours" : undefined,
              ordered: next(2) === 0,
              enqueuedTokens: next(3) === 0 ? 300 : undefined
            })
            const fiber = yield* Effect.forkChild(
              Stream.runCollect(batch).pipe(Effect.provide([
                MockLlmBatch.layer(rows(next), {
                  duration: "1 hour",
                  fault: faults(next),
                  refuseTokensOver: next(3) === 0 ? 500 : undefined
                }),
                MockLlm.layer(({ messages }) => ({ text: userText(messages) }))
              ]))
            )
            for (let i = 0; i < 5000 && fiber.pollUnsafe() === undefined; i++) {
              for (let j = 0; j < 10; j++) yield* Effect.yieldNow
              yield* TestClock.adjust("5 minutes")
            }
            assert.isDefined(fiber.pollUnsafe(), `seed ${seed} ends`)
            const items = yield* Fiber.join(fiber)
            assert.deepStrictEqual(
              items.map(({ index }) => index).toSorted((a, b) => a - b),
              inputs.map((_, i) => i),
              `seed ${seed}`
            )
            for (const { input, result } of items) {
              if (Result.isSuccess(result)) assert.strictEqual(result.success.text, input, `seed ${seed}`)
            }
          }),
        { discard: true }
      ), 60_000)
  }
})
