/** Streams a list: each person is printed as soon as the model has written it. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Result, Schema, Stream } from "effect"
import { Extraction, ExtractionError, ExtractionStream, Usage } from "effect-instructor"
import * as Support from "./support.ts"

class Person extends Schema.Class<Person>("Person")({
  name: Schema.String.annotate({ description: "first name" }),
  age: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 120 }))
}) {}

const person = Extraction.make({ schema: Person, instructions: "Extract every person in the text." })

const text = "Meet Sarah, 38. This is Alex, 42. A man named Michael, aged 245. Her name is Maria, 25."

const program = ExtractionStream.elements(person, text, {
  onEnd: ({ elements, usage }) => Console.log(`${elements} people, ${Usage.totalTokens(usage)} tokens`)
}).pipe(
  Stream.runForEach(({ index, result }) =>
    Console.log(
      `${index + 1}. ${
        Result.match(result, {
          onSuccess: ({ age, name }) => `${name}, ${age}`,
          onFailure: ({ reason }) =>
            reason._tag === "InvalidOutput" ? reason.issues.map(ExtractionError.formatIssue).join(", ") : reason.message
        })
      }`
    )
  )
)

NodeRuntime.runMain(Effect.provide(program, Support.layer))
