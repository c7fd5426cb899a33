/** Task: extract the names of three texts, at most two at a time, and return them in the order of the texts. */
import { Effect, Schema } from "effect"
import { Batch, Extraction } from "effect-instructor"
import { MockLlm } from "effect-instructor/testing"

const person = Extraction.make({ schema: Schema.Struct({ name: Schema.String }) })

export const solution = Batch.all(person, ["I am Ada", "I am Alan", "I am Grace"], { concurrency: 2 }).pipe(
  Effect.map((people) => people.map(({ name }) => name)),
  Effect.provide(MockLlm.layer({
    "I am Ada": { name: "Ada" },
    "I am Alan": { name: "Alan" },
    "I am Grace": { name: "Grace" }
  }))
)

export const expected = ["Ada", "Alan", "Grace"]
