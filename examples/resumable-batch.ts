/** A batch that is stopped in the middle, and goes on where it was: nothing is paid for twice. */
import { NodeFileSystem, NodeRuntime } from "@effect/platform-node"
import { Console, Effect, FileSystem, Layer, Result, Schema, Stream } from "effect"
import { Batch, BatchSummary, Extraction } from "effect-instructor"
import { NodeJournal } from "effect-instructor/node"
import * as Support from "./support.ts"

const person = Extraction.make({
  schema: Schema.Struct({ name: Schema.String, age: Schema.Int })
})

const texts = ["John", "Maria", "Alex", "Sarah", "Michael"].map((name, i) => `My name is ${name} and I am ${30 + i}`)

const run = Effect.fnUntraced(function*(path: string, count: number) {
  const options = { concurrency: 2, ordered: true, id: (_: string, index: number) => `person-${index}` }
  const { ok, restored } = yield* Batch.resumable(person, texts, options)
    .pipe(
      // Here the process could as well be killed.
      Stream.take(count),
      Stream.tap(({ id, restored, result }) =>
        Console.log(
          `${id}: ${Result.isSuccess(result) ? result.success.name : result.failure.message}` +
            (restored ? ", known already" : "")
        )
      ),
      Stream.run(BatchSummary.sink),
      Effect.provide(NodeJournal.layer({ path }))
    )
  yield* Console.log(`${ok} extracted, ${restored} from the journal`)
})

const program = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const directory = yield* fs.makeTempDirectoryScoped()
  yield* run(`${directory}/people.journal`, 2)
  yield* run(`${directory}/people.journal`, texts.length)
})

NodeRuntime.runMain(program.pipe(
  Effect.scoped,
  Effect.provide(Layer.mergeAll(Support.layer, NodeFileSystem.layer))
))
