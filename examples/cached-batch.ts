/** A batch that runs twice with a cache in a SQLite file: the second run, and every other process, sends nothing. */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Console, Effect, FileSystem, Schema } from "effect"
import { Batch, Extraction, LlmCache } from "effect-instructor"
import { NodeLlmCache } from "effect-instructor/node"
import * as Support from "./support.ts"

const person = Extraction.make({ schema: Schema.Struct({ name: Schema.String, age: Schema.Int }) })

const texts = [
  "My name is John and I am 30 years old",
  "Her name is Maria and she is 25",
  "This is Alex, who is 42",
  "This is Alex, who is 42"
]

const run = Effect.gen(function*() {
  const people = yield* Batch.all(person, texts, { concurrency: 2 })
  const { hits, misses, shared } = yield* LlmCache.snapshot
  yield* Console.log(`${people.map(({ name }) => name).join(", ")}: ${misses} sent, ${hits + shared} from the cache`)
})

const program = Effect.gen(function*() {
  const folder = yield* FileSystem.FileSystem.use((fs) => fs.makeTempDirectoryScoped())
  // A cache of its own for each run, as in two processes that share the file.
  const cached = () =>
    LlmCache.layer({ store: NodeLlmCache.layerSqlite({ path: `${folder}/answers.sqlite` }), timeToLive: "30 days" })
  yield* Effect.provide(run, cached())
  yield* Effect.provide(run, cached())
})

NodeRuntime.runMain(program.pipe(Effect.scoped, Effect.provide([NodeServices.layer, Support.layer])))
