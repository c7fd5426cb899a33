/** Task: run a batch that is interrupted after two items, resume it, and show that no item is sent twice. */
import { Effect, Schema, Stream } from "effect"
import { Batch, Journal } from "effect-instructor"
import { MockLlm } from "effect-instructor/testing"

const run = Batch.resumable(Schema.Struct({ name: Schema.String }), ["one", "two", "three", "four"], { concurrency: 1 })

export const solution = Effect.gen(function*() {
  yield* run.pipe(Stream.take(2), Stream.runDrain)
  const items = yield* Stream.runCollect(run)
  const requests = yield* MockLlm.requests
  return { items: items.length, restored: items.filter(({ restored }) => restored).length >= 2, sent: requests.length }
}).pipe(Effect.provide([Journal.layerMemory, MockLlm.layer(() => ({ name: "Ada" }))]))

export const expected = { items: 4, restored: true, sent: 4 }
