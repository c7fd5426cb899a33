/** Task: extract a city from texts that may not mention one, without inventing it. */
import { Effect, Option, Schema } from "effect"
import { Batch, Extraction } from "effect-instructor"
import { MockLlm } from "effect-instructor/testing"

const city = Extraction.option(Schema.Struct({ city: Schema.String }))

export const solution = Batch.all(city, ["I live in Lyon", "It rains"], { concurrency: 2 }).pipe(
  Effect.map((cities) => cities.map(Option.match({ onNone: () => "none", onSome: ({ city }) => city }))),
  Effect.provide(MockLlm.layer({
    "I live in Lyon": { result: { city: "Lyon" } },
    "It rains": { result: null, reason: "no city is mentioned" }
  }))
)

export const expected = ["Lyon", "none"]
