/** A batch job: each line of texts.txt becomes a line of people.jsonl. Run it again to go on where it stopped. */
import { NodeFileSystem, NodeRuntime } from "@effect/platform-node"
import { Console, Effect, FileSystem, Result, Schema, Stream } from "effect"
import { Batch } from "effect-instructor"
import { NodeJournal } from "effect-instructor/node"
import { OpenAi } from "effect-instructor/openai"

const Person = Schema.Struct({ name: Schema.String, age: Schema.Int })

const program = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const texts = fs.stream("texts.txt").pipe(
    Stream.decodeText,
    Stream.splitLines,
    Stream.filter((line) => line !== "")
  )
  // The journal has the values of earlier runs, so the file is written anew.
  yield* Batch.resumable(Person, texts, { concurrency: 8, ordered: true, emitRestored: true }).pipe(
    Stream.map(({ index, result }) =>
      JSON.stringify(
        Result.isSuccess(result) ? { index, value: result.success } : { index, error: result.failure.reason._tag }
      )
    ),
    Stream.map((line) => `${line}\n`),
    Stream.encodeText,
    Stream.run(fs.sink("people.jsonl"))
  )
  yield* Console.log("Written to people.jsonl")
})

NodeRuntime.runMain(
  program.pipe(
    Effect.provide([NodeJournal.layer({ path: "people.journal" }), OpenAi.layerConfig(), NodeFileSystem.layer])
  )
)
