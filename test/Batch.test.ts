import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Result, Schema, Stream } from "effect"
import { Batch, Extraction, Usage } from "effect-instructor"
import { MockLlm, Reply } from "effect-instructor/testing"
import { TestClock } from "effect/testing"

const Echo = Schema.Struct({ echo: Schema.String })
const echo = Extraction.make({ schema: Echo, maxAttempts: 2 })

/** Answers with the input; later inputs are answered faster, and "bad" ones wrongly. */
const mock = (options?: MockLlm.Options) =>
  MockLlm.layer((request) => {
    const text = request.messages[1]!.content as string
    const delay = Math.max(0, 10 - Number(text.replace(/\D/g, ""))) * 10
    return Reply.delayed(text.startsWith("bad") ? "no" : { echo: text }, delay)
  }, options)

const texts = (count: number) => Array.from({ length: count }, (_, i) => `text ${i}`)

/** Runs an effect and lets time pass until it is done. */
const run = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(effect)
    while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("1 millis")
    return yield* Fiber.join(fiber)
  })

describe("Batch", () => {
  describe("all", () => {
    it.effect("gives values in input order, at most so many in flight", () =>
      Effect.gen(function*() {
        const values = yield* run(Batch.all(echo, texts(9), { concurrency: 3 }))
        assert.deepStrictEqual(values.map((value) => value.echo), texts(9))
        assert.strictEqual(yield* MockLlm.maxInFlight, 3)
      }).pipe(Effect.provide(mock())))

    it.effect("fails with the first failure and interrupts the rest", () =>
      Effect.gen(function*() {
        const error = yield* run(
          Effect.flip(Batch.all(echo, ["text 1", "bad 9", "text 2", "text 3"], { concurrency: 3 }))
        )
        assert.strictEqual(error.reason._tag, "InvalidOutput")
        assert.strictEqual(yield* MockLlm.interrupted, 2)
        assert.strictEqual((yield* MockLlm.requests).length, 4)
      }).pipe(Effect.provide(mock())))

    it.effect("takes a bare schema and a pipe, and no inputs at all", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* run(Batch.all(Echo, ["text 9"])), [{ echo: "text 9" }])
        assert.deepStrictEqual(yield* run(echo.pipe(Batch.all(["text 9"], { concurrency: 1 }))), [{ echo: "text 9" }])
        assert.deepStrictEqual(yield* Batch.all(echo, []), [])
      }).pipe(Effect.provide(mock())))
  })

  describe("results", () => {
    it.effect("gives one result for each input, in order, and never fails", () =>
      Effect.gen(function*() {
        const results = yield* run(Batch.results(echo, ["text 1", "bad 9", "text 3"], { concurrency: 2 }))
        assert.deepStrictEqual(results.map((result) => result._tag), ["Success", "Failure", "Success"])
        assert.deepStrictEqual(
          results.map((result) => Result.isSuccess(result) ? result.success.echo : result.failure.reason._tag),
          ["text 1", "InvalidOutput", "text 3"]
        )
      }).pipe(Effect.provide(mock())))
  })

  describe("stream", () => {
    it.effect("gives items as they finish, with their index and their input", () =>
      Effect.gen(function*() {
        const items = yield* run(Stream.runCollect(Batch.stream(echo, texts(6), { concurrency: 6 })))
        assert.deepStrictEqual(items.map(({ index }) => index), [5, 4, 3, 2, 1, 0])
        for (const { index, input, result } of items) {
          assert.strictEqual(input, `text ${index}`)
          assert.deepStrictEqual(result, Result.succeed({ echo: input }))
        }
      }).pipe(Effect.provide(mock())))

    it.effect("gives items in input order when asked to", () =>
      Effect.gen(function*() {
        const items = yield* run(Stream.runCollect(Batch.stream(echo, texts(6), { concurrency: 3, ordered: true })))
        assert.deepStrictEqual(items.map(({ index }) => index), [0, 1, 2, 3, 4, 5])
        assert.strictEqual(yield* MockLlm.maxInFlight, 3)
      }).pipe(Effect.provide(mock())))

    it.effect("tells attempts and usage of successes and failures alike", () =>
      Effect.gen(function*() {
        const items = yield* run(Stream.runCollect(Batch.stream(echo, ["text 9", "bad 9"], { concurrency: 1 })))
        assert.deepStrictEqual(items.map(({ attempts }) => attempts), [1, 2])
        for (const { usage } of items) assert.isAbove(Usage.totalTokens(usage), 0)
      }).pipe(Effect.provide(mock())))

    it.effect("draws from its source only what it has room for, and fails only with it", () =>
      Effect.gen(function*() {
        let drawn = 0
        const source = Stream.fromIterable(texts(100)).pipe(
          Stream.rechunk(1),
          Stream.tap(() => Effect.sync(() => drawn++))
        )
        const items = yield* run(Batch.stream(echo, source, { concurrency: 4 }).pipe(Stream.take(2), Stream.runCollect))
        assert.strictEqual(items.length, 2)
        assert.isAtMost(drawn, 4 + 2 + 1)
        const error = yield* run(Effect.flip(
          Stream.runDrain(Batch.stream(echo, Stream.concat(Stream.make("text 9"), Stream.fail("broken source"))))
        ))
        assert.strictEqual(error, "broken source")
      }).pipe(Effect.provide(mock())))

    it.effect("interrupts what is in flight when it is interrupted", () =>
      Effect.gen(function*() {
        const fiber = yield* Effect.forkChild(Stream.runDrain(Batch.stream(echo, texts(100), { concurrency: 5 })))
        while ((yield* MockLlm.requests).length < 5) yield* TestClock.adjust("1 millis")
        yield* Fiber.interrupt(fiber)
        assert.strictEqual(yield* MockLlm.interrupted, 5)
        assert.strictEqual((yield* MockLlm.requests).length, 5)
      }).pipe(Effect.provide(mock())))
  })

  it.effect("a plain Effect.forEach works just as well", () =>
    Effect.gen(function*() {
      const values = yield* run(
        Effect.forEach(texts(5), (text) => Extraction.extract(echo, text), { concurrency: 2 })
      )
      assert.deepStrictEqual(values.map((value) => value.echo), texts(5))
      assert.strictEqual(yield* MockLlm.maxInFlight, 2)
    }).pipe(Effect.provide(mock())))
})
