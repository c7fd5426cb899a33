import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Fiber, Layer, Option, Result, Schema, Stream } from "effect"
import { Batch, BatchProgress, Extraction, Journal, Llm } from "effect-instructor"
import { MockLlm } from "effect-instructor/testing"
import { AiError } from "effect/ai"
import { TestClock } from "effect/testing"
import { completion } from "../support/completions.ts"
import { Echo, echo, mock, run, texts } from "../support/echo.ts"

describe("Batch.resumable", () => {
  const restoredIndexes = <A, In>(items: ReadonlyArray<Batch.Item<A, In>>) =>
    items.filter(({ restored }) => restored).map(({ index }) => index).toSorted((a, b) => a - b)

  it.effect("restores succeeded items and runs failed ones again", () =>
    Effect.gen(function*() {
      const batch = Batch.resumable(echo, ["text 1", "bad 2", "text 3"], { concurrency: 1 })
      const first = yield* run(Stream.runCollect(batch))
      assert.deepStrictEqual(restoredIndexes(first), [])
      const sent = (yield* MockLlm.requests).length
      const second = yield* run(Stream.runCollect(batch))
      // The failed item is sent again, twice.
      assert.strictEqual((yield* MockLlm.requests).length, sent + 2)
      assert.deepStrictEqual(restoredIndexes(second), [0, 2])
      assert.deepStrictEqual(
        second.toSorted((a, b) => a.index - b.index).map(({ result }) => Result.isSuccess(result)),
        [true, false, true]
      )
      const [first1, second1] = [first, second].map((items) => items.find(({ index }) => index === 0)!)
      assert.deepStrictEqual({ ...second1!, restored: false }, first1)
    }).pipe(Effect.provide([mock(), Journal.layerMemory])))

  it.effect("restores failed items with their error when `retryFailures` is false", () =>
    Effect.gen(function*() {
      const batch = Batch.resumable(echo, ["text 1", "bad 2"], { retryFailures: false, ordered: true })
      const first = yield* run(Stream.runCollect(batch))
      const second = yield* run(Stream.runCollect(batch))
      assert.strictEqual((yield* MockLlm.requests).length, 3)
      assert.deepStrictEqual(second.map((item) => ({ ...item, restored: false })), first)
    }).pipe(Effect.provide([mock(), Journal.layerMemory])))

  it.effect("leaves out restored items when `emitRestored` is false, and still counts them", () =>
    Effect.gen(function*() {
      const progress = yield* BatchProgress.make
      yield* run(Stream.runDrain(Batch.resumable(echo, ["text 1", "text 2"])))
      const second = yield* run(Stream.runCollect(
        Batch.resumable(echo, ["text 1", "text 3", "text 2"], { emitRestored: false, progress })
      ))
      assert.deepStrictEqual(second.map(({ input }) => input), ["text 3"])
      const { restored, succeeded } = yield* progress.snapshot
      assert.deepStrictEqual({ restored, succeeded }, { restored: 2, succeeded: 1 })
    }).pipe(Effect.provide([mock(), Journal.layerMemory])))

  it.effect("tells beforehand which items the journal has", () =>
    Effect.gen(function*() {
      const inputs = ["text 1", "bad 2", "text 3"]
      yield* run(Stream.runDrain(Batch.resumable(echo, inputs)))
      const sent = (yield* MockLlm.requests).length
      const more = [...inputs, "text 4", "text 3"]
      assert.deepStrictEqual(yield* Batch.preview(echo, more), { succeeded: 2, failed: 1, pending: 2 })
      // The claims of a preview are not those of a run.
      assert.deepStrictEqual(yield* Batch.preview(echo, more), { succeeded: 2, failed: 1, pending: 2 })
      const changed = Extraction.make({ schema: Echo, instructions: "Take care." })
      assert.deepStrictEqual(yield* Batch.preview(changed, inputs), { succeeded: 0, failed: 0, pending: 3 })
      assert.strictEqual((yield* MockLlm.requests).length, sent)
      assert.deepStrictEqual(restoredIndexes(yield* run(Stream.runCollect(Batch.resumable(echo, more)))), [0, 2])
    }).pipe(Effect.provide([mock(), Journal.layerMemory])))

  it.effect("runs again only the items that a change affects, and none after a change of order", () =>
    Effect.gen(function*() {
      const sentBy = (effect: Effect.Effect<unknown, unknown, MockLlm.MockLlm>) =>
        Effect.gen(function*() {
          const before = (yield* MockLlm.requests).length
          yield* run(effect)
          return (yield* MockLlm.requests).length - before
        })
      const inputs = ["text 1", "text 2", "text 3"]
      const context = yield* Effect.context<Journal.Journal | Llm.Llm>()
      const go = <A>(extraction: Extraction.Extraction<A, Extraction.PromptInput>, inputs: ReadonlyArray<string>) =>
        sentBy(Stream.runDrain(Batch.resumable(extraction, inputs)).pipe(Effect.provideContext(context)))
      assert.strictEqual(yield* go(echo, inputs), 3)
      assert.strictEqual(yield* go(echo, inputs.toReversed()), 0)
      assert.strictEqual(yield* go(echo, ["text 1", "text 4", "text 3"]), 1)
      const variants = [
        Extraction.make({ schema: Echo, instructions: "Take care." }),
        Extraction.make({
          schema: Schema.Struct({ echo: Schema.String.annotate({ description: "the words" }) })
        }),
        Extraction.make({ schema: Echo, model: "another" }),
        Extraction.make({ schema: Echo, mode: "json" }),
        Extraction.make({ schema: Echo, parameters: { temperature: 1 } })
      ]
      for (const variant of variants) assert.strictEqual(yield* go(variant, inputs), 3)
      // An equal extraction makes equal requests.
      assert.strictEqual(yield* go(Extraction.make({ schema: Schema.Struct({ echo: Schema.String }) }), inputs), 0)
    }).pipe(Effect.provide([mock(), Journal.layerMemory])))

  it.effect("runs an item with an id again when its content has changed", () =>
    Effect.gen(function*() {
      const go = (people: ReadonlyArray<readonly [id: string, text: string]>) =>
        run(Stream.runCollect(Batch.resumable(
          Extraction.make({ schema: Echo, prompt: ([, text]: readonly [string, string]) => text }),
          people,
          { id: ([id]) => id, ordered: true }
        )))
      yield* go([["a", "text 1"], ["b", "text 2"]])
      const items = yield* go([["b", "text 2"], ["a", "text 3"], ["c", "text 1"]])
      assert.deepStrictEqual(items.map(({ restored }) => restored), [true, false, false])
      assert.deepStrictEqual(items.map(({ id }) => id), ["b", "a", "c"])
    }).pipe(Effect.provide([mock(), Journal.layerMemory])))

  it.effect("treats equal texts without ids as separate items, and fails the second item of an id", () =>
    Effect.gen(function*() {
      const twice = Batch.resumable(echo, ["text 1", "text 1", "text 1"])
      assert.strictEqual(yield* run(Stream.runCount(twice)), 3)
      assert.strictEqual(yield* run(Stream.runCount(twice)), 3)
      assert.strictEqual((yield* MockLlm.requests).length, 3)
      const named = Batch.resumable(echo, ["text 4", "text 5", "text 6"], {
        ordered: true,
        id: (text) => text === "text 6" ? "b" : "a"
      })
      for (const _ of [1, 2]) {
        const items = yield* run(Stream.runCollect(named))
        assert.deepStrictEqual(items.map(({ id }) => id), ["a", "a", "b"])
        assert.deepStrictEqual(
          items.map(({ result }) => Result.isSuccess(result) ? "Success" : result.failure.reason._tag),
          ["Success", "InvalidInput", "Success"]
        )
      }
    }).pipe(Effect.provide([mock(), Journal.layerMemory])))

  it.effect("runs an item again when its recorded answer is no longer valid", () =>
    Effect.gen(function*() {
      const withCheck = (passes: (text: string) => boolean) =>
        Extraction.make({
          name: "Echo",
          schema: Schema.Struct({ echo: Schema.String.check(Schema.makeFilter(passes)) }),
          maxAttempts: 1
        })
      const texts = ["text 1", "text 2"]
      yield* run(Stream.runDrain(Batch.resumable(withCheck(() => true), texts)))
      const items = yield* run(Stream.runCollect(
        Batch.resumable(withCheck((text) => text !== "text 2"), texts, { ordered: true })
      ))
      assert.deepStrictEqual(items.map(({ restored }) => restored), [true, false])
    }).pipe(Effect.provide([mock(), Journal.layerMemory])))

  it.effect("leaves the items after an unrecoverable failure for the next run", () =>
    Effect.gen(function*() {
      let quota = 3
      const limited = MockLlm.layer(
        () => quota-- > 0 ? { echo: "x" } : Effect.fail(new AiError.QuotaExhaustedError({})),
        { delay: "1 millis" }
      )
      const batch = Batch.resumable(echo, texts(6), { concurrency: 1 }).pipe(Stream.runCollect)
      const error = yield* run(Effect.flip(batch)).pipe(Effect.provide(limited))
      assert.strictEqual(error.reason._tag, "Unrecoverable")
      quota = 100
      const items = yield* run(batch).pipe(Effect.provide(limited))
      assert.deepStrictEqual(restoredIndexes(items), [0, 1, 2])
      assert.strictEqual(items.length, 6)
      assert.isTrue(items.every(({ result }) => Result.isSuccess(result)))
    }).pipe(Effect.provide(Journal.layerMemory)))

  it.effect("lets items in flight finish within `grace` when it is interrupted, and does not send them again", () =>
    Effect.gen(function*() {
      const batch = (grace: Duration.Input) =>
        Stream.runDrain(Batch.resumable(echo, texts(50), { concurrency: 5, grace }))
      const interruptAfter = (sent: number, grace: Duration.Input) =>
        Effect.gen(function*() {
          const fiber = yield* Effect.forkChild(batch(grace))
          while ((yield* MockLlm.requests).length < sent) yield* TestClock.adjust("1 millis")
          yield* run(Fiber.interrupt(fiber))
          assert.strictEqual((yield* MockLlm.requests).length, sent)
        })
      yield* interruptAfter(5, "1 second")
      assert.strictEqual(yield* MockLlm.interrupted, 0)
      yield* interruptAfter(10, "0 millis")
      assert.strictEqual(yield* MockLlm.interrupted, 5)
      yield* run(batch("1 second"))
      // Five were interrupted and sent again.
      assert.strictEqual((yield* MockLlm.requests).length, 50 + 5)
    }).pipe(Effect.provide([mock(), Journal.layerMemory])))

  it.effect("records the items that finish within `grace` after its timeout, and leaves the others for the next run", () =>
    Effect.gen(function*() {
      const progress = yield* BatchProgress.make
      const batch = (options?: Batch.Options<string>) =>
        Batch.resumable(echo, texts(8), { concurrency: 2, ...options }).pipe(Stream.runCollect)
      const error = yield* run(Effect.flip(batch({ timeout: "150 millis", grace: "1 second", progress })))
      assert.strictEqual(error.reason._tag, "TimedOut")
      assert.strictEqual((yield* progress.snapshot).succeeded, 4)
      const items = yield* run(batch())
      assert.deepStrictEqual(restoredIndexes(items), [0, 1, 2, 3])
      assert.strictEqual((yield* MockLlm.requests).length, 8)
    }).pipe(Effect.provide([mock(), Journal.layerMemory])))

  it.effect("reports the latency of each item, and keeps it in the journal", () =>
    Effect.gen(function*() {
      const progress = yield* BatchProgress.make
      const batch = Batch.resumable(echo, texts(3), { concurrency: 1, progress }).pipe(Stream.runCollect)
      for (const restored of [false, true]) {
        const items = yield* run(batch)
        assert.deepStrictEqual(items.map(({ latency }) => Duration.toMillis(latency)), [100, 90, 80])
        assert.deepStrictEqual(items.map((item) => item.restored), [restored, restored, restored])
      }
      assert.deepStrictEqual(Duration.toMillis((yield* progress.snapshot).latency.max), 100)
    }).pipe(Effect.provide([mock(), Journal.layerMemory])))

  it.effect("emits items in input order when `ordered`, restored or not", () =>
    Effect.gen(function*() {
      yield* run(Stream.runDrain(Batch.resumable(echo, ["text 3", "text 5"])))
      const items = yield* run(Stream.runCollect(Batch.resumable(echo, texts(6), { concurrency: 6, ordered: true })))
      assert.deepStrictEqual(items.map(({ index }) => index), [0, 1, 2, 3, 4, 5])
      assert.deepStrictEqual(restoredIndexes(items), [3, 5])
    }).pipe(Effect.provide([mock(), Journal.layerMemory])))

  it.effect("stops after `maxFailures`, and counts restored failures in no run", () =>
    Effect.gen(function*() {
      const batch = Batch.resumable(echo, ["bad 1", "bad 2", "bad 3", "text 9"], {
        concurrency: 1,
        maxFailures: 2,
        retryFailures: false
      }).pipe(Stream.runCollect)
      const error = yield* run(Effect.flip(batch))
      assert.strictEqual(error.reason._tag, "TooManyFailures")
      const items = yield* run(batch)
      assert.deepStrictEqual(restoredIndexes(items), [0, 1])
      assert.strictEqual(items.length, 4)
    }).pipe(Effect.provide([mock(), Journal.layerMemory])))

  it.effect("refuses a journal that another run is using", () =>
    Effect.gen(function*() {
      const started = yield* Deferred.make<void>()
      const source = Stream.concat(
        Stream.fromEffect(Effect.as(Deferred.succeed(started, undefined), "text 9")),
        Stream.never
      )
      const first = yield* Effect.forkChild(Stream.runDrain(Batch.resumable(echo, source)))
      yield* Deferred.await(started)
      const error = yield* Effect.flip(Stream.runDrain(Batch.resumable(echo, ["text 1"])))
      assert.isTrue(error.reason._tag === "JournalFailure" && error.reason.error.reason._tag === "Locked")
      yield* run(Fiber.interrupt(first))
      yield* run(Stream.runDrain(Batch.resumable(echo, ["text 1"])))
    }).pipe(Effect.provide([mock(), Journal.layerMemory])))

  it.effect("stops when the journal fails, and still emits the items that finished", () =>
    Effect.gen(function*() {
      const journal = yield* Journal.Journal
      let commits = 0
      const full = Effect.fail(
        new Journal.JournalError({
          reason: new Journal.FileFailure({ path: "j", operation: "written", description: "no room" })
        })
      )
      const seen: Array<number> = []
      const error = yield* run(Effect.flip(
        Batch.resumable(echo, texts(20), { concurrency: 2 }).pipe(
          Stream.runForEach(({ index }) => Effect.sync(() => seen.push(index)))
        )
      )).pipe(Effect.provideService(
        Journal.Journal,
        Journal.Journal.of({ ...journal, commit: (...args) => ++commits > 4 ? full : journal.commit(...args) })
      ))
      assert.strictEqual(error.reason._tag, "JournalFailure")
      assert.include(error.message, "no room")
      assert.strictEqual((yield* MockLlm.requests).length, seen.length)
      assert.isAtMost(seen.length, 6)
    }).pipe(Effect.provide([mock(), Journal.layerMemory])))

  it.effect("runs an item again when the record of its failure cannot be read", () =>
    Effect.gen(function*() {
      const journal = yield* Journal.Journal
      const batch = Batch.resumable(echo, ["bad 9"], { retryFailures: false }).pipe(Stream.runCollect)
      yield* run(batch)
      const sent = (yield* MockLlm.requests).length
      // As written by a version with other errors.
      const unreadable = Journal.Journal.of({
        ...journal,
        read: (claim) =>
          Effect.map(journal.read(claim), Option.map((record) => ({ ...record, error: { _tag: "Unknown" } })))
      })
      const [item] = yield* run(batch).pipe(Effect.provideService(Journal.Journal, unreadable))
      assert.isFalse(item!.restored)
      assert.isTrue(Result.isFailure(item!.result) && item!.result.failure.reason._tag === "InvalidOutput")
      assert.strictEqual((yield* MockLlm.requests).length, sent + 2)
    }).pipe(Effect.provide([mock(), Journal.layerMemory])))

  it.effect("runs an item again when another server with a model of the same name answers", () =>
    Effect.gen(function*() {
      const asked: Array<string> = []
      const server = (origin: string) =>
        Layer.succeed(
          Llm.Llm,
          Llm.make({
            provider: "own",
            origin,
            model: "small",
            complete: () => {
              asked.push(origin)
              return Effect.succeed(completion({ text: "{\"echo\":\"x\"}" }))
            }
          })
        )
      for (const origin of ["http://one", "http://two", "http://one"]) {
        yield* Stream.runDrain(Batch.resumable(echo, ["text 9"])).pipe(Effect.provide(server(origin)))
      }
      // The journal has a record of each server.
      assert.deepStrictEqual(asked, ["http://one", "http://two"])
    }).pipe(Effect.provide(Journal.layerMemory)))

  it.effect("records a refused input, and runs it again once the input is accepted", () =>
    Effect.gen(function*() {
      const go = (accepted: boolean) =>
        run(Stream.runCollect(Batch.resumable(
          Extraction.mapInput(echo, (text: string) => accepted || text !== "text 9" ? text : Result.fail("Not yet")),
          ["text 8", "text 9"],
          { ordered: true, retryFailures: false }
        )))
      const first = yield* go(false)
      assert.deepStrictEqual(first.map(({ result }) => result._tag), ["Success", "Failure"])
      const again = yield* go(false)
      assert.deepStrictEqual(again.map(({ restored }) => restored), [true, true])
      const last = yield* go(true)
      assert.deepStrictEqual(last.map(({ restored }) => restored), [true, false])
      assert.isTrue(last.every(({ result }) => Result.isSuccess(result)))
    }).pipe(Effect.provide([mock(), Journal.layerMemory])))
})
