/** Task: stream the people of one long text as the model writes them, and keep those that are valid. */
import { Effect, Option, Result, Schema, Stream } from "effect"
import { Extraction, ExtractionStream } from "effect-instructor"
import { MockLlm } from "effect-instructor/testing"

const person = Extraction.make({ schema: Schema.Struct({ name: Schema.String, age: Schema.Int }) })

export const solution = ExtractionStream.elements(person, "Ada is 36, Alan is old, Grace is 85").pipe(
  Stream.map(({ result }) => Option.map(Result.getSuccess(result), ({ name }) => name)),
  Stream.runCollect,
  Effect.map((names) => names.flatMap(Option.toArray)),
  Effect.provide(MockLlm.layer([{
    items: [{ name: "Ada", age: 36 }, { name: "Alan", age: "old" }, { name: "Grace", age: 85 }]
  }]))
)

export const expected = ["Ada", "Grace"]
