import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Ref, Schema, Stream } from "effect"
import { Batch, type Llm, LlmGovernor } from "effect-instructor"
import { AiError } from "effect/ai"
import { TestClock } from "effect/testing"
import { completion, numbers, provider, rateLimited } from "./support.ts"

const Person = Schema.Struct({ name: Schema.String })

/** Runs a batch of a hundred items to its failure, and returns that with the number of items before it. */
const stopped = (llm: Layer.Layer<Llm.Llm>, options: LlmGovernor.Options, concurrency: number) =>
  Effect.gen(function*() {
    const items = yield* Ref.make(0)
    const error = yield* Batch.stream(Person, numbers(100).map(String), { concurrency }).pipe(
      Stream.runForEach(() => Ref.update(items, (count) => count + 1)),
      Effect.flip,
      Effect.provide(Layer.provide(LlmGovernor.layer(options), llm))
    )
    return { reason: error.reason._tag, message: error.message, items: yield* Ref.get(items) }
  })

describe("LlmGovernor", () => {
  it.effect("stops a batch when the server asks for a delay longer than `maxServerDelay`, with the rest pending", () =>
    Effect.gen(function*() {
      const { llm, sent } = provider((_, call) =>
        call < 20 ? Effect.succeed(completion({ text: `{"name":"Ada"}` })) : Effect.fail(rateLimited("3 hours"))
      )
      const { items, message, reason } = yield* stopped(llm, {}, 1)
      assert.deepStrictEqual([reason, items, sent.length], ["Unrecoverable", 20, 21])
      assert.include(message, "the server asks to wait 3h")
    }))

  it.effect("stops a batch when the provider answers nothing for `giveUpAfter`, with the rest pending", () =>
    Effect.gen(function*() {
      const { llm, sent } = provider(() => Effect.fail(new AiError.InternalProviderError({ description: "down" })))
      const fiber = yield* Effect.forkChild(stopped(llm, { giveUpAfter: "10 minutes" }, 10))
      yield* TestClock.adjust("12 minutes")
      const { items, reason } = yield* Fiber.join(fiber)
      assert.deepStrictEqual([reason, items], ["Unrecoverable", 0])
      assert.isBelow(sent.length, 50)
    }))
})
