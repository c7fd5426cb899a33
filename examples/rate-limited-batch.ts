/** Five texts, at most two of them in flight: an extraction composes like any other Effect. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Schema } from "effect"
import { Extraction } from "effect-instructor"
import * as Support from "./support.ts"

class Person extends Schema.Class<Person>("Person")({
  name: Schema.String,
  age: Schema.Int
}) {}

const person = Extraction.make({ schema: Person })

const texts = [
  "My name is John and I am 30 years old",
  "Her name is Maria and she is 25",
  "This is Alex, who is 42",
  "Meet Sarah, 38 years of age",
  "A man named Michael, aged 45"
]

const extract = Effect.fnUntraced(function*(text: string) {
  yield* Console.log(`Processing: ${text.slice(0, 15)}...`)
  return yield* Extraction.extract(person, text)
})

const program = Effect.gen(function*() {
  const people = yield* Effect.forEach(texts, extract, { concurrency: 2 })
  for (const { age, name } of people) yield* Console.log(`${name} is ${age}`)
})

NodeRuntime.runMain(Effect.provide(program, Support.layer))
