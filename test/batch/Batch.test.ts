import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Duration, Effect, Fiber, Result, Schema, Stream } from "effect"
import { Batch, BatchProgress, Extraction, ExtractionError, Journal, type Llm, Usage } from "effect-instructor"
import { MockLlm, Reply } from "effect-instructor/testing"
import { AiError } from "effect/ai"
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

    it.effect("is never further ahead of a slow consumer than what is in flight and a small buffer", () =>
      Effect.gen(function*() {
        let drawn = 0
        const source = Stream.range(0, 999).pipe(
          Stream.rechunk(1),
          Stream.tap(() => Effect.sync(() => drawn++)),
          Stream.map((i) => `text ${i}`)
        )
        let taken = 0
        let ahead = 0
        yield* run(
          Batch.stream(echo, source, { concurrency: 8 }).pipe(
            Stream.take(200),
            Stream.runForEach(() =>
              Effect.andThen(
                Effect.sleep("100 millis"),
                Effect.sync(() => ahead = Math.max(ahead, drawn - ++taken))
              )
            )
          )
        )
        // Sixteen results wait, and up to as many are with the consumer.
        assert.isAtMost(ahead, 8 + 2 * 16)
      }).pipe(Effect.provide(mock())))

    it.effect("tells id and latency of each item", () =>
      Effect.gen(function*() {
        const items = yield* run(Stream.runCollect(
          Batch.stream(echo, texts(3), { concurrency: 1, id: (text, index) => `${text} at ${index}` })
        ))
        assert.deepStrictEqual(items.map(({ id }) => id), ["text 0 at 0", "text 1 at 1", "text 2 at 2"])
        assert.deepStrictEqual(items.map(({ latency }) => Duration.toMillis(latency)), [100, 90, 80])
        assert.isFalse(items.some(({ restored }) => restored))
      }).pipe(Effect.provide(mock())))

    it.effect("an unusable input in the source is a failed item, in its place", () =>
      Effect.gen(function*() {
        const unusable = new ExtractionError.ExtractionError({
          extraction: "echo",
          reason: new ExtractionError.InvalidInput({ description: "Line 2 is no JSON" }),
          attempts: 0,
          usage: Usage.zero
        })
        const items = yield* run(Stream.runCollect(
          Batch.stream(echo, ["text 9", unusable, "text 8"], { ordered: true, id: (text) => text.toUpperCase() })
        ))
        assert.deepStrictEqual(items.map(({ id }) => id), ["TEXT 9", undefined, "TEXT 8"])
        assert.deepStrictEqual(items.map(({ result }) => result._tag), ["Success", "Failure", "Success"])
        assert.strictEqual((yield* MockLlm.requests).length, 2)
      }).pipe(Effect.provide(mock())))

    it.effect("an input that its extraction can make no prompt of is a failed item", () =>
      Effect.gen(function*() {
        const broken = Extraction.make({
          schema: Echo,
          prompt: (input: { readonly text: string | null }) => input.text!.trim()
        })
        const items = yield* run(Stream.runCollect(
          Batch.stream(broken, [{ text: null }, { text: "text 9" }], { ordered: true })
        ))
        assert.deepStrictEqual(
          items.map(({ result }) => Result.isSuccess(result) ? "ok" : result.failure.reason._tag),
          ["InvalidInput", "ok"]
        )
      }).pipe(Effect.provide(mock())))

    it.effect("a failure every item would meet stops it after what is in flight, and is no item's end", () =>
      Effect.gen(function*() {
        const seen: Array<number> = []
        const error = yield* run(Effect.flip(
          Batch.stream(echo, texts(1000), { concurrency: 10 }).pipe(
            Stream.runForEach(({ index }) => Effect.sync(() => seen.push(index)))
          )
        ))
        assert.strictEqual(error.reason._tag, "RunFatal")
        assert.include(error.message, "InvalidKey")
        assert.isAtMost((yield* MockLlm.requests).length, 20 + 10)
        assert.isAtLeast(seen.length, 20)
      }).pipe(Effect.provide(MockLlm.layer((_, call) =>
        call < 20
          ? { echo: "x" }
          : Effect.fail(new AiError.AuthenticationError({ kind: "InvalidKey" })), { delay: "10 millis" }))))

    it.effect("stops at the first failure, after so many, or at a share of them", () =>
      Effect.gen(function*() {
        const inputs = Array.from({ length: 1000 }, (_, i) => i % 4 === 3 ? `bad ${i}` : `text ${i}`)
        const stopped = (options: Batch.StreamOptions<string>) =>
          run(Effect.gen(function*() {
            const seen: Array<boolean> = []
            const error = yield* Effect.flip(
              Batch.stream(Extraction.make({ schema: Echo, maxAttempts: 1 }), inputs, options).pipe(
                Stream.runForEach(({ result }) => Effect.sync(() => seen.push(Result.isSuccess(result))))
              )
            )
            return { seen, reason: error.reason }
          }))
        const first = yield* stopped({ concurrency: 1, maxFailures: 1 })
        assert.deepStrictEqual(first.seen, [true, true, true, false])
        assert.strictEqual(first.reason._tag, "TooManyFailures")
        const third = yield* stopped({ concurrency: 2, maxFailures: 3 })
        assert.isAtLeast(third.seen.filter((ok) => !ok).length, 3)
        assert.isAtMost(third.seen.length, 14)
        const share = yield* stopped({ concurrency: 4, maxFailureShare: 0.2 })
        assert.isAtLeast(share.seen.length, 100)
        assert.isAtMost(share.seen.length, 110)
        assert.isTrue(share.reason._tag === "TooManyFailures" && share.reason.last.reason._tag === "InvalidOutput")
      }).pipe(Effect.provide(mock())))

    it.effect("a timeout of the run lets what is in flight finish, but not for ever", () =>
      Effect.gen(function*() {
        const taken = (grace: Duration.Input) =>
          run(Effect.gen(function*() {
            let seen = 0
            const error = yield* Effect.flip(
              Batch.stream(echo, texts(100), { concurrency: 4, timeout: "95 millis", grace }).pipe(
                Stream.runForEach(() => Effect.sync(() => seen++))
              )
            )
            return [error.reason._tag, seen]
          }))
        // The first four take 100, 90, 80 and 70 ms, so three are done and four in flight.
        assert.deepStrictEqual(yield* taken("10 seconds"), ["RunTimedOut", 7])
        assert.deepStrictEqual(yield* taken("0 millis"), ["RunTimedOut", 3])
      }).pipe(Effect.provide(mock())))

    it.effect("a timeout of the run ends a source that waits for ever", () =>
      Effect.gen(function*() {
        const error = yield* run(Effect.flip(
          Stream.runDrain(
            Batch.stream(echo, Stream.concat(Stream.make("text 9"), Stream.never), { timeout: "1 second" })
          )
        ))
        assert.strictEqual(error.reason._tag, "RunTimedOut")
      }).pipe(Effect.provide(mock())))

    it.effect("an ordered batch goes on past an item that stopped the run", () =>
      Effect.gen(function*() {
        const seen: Array<number> = []
        yield* run(Effect.flip(
          Batch.stream(echo, texts(10), { concurrency: 4, ordered: true }).pipe(
            Stream.runForEach(({ index }) => Effect.sync(() => seen.push(index)))
          )
        ))
        assert.deepStrictEqual(seen, [1, 2, 3])
      }).pipe(Effect.provide(MockLlm.layer((request, call) =>
        call === 0
          ? Effect.delay(Effect.fail(new AiError.QuotaExhaustedError({})), "50 millis")
          : Reply.delayed({ echo: String(request.messages.length) }, "100 millis")
      ))))

    it.effect("a defect in a schema's own code is the stream's defect, and ends what is in flight", () =>
      Effect.gen(function*() {
        const exit = yield* run(Effect.exit(Stream.runDrain(Batch.stream(
          Schema.Struct({
            echo: Schema.String.check(Schema.makeFilter(() => {
              throw new Error("broken check")
            }))
          }),
          texts(5),
          { concurrency: 2 }
        ))))
        assert.isTrue(exit._tag === "Failure" && Cause.hasDies(exit.cause))
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

  describe("resumable", () => {
    const restoredIndexes = <A, In>(items: ReadonlyArray<Batch.Item<A, In>>) =>
      items.filter(({ restored }) => restored).map(({ index }) => index).toSorted((a, b) => a - b)

    it.effect("does nothing twice, and gives what it knows again", () =>
      Effect.gen(function*() {
        const batch = Batch.resumable(echo, ["text 1", "bad 2", "text 3"], { concurrency: 1 })
        const first = yield* run(Stream.runCollect(batch))
        assert.deepStrictEqual(restoredIndexes(first), [])
        const sent = (yield* MockLlm.requests).length
        const second = yield* run(Stream.runCollect(batch))
        // The failed one is tried again, twice.
        assert.strictEqual((yield* MockLlm.requests).length, sent + 2)
        assert.deepStrictEqual(restoredIndexes(second), [0, 2])
        assert.deepStrictEqual(
          second.toSorted((a, b) => a.index - b.index).map(({ result }) => Result.isSuccess(result)),
          [true, false, true]
        )
        const [first1, second1] = [first, second].map((items) => items.find(({ index }) => index === 0)!)
        assert.deepStrictEqual({ ...second1!, restored: false }, first1)
      }).pipe(Effect.provide([mock(), Journal.layerMemory])))

    it.effect("leaves failures be when told to, with their error", () =>
      Effect.gen(function*() {
        const batch = Batch.resumable(echo, ["text 1", "bad 2"], { retryFailures: false, ordered: true })
        const first = yield* run(Stream.runCollect(batch))
        const second = yield* run(Stream.runCollect(batch))
        assert.strictEqual((yield* MockLlm.requests).length, 3)
        assert.deepStrictEqual(second.map((item) => ({ ...item, restored: false })), first)
      }).pipe(Effect.provide([mock(), Journal.layerMemory])))

    it.effect("leaves out what it knows when told to", () =>
      Effect.gen(function*() {
        const progress = yield* BatchProgress.make
        yield* run(Stream.runDrain(Batch.resumable(echo, ["text 1", "text 2"])))
        const second = yield* run(Stream.runCollect(
          Batch.resumable(echo, ["text 1", "text 3", "text 2"], { emitRestored: false, progress })
        ))
        assert.deepStrictEqual(second.map(({ input }) => input), ["text 3"])
        const { ok, restored } = yield* progress.snapshot
        assert.deepStrictEqual({ ok, restored }, { ok: 1, restored: 2 })
      }).pipe(Effect.provide([mock(), Journal.layerMemory])))

    it.effect("a change has just the items done again that it affects, and a change of order none", () =>
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
            schema: Schema.Struct({ echo: Schema.String.annotate({ description: "what was said" }) })
          }),
          Extraction.make({ schema: Echo, model: "another" }),
          Extraction.make({ schema: Echo, mode: "json" }),
          Extraction.make({ schema: Echo, parameters: { temperature: 1 } })
        ]
        for (const variant of variants) assert.strictEqual(yield* go(variant, inputs), 3)
        // What asks for the same is the same.
        assert.strictEqual(yield* go(Extraction.make({ schema: Schema.Struct({ echo: Schema.String }) }), inputs), 0)
      }).pipe(Effect.provide([mock(), Journal.layerMemory])))

    it.effect("an item that is known by an id is done again when its content has changed", () =>
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

    it.effect("equal texts without ids are items of their own; equal ids are not", () =>
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
            items.map(({ result }) => Result.isSuccess(result) ? "ok" : result.failure.reason._tag),
            ["ok", "InvalidInput", "ok"]
          )
        }
      }).pipe(Effect.provide([mock(), Journal.layerMemory])))

    it.effect("an answer in the journal that is no longer valid is asked for again", () =>
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

    it.effect("what a fatal failure stopped stays to be done", () =>
      Effect.gen(function*() {
        let quota = 3
        const limited = MockLlm.layer(
          () => quota-- > 0 ? { echo: "x" } : Effect.fail(new AiError.QuotaExhaustedError({})),
          { delay: "1 millis" }
        )
        const batch = Batch.resumable(echo, texts(6), { concurrency: 1 }).pipe(Stream.runCollect)
        const error = yield* run(Effect.flip(batch)).pipe(Effect.provide(limited))
        assert.strictEqual(error.reason._tag, "RunFatal")
        quota = 100
        const items = yield* run(batch).pipe(Effect.provide(limited))
        assert.deepStrictEqual(restoredIndexes(items), [0, 1, 2])
        assert.strictEqual(items.length, 6)
        assert.isTrue(items.every(({ result }) => Result.isSuccess(result)))
      }).pipe(Effect.provide(Journal.layerMemory)))

    it.effect("what is in flight when it is interrupted gets the grace period, and is not paid for again", () =>
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
        // Five were begun, given up and begun again.
        assert.strictEqual((yield* MockLlm.requests).length, 50 + 5)
      }).pipe(Effect.provide([mock(), Journal.layerMemory])))

    it.effect("a second run over a journal in use is refused", () =>
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

    it.effect("a journal that breaks stops the run, and hands over what was done all the same", () =>
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
