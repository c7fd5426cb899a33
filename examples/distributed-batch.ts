/** A batch that two workers share, over a queue in a SQLite file. In production, the queue is in PostgreSQL or Redis. */
import { Console, Effect, Layer, Schema, Stream } from "effect"
import { Batch, BatchQueue, BatchWorker, Extraction } from "effect-instructor"
import { NodeSqlite } from "effect-instructor/node"
import { MockLlm } from "effect-instructor/testing"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"

const person = Extraction.make({
  name: "Person",
  schema: Schema.Struct({ name: Schema.String, age: Schema.Int })
})

const texts = Array.from({ length: 100 }, (_, i) => `Person ${i} is ${20 + i % 50}`)

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "distributed-"))
const Queue = BatchQueue.layerSql().pipe(
  Layer.provide(NodeSqlite.layer({ filename: path.join(directory, "queue.sqlite") }))
)

// A program of its own on each machine, with a provider such as OpenAi.layerConfig().
const Model = MockLlm.layer((request) => {
  const [, name, age] = /^(.+) is (\d+)$/.exec(request.messages.at(-1)!.content as string)!
  return { name: name!, age: Number(age) }
})
const Worker = BatchWorker.layer([person], { concurrency: 16 }).pipe(Layer.provide(Model))
const Workers = Layer.merge(Worker, Layer.fresh(Worker))

const program = Effect.gen(function*() {
  const people = yield* Batch.distributed(person, texts, { job: "people", chunkSize: 10, ordered: true }).pipe(
    Batch.values,
    Stream.runCollect
  )
  yield* Console.log(`${people.length} people, the last is ${people.at(-1)!.name}`)
  const [status] = yield* BatchQueue.status({ job: "people" })
  yield* Console.log(`${status!.state}: ${status!.succeeded} succeeded, ${status!.waiting} wait`)
}).pipe(
  Effect.provide(Layer.provideMerge(Workers, Queue)),
  Effect.ensuring(Effect.sync(() => fs.rmSync(directory, { recursive: true })))
)

await Effect.runPromise(program)
