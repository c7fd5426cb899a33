/** A schema with a check: after an answer that fails it, the model is asked again, with the message of the check. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Schema } from "effect"
import { Extraction } from "effect-instructor"
import * as Support from "./support.ts"

const Years = Schema.Int.check(
  Schema.makeFilter(
    (age) => age <= 20 || "a child is at most 20 years old: give the age in years, not months",
    {
      expected: "the age in whole years"
    }
  )
)

class Child extends Schema.Class<Child>("Child")({
  name: Schema.String,
  age: Years
}) {}

const child = Extraction.make({ schema: Child, maxAttempts: 2 })

const program = Effect.gen(function*() {
  const { attempts, usage, value } = yield* Extraction.extractDetailed(child, "This is Emma, her age is 24 in months")
  yield* Console.log(
    `${value.name} is ${value.age}, after ${attempts} attempts and ${usage.outputTokens} output tokens`
  )
})

NodeRuntime.runMain(Effect.provide(program, Support.layer))
