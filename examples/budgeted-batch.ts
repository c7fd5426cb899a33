/** A batch with a budget. Items that the budget does not cover stay pending for the next run. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Option, Schema, Stream } from "effect"
import { Batch, Extraction, Journal, LlmBudget, Usage } from "effect-instructor"
import * as Support from "./support.ts"

const person = Extraction.make({
  schema: Schema.Struct({ name: Schema.String, age: Schema.Int }),
  // The budget reserves the cost of the longest possible answer, so a low limit allows more requests in flight.
  parameters: { maxTokens: 100 }
})

const texts = [
  "My name is John and I am 30 years old",
  "Her name is Maria and she is 25",
  "This is Alex, who is 42",
  "Meet Sarah, 38 years of age",
  "A man named Michael, aged 45"
]

const run = (usd: number) =>
  Batch.resumable(person, texts, { concurrency: 1, emitRestored: false }).pipe(
    Stream.runFold(() => Usage.zero, (sum, { usage }) => Usage.add(sum, usage)),
    Effect.flatMap((usage) => Console.log(`With $${usd}: done, ${usage.inputTokens} input tokens`)),
    Effect.catchReason("BatchError", "Unrecoverable", ({ error }) => Console.log(`With $${usd}: ${error.reason._tag}`)),
    Effect.provide(LlmBudget.layer({ usd }))
  )

const program = Effect.gen(function*() {
  const { requests, usd } = yield* Batch.estimate(person, texts)
  const cost = Option.match(usd, { onNone: () => "an unknown amount", onSome: (usd) => `about $${usd.toFixed(4)}` })
  yield* Console.log(`${requests} requests will cost ${cost}`)
  yield* run(0.001)
  yield* run(1)
}).pipe(Effect.provide([Journal.layerMemory, Support.layer]))

NodeRuntime.runMain(program)
