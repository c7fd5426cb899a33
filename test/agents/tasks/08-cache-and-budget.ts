/** Task: answer equal texts once, and stop spending at 1,000,000 tokens. */
import { Effect, Schema } from "effect"
import { Batch, Llm, LlmBudget, LlmCache } from "effect-instructor"
import { MockLlm } from "effect-instructor/testing"

const model = Llm.stack({
  provider: MockLlm.layer(() => ({ name: "Ada" })),
  budget: LlmBudget.layer({ tokens: 1_000_000 }),
  cache: LlmCache.layer()
})

export const solution = Effect.gen(function*() {
  const people = yield* Batch.all(Schema.Struct({ name: Schema.String }), ["one", "one", "two"], { concurrency: 1 })
  const { misses } = yield* LlmCache.snapshot
  return { people: people.length, sent: misses }
}).pipe(Effect.provide(model))

export const expected = { people: 3, sent: 2 }
