import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Result, Schema, Stream } from "effect"
import { Batch, Extraction, Journal, SqlJournal, Usage } from "effect-instructor"
import { NodeJournal, NodeSqlite } from "effect-instructor/node"
import { MockLlm } from "effect-instructor/testing"
import { SqlClient } from "effect/sql"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { hasPostgres, Postgres, Sqlite, uniqueName } from "../support/databases.ts"
import { Echo, texts } from "../support/echo.ts"

const echo = Extraction.make({ schema: Echo, maxAttempts: 1 })

const mock = MockLlm.layer((request) => {
  const text = request.messages[1]!.content as string
  return text.startsWith("bad") ? "no" : { echo: text }
})

/** Opens the same journal each time, as processes one after the other would. */
type Open = Layer.Layer<Journal.Journal, unknown>

const inDatabase = <E, R>(database: Layer.Layer<SqlClient.SqlClient, E, R>) =>
  Effect.gen(function*() {
    const client = yield* Layer.build(database)
    const name = uniqueName()
    yield* Effect.addFinalizer(() => Effect.orDie(SqlJournal.remove({ name }).pipe(Effect.provideContext(client))))
    return (): Open => SqlJournal.layer({ name }).pipe(Layer.provide(Layer.succeedContext(client)))
  })

const inFile = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "journal-"))),
    (directory) => Effect.sync(() => fs.rmSync(directory, { recursive: true }))
  ),
  (directory) => (): Open => NodeJournal.layer({ path: path.join(directory, "batch.journal") })
)

const journals = [
  { name: "a file", make: inFile, isSql: false, skip: false },
  { name: "SQLite", make: inDatabase(Sqlite), isSql: true, skip: false },
  { name: "PostgreSQL", make: inDatabase(Postgres), isSql: true, skip: !hasPostgres }
]

