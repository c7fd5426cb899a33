/** Task: extract from many texts so that a failure of one does not stop the others, and count the failures by reason. */
import { Effect, Schema, Stream } from "effect"
import { Batch, BatchSummary } from "effect-instructor"
import { MockLlm, Reply } from "effect-instructor/testing"

export const solution = Batch.stream(Schema.Struct({ name: Schema.String }), ["I am Ada", "secret", "long"], {
  concurrency: 2
}).pipe(
  Stream.run(BatchSummary.sink),
  Effect.map(({ failures, succeeded }) => ({ succeeded, failures })),
  Effect.provide(MockLlm.layer({
    "I am Ada": { name: "Ada" },
    "secret": Reply.refusal("No."),
    "long": Reply.truncated("{\"name\":\"A")
  }))
)

export const expected = { succeeded: 1, failures: { Refused: 1, Truncated: 1 } }
