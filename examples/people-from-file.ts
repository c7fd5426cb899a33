/** Extracts a person from each line of a file, and reports each failure: `people-from-file.ts [file]`. */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Console, Effect, FileSystem, Result, Schema, Stdio, Stream } from "effect"
import { Batch, Extraction, ExtractionError, Usage } from "effect-instructor"
import * as Support from "./support.ts"

class Person extends Schema.Class<Person>("Person")({
  name: Schema.String.annotate({ description: "first name" }),
  age: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 120 }))
}) {}

const person = Extraction.make({
  schema: Person,
  instructions: "Extract the person the user writes about.",
  timeout: "30 seconds"
})

const describe = Result.match({
  onSuccess: ({ age, name }: Person) => `${name}, ${age}`,
  onFailure: ({ reason }: ExtractionError.ExtractionError) => {
    switch (reason._tag) {
      case "Refused":
        return `refused: ${reason.refusal}`
      case "InvalidOutput":
        return `no valid answer: ${reason.issues.map(ExtractionError.formatIssue).join(", ")}`
      default:
        return `${reason._tag}: ${reason.message}`
    }
  }
})

const program = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const [file] = yield* Stdio.Stdio.use((stdio) => stdio.args)
  const lines = fs.stream(file ?? `${import.meta.dirname}/people.txt`).pipe(
    Stream.decodeText,
    Stream.splitLines,
    Stream.filter((line) => line.trim() !== "")
  )
  let [people, failures, usage] = [0, 0, Usage.zero]
  yield* Stream.runForEach(Batch.stream(person, lines, { concurrency: 4, ordered: true }), (item) => {
    if (Result.isSuccess(item.result)) people++
    else failures++
    usage = Usage.add(usage, item.usage)
    return Console.log(`${item.index + 1}. ${describe(item.result)}`)
  })
  yield* Console.log(`${people} people, ${failures} failures, ${Usage.totalTokens(usage)} tokens`)
})

NodeRuntime.runMain(program.pipe(Effect.provide([Support.layer, NodeServices.layer])))