for (const { isSql, make, name, skip } of journals) {
  describe.skipIf(skip)(`a journal in ${name}`, () => {
    const withOpen = <A, E, R>(body: (open: () => Open) => Effect.Effect<A, E, R>) =>
      Effect.flatMap(make, (open) => body(open)).pipe(Effect.provide(mock))

    const run = (open: () => Open, inputs: ReadonlyArray<string>, options?: Batch.Options<string>) =>
      Effect.gen(function*() {
        const before = (yield* MockLlm.requests).length
        const items = yield* Stream.runCollect(Batch.resumable(echo, inputs, options)).pipe(
          Effect.provide(open(), { local: true })
        )
        return { items, sent: (yield* MockLlm.requests).length - before }
      })

    it.effect("keeps the last value of each note", () =>
      withOpen((open) =>
        Effect.gen(function*() {
          yield* Effect.gen(function*() {
            const journal = yield* Journal.Journal
            yield* journal.note("one", { value: 1 })
            yield* journal.note("two", ["a", null])
            yield* journal.note("one", { value: 2 })
            yield* journal.note("three", "x")
            yield* journal.note("three", null)
          }).pipe(Effect.provide(open(), { local: true }))
          yield* run(open, ["text 1"])
          const [notes, records] = yield* Effect.flatMap(
            Journal.Journal,
            (journal) => Effect.all([Stream.runCollect(journal.notes), Stream.runCollect(journal.records)])
          ).pipe(
            Effect.provide(open(), { local: true })
          )
          assert.deepStrictEqual(notes, [
            { name: "two", value: ["a", null] },
            { name: "one", value: { value: 2 } }
          ])
          assert.strictEqual(records.length, 1)
        })
      ))

    it.effect("restores the items of an earlier run as they were, and sends nothing twice", () =>
      withOpen((open) =>
        Effect.gen(function*() {
          const inputs = ["text é 🙂", "quote \" \\ \n \u0000 \ud800", "x".repeat(20_000), "bad 1", ...texts(600)]
          const first = yield* run(open, inputs, { ordered: true, concurrency: 300 })
          const second = yield* run(open, inputs, { ordered: true, concurrency: 300 })
          assert.strictEqual(first.sent, 604)
          assert.strictEqual(second.sent, 1)
          assert.deepStrictEqual(
            second.items.filter(({ restored }) => restored),
            first.items.filter(({ result }) => Result.isSuccess(result)).map((item) => ({ ...item, restored: true }))
          )
          const third = yield* run(open, inputs, { ordered: true, retryFailures: false })
          assert.strictEqual(third.sent, 0)
          const failed = third.items[3]!
          assert.isTrue(Result.isFailure(failed.result) && failed.result.failure.reason._tag === "InvalidOutput")
        })
      ))

    it.effect("replaces many failures at once", () =>
      withOpen((open) =>
        Effect.gen(function*() {
          const inputs = Array.from({ length: 50 }, (_, i) => `bad ${i}`)
          for (const _ of [1, 2]) {
            assert.strictEqual((yield* run(open, inputs, { concurrency: 50 })).sent, 50)
          }
          assert.strictEqual((yield* run(open, inputs, { retryFailures: false })).sent, 0)
        })
      ))

    it.effect("tells items apart in any order, by content and by id", () =>
      withOpen((open) =>
        Effect.gen(function*() {
          const inputs = [...texts(700), "text 1", "text 1", "text 5"]
          assert.strictEqual((yield* run(open, inputs, { concurrency: 100 })).sent, 703)
          const { items, sent } = yield* run(open, inputs.toReversed(), { concurrency: 100 })
          assert.strictEqual(sent, 0)
          for (const { input, result } of items) assert.deepStrictEqual(result, Result.succeed({ echo: input }))
          assert.strictEqual((yield* run(open, texts(20), { id: (text) => text })).sent, 20)
          const named = (yield* run(open, ["text 1", "text 2", "text 3"], {
            id: (text) => text === "text 2" ? "text 1" : text,
            ordered: true
          })).items
          assert.deepStrictEqual(named.map(({ restored }) => restored), [true, false, true])
          assert.isTrue(Result.isFailure(named[1]!.result))
        })
      ))

    it.effect("returns the last record of each item, with its index in this run", () =>
      withOpen((open) =>
        Effect.gen(function*() {
          const options = { id: (text: string) => text.slice(-1) }
          yield* run(open, ["text 1", "text 2", "bad 3"], { ...options, concurrency: 1 })
          const stored = yield* Effect.gen(function*() {
            yield* Stream.runDrain(
              Batch.resumable(echo, ["text 3", "other 1", "text 4"], { ...options, concurrency: 1 })
            )
            return yield* Stream.runCollect((yield* Journal.Journal).records)
          }).pipe(Effect.provide(open(), { local: true }))
          assert.deepStrictEqual(
            stored.map(({ claimedAs, record }) => [record.id, claimedAs, record.status, record.answer]),
            [
              ["2", undefined, "ok", { echo: "text 2" }],
              ["3", 0, "ok", { echo: "text 3" }],
              ["1", 1, "ok", { echo: "other 1" }],
              ["4", 2, "ok", { echo: "text 4" }]
            ]
          )
        })
      ))

    it.effect("runs an item again when its recorded answer is no longer valid, and records the new one", () =>
      withOpen((open) =>
        Effect.gen(function*() {
          let word = "first"
          const answering = MockLlm.layer(() => ({ word }))
          const go = (allowed: string) =>
            Stream.runCollect(Batch.resumable(
              Extraction.make({
                name: "Word",
                schema: Schema.Struct({ word: Schema.String.check(Schema.makeFilter((text) => text === allowed)) }),
                maxAttempts: 1
              }),
              ["text"]
            )).pipe(Effect.provide([open(), answering], { local: true }))
          yield* go("first")
          word = "second"
          assert.isFalse((yield* go("second"))[0]!.restored)
          const [last] = yield* go("second")
          assert.isTrue(last!.restored)
          assert.deepStrictEqual(last!.result, Result.succeed({ word: "second" }))
        })
      ))

    it.effect("fails an item whose answer no record can hold, and records the others", () =>
      withOpen((open) =>
        Effect.gen(function*() {
          const records = yield* Effect.gen(function*() {
            const journal = yield* Journal.Journal
            yield* journal.begin
            const [deep, other] = yield* journal.claim([
              { index: 0, id: undefined, content: "a" },
              { index: 1, id: undefined, content: "b" }
            ])
            let answer: Schema.Json = 1
            for (let i = 0; i < 600; i++) answer = [answer]
            const error = yield* Effect.flip(journal.commit(deep!, record(0, answer)))
            assert.strictEqual(error.reason._tag, "InvalidRecord")
            yield* journal.commit(other!, record(1, "b"))
            return yield* Stream.runCollect(journal.records)
          }).pipe(Effect.scoped, Effect.provide(open(), { local: true }))
          assert.deepStrictEqual(records.map(({ record }) => record.answer), ["b"])
        })
      ))

    it.effect("admits one run at a time within its layer", () =>
      withOpen((open) =>
        Effect.gen(function*() {
          const journal = yield* Journal.Journal
          yield* journal.begin
          const error = yield* Effect.flip(Effect.scoped(journal.begin))
          assert.strictEqual(error.reason._tag, "Locked")
        }).pipe(Effect.scoped, Effect.provide(open(), { local: true }))
      ))

    if (!isSql) return

    it.effect("keeps the first success of two processes that worked on the same item, and replaces failures", () =>
      withOpen((open) =>
        Effect.gen(function*() {
          const journalOf = Effect.flatMap(Layer.build(Layer.fresh(open())), (context) =>
            Effect.provideContext(Journal.Journal, context))
          const [one, two, three] = [yield* journalOf, yield* journalOf, yield* journalOf]
          const claimed: Array<Journal.Claim> = []
          for (const journal of [one, two, three]) {
            yield* journal.begin
            claimed.push((yield* journal.claim([{ index: 0, id: "a", content: "text" }]))[0]!)
          }
          assert.deepStrictEqual(
            claimed.map(({ status }) =>
              status
            ),
            ["new", "new", "new"]
          )
          yield* three.commit(claimed[2]!, { ...record(0, null), status: "error", error: "no" })
          yield* one.commit(claimed[0]!, record(0, "first"))
          yield* two.commit(claimed[1]!, record(0, "late"))
          yield* three.commit(claimed[2]!, { ...record(0, null), status: "error", error: "no" })
          const stored = yield* one.read(claimed[0]!)
          assert.deepStrictEqual(Option.map(stored, ({ answer }) => answer), Option.some("first"))
          assert.strictEqual((yield* Stream.runCollect(one.records)).length, 1)
        })
      ))

    it.effect("is shared by runs of several processes, which send each item once", () =>
      withOpen((open) =>
        Effect.gen(function*() {
          yield* Effect.forEach([0, 1, 2, 3], (part) =>
            run(open, texts(400).slice(part * 100, part * 100 + 100), { concurrency: 50 }), {
            concurrency: "unbounded"
          })
          const { items, sent } = yield* run(open, texts(400))
          assert.strictEqual(sent, 0)
          assert.strictEqual(items.length, 400)
        })
      ))
  })
}

