/** A batch that is interrupted and resumed: no item is sent twice. */
import { NodeFileSystem, NodeRuntime } from "@effect/platform-node"
import { Console, Effect, FileSystem, Result, Schema, Stream } from "effect"
import { Batch, BatchSummary, Extraction } from "effect-instructor"
import { NodeJournal } from "effect-instructor/node"
import * as Support from "./support.ts"

const person = Extraction.make({
  schema: Schema.Struct({ name: Schema.String, age: Schema.Int })
})

const texts = ["John", "Maria", "Alex", "Sarah", "Michael"].map((name, i) => `My name is ${name} and I am ${30 + i}`)

const run = Effect.fnUntraced(function*(path: string, count: number) {
  const options = { concurrency: 2, ordered: true, id: (_: string, index: number) => `person-${index}` }
  const { restored, succeeded } = yield* Batch.resumable(person, texts, options)
    .pipe(
      // The process could be killed here just as well.
      Stream.take(count),
      Stream.tap(({ id, restored, result }) =>
        Console.log(
          `${id}: ${Result.isSuccess(result) ? result.success.name : result.failure.message}` +
            (restored ? " (restored)" : "")
        )
      ),
      Stream.run(BatchSummary.sink),
      Effect.provide(NodeJournal.layer({ path }))
    )
  yield* Console.log(`${succeeded} extracted, ${restored} from the journal`)
})

const program = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const directory = yield* fs.makeTempDirectoryScoped()
  yield* run(`${directory}/people.journal`, 2)
  yield* run(`${directory}/people.journal`, texts.length)
})

NodeRuntime.runMain(program.pipe(
  Effect.scoped,
  Effect.provide([Support.layer, NodeFileSystem.layer])
))
