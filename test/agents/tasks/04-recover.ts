/** Task: where no answer is valid after two attempts, return the paths of the issues instead of a value. */
import { Effect, Schema } from "effect"
import { Extraction } from "effect-instructor"
import { MockLlm } from "effect-instructor/testing"

const person = Extraction.make({ schema: Schema.Struct({ name: Schema.String, age: Schema.Int }), maxAttempts: 2 })

export const solution = Extraction.extract(person, "Ada is old").pipe(
  Effect.map(({ name }) => [name]),
  Effect.catchReason(
    "ExtractionError",
    "InvalidOutput",
    ({ issues }) => Effect.succeed(issues.map(({ path }) => path.join(".")))
  ),
  Effect.provide(MockLlm.layer(() => ({ name: "Ada", age: "old" })))
)

export const expected = ["age"]
