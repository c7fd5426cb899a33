/** Three texts at once, as in Instructor's guide to batches. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Schema } from "effect"
import { Batch, Extraction } from "effect-instructor"
import * as Support from "./support.ts"

class Person extends Schema.Class<Person>("Person")({
  name: Schema.String,
  age: Schema.Int
}) {}

const person = Extraction.make({ schema: Person })

const texts = [
  "My name is John and I am 30 years old",
  "Her name is Maria and she is 25",
  "This is Alex, who is 42"
]

const program = Effect.gen(function*() {
  const people = yield* Batch.all(person, texts)
  for (const { age, name } of people) yield* Console.log(`${name} is ${age}`)
})

NodeRuntime.runMain(Effect.provide(program, Support.layer))
