/** Task: extract a person's name and age (0 to 120) from "Emma is 2 years old". The model first answers with the age 200. */
import { Effect, Schema } from "effect"
import { Extraction } from "effect-instructor"
import { MockLlm } from "effect-instructor/testing"

const Person = Schema.Struct({
  name: Schema.String,
  age: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 120 }))
})

export const solution = Extraction.extract(Extraction.make({ schema: Person }), "Emma is 2 years old").pipe(
  Effect.provide(MockLlm.layer([{ name: "Emma", age: 200 }, { name: "Emma", age: 2 }]))
)

export const expected = { name: "Emma", age: 2 }
