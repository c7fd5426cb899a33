import { assert, describe, it } from "@effect/vitest"
import { type Duration, Effect, Result, Schema, Stream } from "effect"
import { Batch, BatchProgress, Extraction, type ExtractionError, Journal, Usage } from "effect-instructor"
import { MockLlm } from "effect-instructor/testing"
import { AiError } from "effect/ai"
import { Echo, echo, mock, run, texts } from "../support/echo.ts"

const quotaExhausted = Effect.fail(new AiError.QuotaExhaustedError({}))

const tags = <A>(results: ReadonlyArray<Result.Result<A, ExtractionError.ExtractionError>>) =>
  results.map((result) => Result.isSuccess(result) ? "Success" : result.failure.reason._tag)

describe("Batch", () => {
  describe("all", () => {
    it.effect("returns values in input order, with at most `concurrency` items in flight", () =>
      Effect.gen(function*() {
        const values = yield* run(Batch.all(echo, texts(9), { concurrency: 3 }))
        assert.deepStrictEqual(values.map((value) => value.echo), texts(9))
        assert.strictEqual(yield* MockLlm.maxInFlight, 3)
      }).pipe(Effect.provide(mock())))

    it.effect("fails with the first failure and interrupts the items in flight", () =>
      Effect.gen(function*() {
        const error = yield* run(
          Effect.flip(Batch.all(echo, ["text 1", "bad 9", "text 2", "text 3"], { concurrency: 3 }))
        )
        assert.strictEqual(error.reason._tag, "InvalidOutput")
        assert.strictEqual(yield* MockLlm.interrupted, 2)
        assert.strictEqual((yield* MockLlm.requests).length, 4)
      }).pipe(Effect.provide(mock())))

    it.effect("interrupts the items in flight when a failure is unrecoverable, too", () =>
      Effect.gen(function*() {
        const error = yield* run(Effect.flip(Batch.all(echo, texts(3), { concurrency: 3 })))
        assert.isTrue(error.isUnrecoverable)
        assert.strictEqual(yield* MockLlm.interrupted, 2)
      }).pipe(
        Effect.provide(
          MockLlm.layer((_, call) => call === 0 ? Effect.delay(quotaExhausted, 10) : Effect.never)
        )
      ))

    it.effect("accepts a bare schema and an empty list", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* run(Batch.all(Echo, ["text 9"])), [{ echo: "text 9" }])
        assert.deepStrictEqual(yield* Batch.all(echo, []), [])
      }).pipe(Effect.provide(mock())))

    it.effect("fails with Skipped when its timeout and grace have passed", () =>
      Effect.gen(function*() {
        const error = yield* run(
          Effect.flip(Batch.all(echo, texts(10), { concurrency: 1, timeout: "150 millis", grace: 0 }))
        )
        assert.strictEqual(error.reason._tag, "Skipped")
        assert.include(error.message, "did not finish within 150ms")
        assert.strictEqual(error.attempts, 0)
        assert.strictEqual(yield* MockLlm.interrupted, 1)
      }).pipe(Effect.provide(mock())))

    it.effect("reports its progress, and leaves nothing in flight when it fails", () =>
      Effect.gen(function*() {
        const progress = yield* BatchProgress.make
        yield* run(Effect.flip(Batch.all(echo, ["text 9", "text 0", "bad 8"], { concurrency: 3, progress })))
        const { failures, inFlight, succeeded } = yield* progress.snapshot
        assert.deepStrictEqual({ failures, inFlight, succeeded }, {
          failures: { InvalidOutput: 1 },
          inFlight: 0,
          succeeded: 1
        })
      }).pipe(Effect.provide(mock())))

    it.effect("fails before any request when the provider does not accept the schema", () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(Batch.all(Schema.Struct({ a: Schema.Never }), texts(3)))
        assert.strictEqual(error.reason._tag, "UnsupportedSchema")
        assert.strictEqual((yield* MockLlm.requests).length, 0)
      }).pipe(Effect.provide(mock())))
  })

  describe("results", () => {
    it.effect("returns one result for each input, in order, and never fails", () =>
      Effect.gen(function*() {
        const results = yield* run(Batch.results(echo, ["text 1", "bad 9", "text 3"], { concurrency: 2 }))
        assert.deepStrictEqual(tags(results), ["Success", "InvalidOutput", "Success"])
        assert.deepStrictEqual(results.map(Result.getOrUndefined), [{ echo: "text 1" }, undefined, { echo: "text 3" }])
      }).pipe(Effect.provide(mock())))

    it.effect("gives the items after an unrecoverable failure that failure, and sends nothing more", () =>
      Effect.gen(function*() {
        const results = yield* run(Batch.results(echo, texts(6), { concurrency: 2 }))
        assert.deepStrictEqual(tags(results).toSorted(), [
          "ProviderFailure",
          "ProviderFailure",
          "ProviderFailure",
          "Success",
          "Success",
          "Success"
        ])
        // Three answers, the failure, and the item in flight beside it.
        assert.isAtMost((yield* MockLlm.requests).length, 5)
        const [last] = results.slice(-1)
        assert.isTrue(Result.isFailure(last!) && last.failure.isUnrecoverable)
      }).pipe(
        Effect.provide(
          MockLlm.layer((_, call) => Effect.delay(call === 2 ? quotaExhausted : Effect.succeed({ echo: "x" }), 10))
        )
      ))

    it.effect("keeps the failures of items and skips the rest after `maxFailures`", () =>
      Effect.gen(function*() {
        const inputs = ["text 8", "bad 8", "text 9", "bad 9", "text 7", "text 6"]
        const results = yield* run(Batch.results(echo, inputs, { concurrency: 1, maxFailures: 2 }))
        assert.deepStrictEqual(tags(results), [
          "Success",
          "InvalidOutput",
          "Success",
          "InvalidOutput",
          "Skipped",
          "Skipped"
        ])
        const skipped = Result.getOrThrow(Result.flip(results[5]!))
        assert.deepStrictEqual([skipped.attempts, skipped.usage, skipped.extraction], [0, Usage.zero, "Response"])
        assert.include(skipped.message, "2 of 4 items failed")
        assert.isFalse(skipped.isUnrecoverable)
      }).pipe(Effect.provide(mock())))

    it.effect("skips the rest after more than `maxFailureShare` of a hundred items", () =>
      Effect.gen(function*() {
        const inputs = Array.from({ length: 300 }, (_, i) => i % 2 === 0 ? "text 10" : "bad 10")
        const extraction = Extraction.with(echo, { maxAttempts: 1 })
        const results = yield* run(Batch.results(extraction, inputs, { concurrency: 1, maxFailureShare: 0.4 }))
        assert.strictEqual(tags(results).filter((tag) => tag === "Skipped").length, 200)
        const within = yield* run(Batch.results(extraction, inputs, { concurrency: 1, maxFailureShare: 0.5 }))
        assert.notInclude(tags(within), "Skipped")
      }).pipe(Effect.provide(mock())))

    it.effect("lets items in flight finish within `grace` after its timeout, and skips the rest", () =>
      Effect.gen(function*() {
        const skippedAfter = (grace: Duration.Input) =>
          run(Effect.map(
            Batch.results(echo, texts(8), { concurrency: 2, timeout: "150 millis", grace }),
            (results) => tags(results).map((tag) => tag[1]).join("")
          ))
        // The first two take 100 and 90 ms, the next two 80 and 70.
        assert.strictEqual(yield* skippedAfter("1 second"), "uuuukkkk")
        assert.strictEqual(yield* skippedAfter(0), "uukkkkkk")
      }).pipe(Effect.provide(mock())))

    it.effect("reports its progress and passes inputs to the id option", () =>
      Effect.gen(function*() {
        const progress = yield* BatchProgress.make
        const ids: Array<string> = []
        yield* run(Batch.results(echo, ["text 1", "bad 9"], {
          progress,
          id: (input, index) => {
            ids.push(`${index} ${input}`)
            return undefined
          }
        }))
        const { failed, succeeded } = yield* progress.snapshot
        assert.deepStrictEqual([succeeded, failed], [1, 1])
        assert.deepStrictEqual(ids, ["0 text 1", "1 bad 9"])
      }).pipe(Effect.provide(mock())))

    it.effect("fails an item whose id option throws, and no other", () =>
      Effect.gen(function*() {
        const results = yield* run(Batch.results(echo, ["text 8", "text 9"], {
          id: (text) => {
            if (text === "text 8") throw new Error("no id")
            return text
          }
        }))
        assert.deepStrictEqual(tags(results), ["InvalidInput", "Success"])
        assert.include(Result.getOrThrow(Result.flip(results[0]!)).message, "no id")
        assert.strictEqual((yield* MockLlm.requests).length, 1)
      }).pipe(Effect.provide(mock())))

    it.effect("reads an iterable once", () =>
      Effect.gen(function*() {
        let read = 0
        const inputs = {
          *[Symbol.iterator]() {
            for (const text of ["text 8", "text 9"]) {
              read++
              yield text
            }
          }
        }
        assert.deepStrictEqual(tags(yield* run(Batch.results(echo, inputs))), ["Success", "Success"])
        assert.strictEqual(read, 2)
      }).pipe(Effect.provide(mock())))

    it.effect("fails the items whose answers make the code of a schema throw", () =>
      Effect.gen(function*() {
        const broken = Schema.Struct({
          echo: Schema.String.check(Schema.makeFilter(() => {
            throw new Error("broken check")
          }))
        })
        assert.deepStrictEqual(
          tags(yield* run(Batch.results(broken, texts(3)))),
          ["InvalidOutput", "InvalidOutput", "InvalidOutput"]
        )
      }).pipe(Effect.provide(mock())))
  })

  describe("a text as the source", () => {
    const text = "texts" as unknown as ReadonlyArray<string>

    it.effect("is refused by every function", () =>
      Effect.gen(function*() {
        const errors: Array<Error> = [
          yield* Effect.flip(Batch.all(echo, text)),
          ...(yield* Batch.results(echo, text)).map((result) => Result.getOrThrow(Result.flip(result))),
          yield* Effect.flip(Stream.runDrain(Batch.stream(echo, text))),
          yield* Effect.flip(Stream.runDrain(Batch.resumable(echo, text))),
          yield* Effect.flip(Stream.runDrain(Batch.elements(echo, text))),
          yield* Effect.flip(Batch.estimate(echo, text))
        ]
        for (const { message } of errors) assert.include(message, "needs a list or a stream of inputs")
        assert.strictEqual((yield* MockLlm.requests).length, 0)
      }).pipe(Effect.provide([mock(), Journal.layerMemory])))
  })

  describe("values", () => {
    it.effect("are the values of the items, until the first failure ends the stream", () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const error = yield* run(Effect.flip(
          Batch.stream(echo, ["text 8", "text 9", "bad 9", "text 9"], { concurrency: 1 }).pipe(
            Batch.values,
            Stream.runForEach((value) => Effect.sync(() => seen.push(value.echo)))
          )
        ))
        assert.deepStrictEqual(seen, ["text 8", "text 9"])
        assert.isTrue(error._tag === "ExtractionError" && error.reason._tag === "InvalidOutput")
        assert.deepStrictEqual(
          yield* run(Stream.runCollect(Batch.values(Batch.elements(Schema.Int, ["a"])))).pipe(
            Effect.provide(MockLlm.layer([[1, 2]]))
          ),
          [1, 2]
        )
      }).pipe(Effect.provide(mock())))
  })

  describe("partition", () => {
    it.effect("separates the values from the failed items", () =>
      Effect.gen(function*() {
        const [values, failed] = yield* run(
          Batch.partition(Batch.stream(echo, ["text 8", "bad 9", "text 9"], { ordered: true, id: (text) => text }))
        )
        assert.deepStrictEqual(values.map((value) => value.echo), ["text 8", "text 9"])
        assert.deepStrictEqual(failed.map(({ id, index }) => [id, index]), [["bad 9", 1]])
      }).pipe(Effect.provide(mock())))

    it.effect("starts over each time it is run", () =>
      Effect.gen(function*() {
        const partition = Batch.partition(Batch.stream(echo, ["text 9"]))
        yield* run(partition)
        const [values] = yield* run(partition)
        assert.strictEqual(values.length, 1)
      }).pipe(Effect.provide(mock())))
  })

  describe("restore", () => {
    it.effect("decodes the records of a journal as results", () =>
      Effect.gen(function*() {
        const day = Extraction.make({ schema: Schema.Struct({ day: Schema.DateFromString }), maxAttempts: 1 })
        yield* run(Stream.runDrain(Batch.resumable(day, ["a", "b"], { concurrency: 1 })))
        const journal = yield* Journal.Journal
        const records = yield* Stream.runCollect(journal.records)
        const results = yield* Effect.forEach(records, ({ record }) => Batch.restore(day, record))
        assert.deepStrictEqual(tags(results), ["Success", "InvalidOutput"])
        assert.deepStrictEqual(Result.getOrThrow(results[0]!), { day: new Date("2026-11-24") })
        // With the schema as it is now.
        const changed = Schema.Struct({ day: Schema.DateFromString, hour: Schema.Int })
        const [stale] = yield* Effect.forEach(records.slice(0, 1), ({ record }) => Batch.restore(changed, record))
        assert.deepStrictEqual(tags([stale!]), ["InvalidOutput"])
        assert.strictEqual(Result.getOrThrow(Result.flip(stale!)).attempts, 1)
      }).pipe(
        Effect.provide([MockLlm.layer([{ day: "2026-11-24" }, { day: "soon" }]), Journal.layerMemory])
      ))

    it.effect("reports a record that cannot be read", () =>
      Effect.gen(function*() {
        const record: Journal.JournalRecord = {
          index: 0,
          id: null,
          status: "error",
          error: { nothing: "known" },
          attempts: 1,
          usage: Usage.zero,
          latencyMillis: 1
        }
        const error = Result.getOrThrow(Result.flip(yield* Batch.restore(echo, record)))
        assert.include(error.message, "cannot be read")
      }))
  })

  it.effect("is not needed for a few texts: Effect.forEach does the same", () =>
    Effect.gen(function*() {
      const values = yield* run(
        Effect.forEach(texts(5), (text) => Extraction.extract(echo, text), { concurrency: 2 })
      )
      assert.deepStrictEqual(values.map((value) => value.echo), texts(5))
      assert.strictEqual(yield* MockLlm.maxInFlight, 2)
    }).pipe(Effect.provide(mock())))
})
