/** A schema of Zod, and the same way one of Valibot or ArkType, in the place of an Effect Schema. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect } from "effect"
import { Extraction } from "effect-instructor"
import { z } from "zod"
import * as Support from "./support.ts"

const Person = z.object({
  name: z.string(),
  age: z.int().describe("Age in years").transform((years) => ({ years }))
})

// Zod decodes the answer, so its transformations, its checks and its types hold.
const person = Extraction.make({ schema: Person, name: "Person" })

const program = Effect.gen(function*() {
  const { age, name } = yield* Extraction.extract(person, "My name is John and I am 30 years old")
  yield* Console.log(`${name} is ${age.years}`)
})

NodeRuntime.runMain(Effect.provide(program, Support.layer))
