import { NodeRedis } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Logger, Result, Stream } from "effect"
import {
  Batch,
  BatchProgress,
  BatchQueue,
  BatchWorker,
  Extraction,
  Journal,
  type Llm,
  SqlJournal
} from "effect-instructor"
import { NatsQueue } from "effect-instructor/node"
import { MockLlm, Reply } from "effect-instructor/testing"
import { AiError, Prompt } from "effect/ai"
import { PersistedQueue } from "effect/persistence"
import { SqlClient } from "effect/sql"
import {
  hasNats,
  hasPostgres,
  hasRedis,
  natsUrl,
  Postgres,
  redisUrl,
  Sqlite,
  uniqueName
} from "../support/databases.ts"
import { Echo, texts } from "../support/echo.ts"

const echo = Extraction.make({ name: "Echo", schema: Echo, maxAttempts: 2 })

const lastText = (request: { readonly messages: ReadonlyArray<{ readonly content: unknown }> }) =>
  JSON.stringify(request.messages.at(-1)!.content)

const mock = MockLlm.layer((request) => {
  const text = lastText(request)
  return text.includes("refused") ? Reply.refusal("No.") : text.includes("bad") ? "no" : { echo: text }
})

const options = { pollInterval: "20 millis", leaseDuration: "4 seconds" } as const

const Redis = NodeRedis.layer({ url: redisUrl })

type Queues = Layer.Layer<BatchQueue.BatchQueue | SqlClient.SqlClient, unknown>

const inMemory: Queues = BatchQueue.layer.pipe(
  Layer.provide(PersistedQueue.layerStoreMemory),
  Layer.provideMerge(Sqlite)
)

const queues: ReadonlyArray<{ readonly name: string; readonly layer: Queues; readonly skip: boolean }> = [
  { name: "memory", layer: inMemory, skip: false },
  { name: "SQLite", layer: BatchQueue.layerSql(options).pipe(Layer.provideMerge(Sqlite)), skip: false },
  { name: "PostgreSQL", layer: BatchQueue.layerSql(options).pipe(Layer.provideMerge(Postgres)), skip: !hasPostgres },
  {
    name: "Redis and PostgreSQL",
    layer: BatchQueue.layerRedis(options).pipe(Layer.provide(Redis), Layer.provideMerge(Postgres)),
    skip: !hasPostgres || !hasRedis
  },
  {
    name: "NATS and SQLite",
    layer: NatsQueue.layer({ servers: natsUrl, leaseDuration: "4 seconds" }).pipe(Layer.provideMerge(Sqlite)),
    skip: !hasNats
  }
]

const fast = { pollInterval: "10 millis" } as const

/** Everything of an item that does not depend on time. */
const comparable = <A, In>({ attempts, id, index, input, result, usage }: Batch.Item<A, In>) => ({
  attempts,
  id,
  index,
  input,
  result,
  usage
})

const inJob = <A, E, R>(body: (job: string) => Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const job = uniqueName()
    return Effect.ensuring(body(job), Effect.orDie(BatchQueue.remove({ job })))
  })

for (const { layer, name, skip } of queues) {
  describe.skipIf(skip)(`Batch.distributed over ${name}`, () => {
    const run = <A, E>(
      body: (
        job: string
      ) => Effect.Effect<A, E, BatchQueue.BatchQueue | MockLlm.MockLlm | Llm.Llm | SqlClient.SqlClient>
    ) => inJob(body).pipe(Effect.provide(Layer.merge(layer, mock)))

    it.live("emits what Batch.stream emits, from two workers", () =>
      run((job) =>
        Effect.gen(function*() {
          const inputs = ["text é 🙂 \ud800 \u0000", "bad 1", "refused", "text 1", "text 1", ...texts(200)]
          const items = { id: (_: string, index: number) => `id ${index}`, ordered: true } as const
          const expected = yield* Stream.runCollect(Batch.stream(echo, inputs, items))
          const worker = BatchWorker.run([echo], { concurrency: 20 })
          const workers = yield* Effect.forkChild(Effect.all([worker, worker], { concurrency: 2 }))
          const distributed = Batch.distributed(echo, inputs, { ...items, ...fast, job, chunkSize: 16 })
          const actual = yield* Stream.runCollect(distributed)
          assert.deepStrictEqual(actual.map(comparable), expected.map(comparable))
          assert.isTrue(actual.every(({ restored }) => !restored))
          // Again: nothing is sent but the failure.
          const sent = (yield* MockLlm.requests).length
          const again = yield* Stream.runCollect(distributed)
          assert.deepStrictEqual(again.map(comparable), expected.map(comparable))
          assert.strictEqual((yield* MockLlm.requests).length - sent, 1)
          const kept = yield* Stream.runCollect(
            Batch.distributed(echo, inputs, { ...items, ...fast, job, chunkSize: 16, retryFailures: false })
          )
          assert.isTrue(kept.every(({ restored }) => restored))
          assert.deepStrictEqual(kept.map(comparable), expected.map(comparable))
          yield* Fiber.interrupt(workers)
        })
      ))
  })
}