const record = (index: number, answer: Schema.Json): Journal.JournalRecord => ({
  index,
  id: null,
  status: "ok",
  answer,
  attempts: 1,
  usage: Usage.zero,
  latencyMillis: 1
})

describe("SqlJournal", () => {
  it.effect("fails with the path of a database that cannot be opened", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Layer.build(NodeSqlite.layer({ filename: "/none/at/all.sqlite" })))
      assert.strictEqual(error._tag, "SqlError")
      assert.include((error.reason.cause as Error).message, "/none/at/all.sqlite")
    }))
})

describe("NodeSqlite", () => {
  it.effect("runs transactions, rolls back, streams, and takes values of all kinds", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE t (a INTEGER, b TEXT)`
      yield* sql`INSERT INTO t ${sql.insert([{ a: 1, b: "x" }, { a: 2, b: null }])}`
      yield* Effect.ignore(sql.withTransaction(
        Effect.andThen(sql`INSERT INTO t (a, b) VALUES (${true}, ${new Date(0)})`, Effect.fail("no"))
      ))
      assert.strictEqual((yield* sql`SELECT * FROM t`).length, 2)
      yield* sql.withTransaction(sql`INSERT INTO t (a, b) VALUES (${true}, ${new Date(0)})`)
      const rows = yield* Stream.runCollect(sql`SELECT a, b FROM t ORDER BY rowid`.stream)
      assert.deepStrictEqual(rows.map((row) => ({ ...row })), [
        { a: 1, b: "x" },
        { a: 2, b: null },
        { a: 1, b: "1970-01-01T00:00:00.000Z" }
      ])
      const error = yield* Effect.flip(sql`SELECT * FROM none`)
      assert.strictEqual(error._tag, "SqlError")
    }).pipe(Effect.provide(Sqlite)))
})