describe("Batch.distributed", () => {
  const provide = Effect.provide(Layer.merge(inMemory, mock))

  const working = <A, E, R>(effect: Effect.Effect<A, E, R>, workerOptions?: BatchWorker.Options) =>
    Effect.gen(function*() {
      const worker = yield* Effect.forkChild(BatchWorker.run([echo], { concurrency: 8, ...workerOptions }))
      const result = yield* effect
      yield* Fiber.interrupt(worker)
      return result
    })

  it.live("takes prompts of any kind, and fails the items whose prompt throws", () =>
    inJob((job) =>
      Effect.gen(function*() {
        const image = Prompt.make([
          Prompt.userMessage({
            content: [
              Prompt.textPart({ text: "What is this?" }),
              Prompt.filePart({ mediaType: "image/png", data: new Uint8Array([1, 2, 3]) })
            ]
          })
        ])
        const extraction = Extraction.make({
          name: "Echo",
          schema: Echo,
          maxAttempts: 2,
          prompt: (input: { readonly kind: string; readonly when: Date }) => {
            if (input.kind === "throws") throw new Error("no prompt")
            if (input.kind === "rejected") return Result.fail("not this one")
            return input.kind === "image" ? image : `${input.kind} at ${input.when.getTime()}`
          }
        })
        const inputs = ["throws", "text", "image", "rejected"].map((kind) => ({ kind, when: new Date(5) }))
        const expected = yield* Stream.runCollect(Batch.stream(extraction, inputs, { ordered: true }))
        const actual = yield* working(
          Stream.runCollect(Batch.distributed(extraction, inputs, { ...fast, job, ordered: true, chunkSize: 2 }))
        )
        assert.deepStrictEqual(actual.map(comparable), expected.map(comparable))
        assert.strictEqual(actual[1]!.input, inputs[1])
      })
    ).pipe(provide))

  it.live("takes extractions with checks and derived ones, and fails inputs of these that have no JSON form", () =>
    inJob((job) =>
      Effect.gen(function*() {
        const checked = Extraction.check(echo, (value, { source }) => value.echo.includes(source) || `not in ${source}`)
        const worker = (extraction: Extraction.Extraction<unknown, never>) =>
          Effect.forkChild(BatchWorker.run([extraction], { concurrency: 4 }))
        const both = <A>(extraction: Extraction.Extraction<A, string>, inputs: ReadonlyArray<string>) =>
          Effect.gen(function*() {
            const fiber = yield* worker(extraction)
            const expected = yield* Stream.runCollect(Batch.stream(extraction, inputs, { ordered: true }))
            const distributed = Batch.distributed(extraction, inputs, { ...fast, job, ordered: true })
            const actual = yield* Stream.runCollect(distributed)
            assert.deepStrictEqual(actual.map(comparable), expected.map(comparable))
            assert.isTrue(actual.some(({ result }) => Result.isSuccess(result)))
            yield* Fiber.interrupt(fiber)
          })
        yield* both(Extraction.mapInput(checked, (text: string) => text), texts(3))
        const grounded = Extraction.grounded(echo)
        yield* both(grounded, texts(3))
        const ofDates = Extraction.mapInput(grounded, (date: Date) => String(date.getTime()))
        const items = yield* Stream.runCollect(Batch.distributed(ofDates, [new Date(0)], { ...fast, job }))
        assert.isTrue(Result.isFailure(items[0]!.result) && items[0]!.result.failure.reason._tag === "InvalidInput")
      })
    ).pipe(provide))

  it.live("runs only the items again that have changed", () =>
    inJob((job) =>
      Effect.gen(function*() {
        const sent = Effect.map(MockLlm.requests, ({ length }) => length)
        const go = (inputs: ReadonlyArray<string>) =>
          Stream.runCollect(Batch.distributed(echo, inputs, { ...fast, job, ordered: true, chunkSize: 10 }))
        yield* working(Effect.gen(function*() {
          yield* go(texts(30))
          const before = yield* sent
          const changed = texts(30).map((text, i) => i === 12 ? "another" : text)
          assert.deepStrictEqual(
            (yield* go(changed)).map(({ result }) => Result.map(result, ({ echo }) => echo)),
            changed.map((text) => Result.succeed(JSON.stringify(text)))
          )
          assert.strictEqual((yield* sent) - before, 1)
          // Longer and shorter sources.
          yield* go([...changed, "one more"])
          assert.strictEqual((yield* sent) - before, 2)
          assert.strictEqual((yield* go(changed.slice(0, 5))).length, 5)
        }))
        const [status] = yield* BatchQueue.status({ job })
        assert.strictEqual(status!.items, 5)
        assert.strictEqual(status!.state, "finished")
      })
    ).pipe(provide))

  it.live("leaves the results in the tables when it is only submitted, and a later run collects them", () =>
    inJob((job) =>
      Effect.gen(function*() {
        const source = Stream.fromIterable(texts(50))
        assert.deepStrictEqual(yield* Batch.submit(echo, source, { job, chunkSize: 20 }), { job, items: 50, chunks: 3 })
        const [before] = yield* BatchQueue.status({ job })
        assert.deepInclude(before!, { state: "running", waiting: 50, succeeded: 0, workers: [] })
        yield* BatchWorker.run(echo, { idleTimeout: "200 millis" })
        const [after] = yield* BatchQueue.status({ job })
        assert.deepInclude(after!, { state: "finished", waiting: 0, succeeded: 50, failed: 0 })
        const records = yield* Effect.flatMap(SqlRecords, Stream.runCount).pipe(
          Effect.provide(SqlJournal.layer({ name: job }))
        )
        assert.strictEqual(records, 50)
        const items = yield* Stream.runCollect(
          Batch.distributed(echo, source, { ...fast, job, chunkSize: 20, ordered: true })
        )
        assert.deepStrictEqual(
          items.map(({ index, restored }) => [index, restored]),
          texts(50).map((_, i) => [i, true])
        )
      })
    ).pipe(provide))

  it.live("stops after too many failures or the timeout, and its workers begin no further chunk", () =>
    inJob((job) =>
      Effect.gen(function*() {
        const bad = Array.from({ length: 40 }, (_, i) => `refused ${i}`)
        const tooMany = yield* working(
          Effect.flip(Stream.runDrain(Batch.distributed(echo, bad, { ...fast, job, chunkSize: 4, maxFailures: 3 }))),
          { concurrency: 1 }
        )
        assert.strictEqual(tooMany.reason._tag, "TooManyFailures")
        assert.isBelow((yield* MockLlm.requests).length, 40)
        const timedOut = yield* Effect.flip(
          Stream.runDrain(Batch.distributed(echo, texts(4), { ...fast, job, timeout: "50 millis" }))
        )
        assert.strictEqual(timedOut.reason._tag, "TimedOut")
        const before = (yield* MockLlm.requests).length
        yield* BatchWorker.run(echo, { idleTimeout: "200 millis" })
        assert.strictEqual((yield* MockLlm.requests).length, before)
        // Another run goes on.
        assert.strictEqual(yield* working(Stream.runCount(Batch.distributed(echo, texts(4), { ...fast, job }))), 4)
      })
    ).pipe(provide))

  it.live(
    "gives every chunk back when a worker fails for good, and fails when no worker is left",
    () =>
      inJob((job) =>
        Effect.gen(function*() {
          const wrongKey = MockLlm.layer(() => Effect.fail(new AiError.AuthenticationError({ kind: "InvalidKey" })))
          const feeding = yield* Effect.forkChild(
            Effect.flip(Stream.runDrain(Batch.distributed(echo, texts(40), { ...fast, job, chunkSize: 8 })))
          )
          const failed = yield* Effect.flip(BatchWorker.run(echo).pipe(Effect.provide(wrongKey, { local: true })))
          assert.strictEqual(failed.reason._tag, "Unrecoverable")
          const error = yield* Fiber.join(feeding)
          assert.strictEqual(error.reason._tag, "Unrecoverable")
          assert.deepStrictEqual(yield* BatchQueue.deadLetters({ job }), [])
          const items = yield* working(
            Stream.runCollect(Batch.distributed(echo, texts(40), { ...fast, job, chunkSize: 8 }))
          )
          assert.isTrue(items.every(({ result }) => Result.isSuccess(result)))
          assert.strictEqual(items.length, 40)
        })
      ).pipe(provide),
    20_000
  )

  it.live("refuses the chunks of another version of its extraction, and says so", () =>
    inJob((job) =>
      Effect.gen(function*() {
        const messages: Array<string> = []
        const logger = Logger.make(({ message }) => void messages.push(String(message)))
        yield* Batch.submit(echo, texts(4), { job })
        const other = Extraction.make({ name: "Echo", schema: Echo, instructions: "Otherwise." })
        yield* BatchWorker.run([other], { idleTimeout: "100 millis" }).pipe(Effect.provide(Logger.layer([logger])))
        assert.strictEqual((yield* MockLlm.requests).length, 0)
        assert.isTrue(
          messages.some((message) => message.includes("another version of the extraction Echo")),
          messages.join()
        )
        assert.strictEqual(yield* working(Stream.runCount(Batch.distributed(echo, texts(4), { ...fast, job }))), 4)
      })
    ).pipe(provide))

  it.live("drains: items in flight finish, the others go to the next worker, and no attempt is used", () =>
    inJob((job) =>
      Effect.gen(function*() {
        const started = yield* Deferred.make<void>()
        let requests = 0
        const slow = MockLlm.layer((request) => {
          if (++requests === 3) Deferred.doneUnsafe(started, Effect.void)
          return Reply.delayed({ echo: lastText(request) }, 150)
        })
        yield* Batch.submit(echo, texts(12), { job })
        const worker = yield* Effect.forkChild(
          BatchWorker.run(echo, { concurrency: 3 }).pipe(Effect.provide(slow, { local: true }))
        )
        yield* Deferred.await(started)
        yield* Fiber.interrupt(worker)
        assert.strictEqual(requests, 3)
        yield* BatchWorker.run(echo, { idleTimeout: "200 millis" })
        assert.strictEqual((yield* MockLlm.requests).length, 9)
        assert.deepInclude((yield* BatchQueue.status({ job }))[0]!, { state: "finished", succeeded: 12 })
      })
    ).pipe(provide))

  it.live("gives up a chunk that ends its workers, lists it, and requeues it", () =>
    inJob((job) =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        yield* Batch.submit(echo, texts(4), { job })
        // A worker that finds it began once already, and may begin no chunk twice.
        yield* BatchWorker.run(echo, { idleTimeout: "200 millis", maxAttempts: 0 })
        const [letter] = yield* BatchQueue.deadLetters({ job })
        assert.deepInclude(letter!, { job, chunk: 0, items: 4 })
        const feeding = Batch.distributed(echo, texts(4), { ...fast, job })
        assert.strictEqual(yield* BatchQueue.requeue({ job }), 1)
        const items = yield* working(Stream.runCollect(feeding))
        assert.isTrue(items.every(({ result }) => Result.isSuccess(result)))
        assert.deepStrictEqual(yield* BatchQueue.deadLetters({ job }), [])
        assert.strictEqual((yield* sql`SELECT * FROM effect_instructor_worker`).length, 0)
      })
    ).pipe(provide))

  it.live("fails when another process feeds other items under the same name", () =>
    inJob((job) =>
      Effect.gen(function*() {
        const first = yield* Effect.forkChild(
          Effect.flip(Stream.runDrain(Batch.distributed(echo, ["one"], { ...fast, job })))
        )
        yield* Effect.sleep("100 millis")
        yield* Batch.submit(echo, ["two"], { job })
        assert.strictEqual((yield* Fiber.join(first)).reason._tag, "Superseded")
      })
    ).pipe(provide))

  it.live("reports progress, and refuses a text as its source", () =>
    inJob((job) =>
      Effect.gen(function*() {
        const progress = yield* BatchProgress.make
        yield* working(Stream.runDrain(Batch.distributed(echo, ["a", "refused"], { ...fast, job, progress })))
        assert.deepInclude(yield* progress.snapshot, { succeeded: 1, failed: 1, restored: 0 })
        const error = yield* Effect.flip(Stream.runDrain(Batch.distributed(echo, "text" as never, { job })))
        assert.strictEqual(error.reason._tag, "Unrecoverable")
        assert.strictEqual(yield* Stream.runCount(Batch.distributed(echo, [], { job })), 0)
      })
    ).pipe(provide))
})

const SqlRecords = Effect.map(Journal.Journal, ({ records }) => records)
