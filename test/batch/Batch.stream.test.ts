import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Result, Schema, Stream } from "effect"
import { Batch, Extraction, Usage } from "effect-instructor"
import { MockLlm, Reply } from "effect-instructor/testing"
import { AiError } from "effect/ai"
import { TestClock } from "effect/testing"
import { Echo, echo, mock, run, texts } from "../support/echo.ts"

describe("Batch.stream", () => {
  it.effect("emits items as they finish, with their index and input", () =>
    Effect.gen(function*() {
      const items = yield* run(Stream.runCollect(Batch.stream(echo, texts(6), { concurrency: 6 })))
      assert.deepStrictEqual(items.map(({ index }) => index), [5, 4, 3, 2, 1, 0])
      for (const { index, input, result } of items) {
        assert.strictEqual(input, `text ${index}`)
        assert.deepStrictEqual(result, Result.succeed({ echo: input }))
      }
    }).pipe(Effect.provide(mock())))

  it.effect("emits items in input order when `ordered`", () =>
    Effect.gen(function*() {
      const items = yield* run(Stream.runCollect(Batch.stream(echo, texts(6), { concurrency: 3, ordered: true })))
      assert.deepStrictEqual(items.map(({ index }) => index), [0, 1, 2, 3, 4, 5])
      assert.strictEqual(yield* MockLlm.maxInFlight, 3)
    }).pipe(Effect.provide(mock())))

  it.effect("reports attempts and usage of succeeded and failed items", () =>
    Effect.gen(function*() {
      const items = yield* run(Stream.runCollect(Batch.stream(echo, ["text 9", "bad 9"], { concurrency: 1 })))
      assert.deepStrictEqual(items.map(({ attempts }) => attempts), [1, 2])
      for (const { usage } of items) assert.isAbove(Usage.totalTokens(usage), 0)
    }).pipe(Effect.provide(mock())))

  it.effect("pulls from its source only as there is room, and fails when its source fails", () =>
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

  it.effect("reads ahead of a slow consumer no further than the items in flight and a small buffer", () =>
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
      // Sixteen results wait in the buffer, and the consumer has taken up to sixteen.
      assert.isAtMost(ahead, 8 + 2 * 16)
    }).pipe(Effect.provide(mock())))

  it.effect("reports the id and the latency of each item", () =>
    Effect.gen(function*() {
      const items = yield* run(Stream.runCollect(
        Batch.stream(echo, texts(3), { concurrency: 1, id: (text, index) => `${text} at ${index}` })
      ))
      assert.deepStrictEqual(items.map(({ id }) => id), ["text 0 at 0", "text 1 at 1", "text 2 at 2"])
      assert.deepStrictEqual(items.map(({ latency }) => Duration.toMillis(latency)), [100, 90, 80])
      assert.isFalse(items.some(({ restored }) => restored))
    }).pipe(Effect.provide(mock())))

  it.effect("fails an item whose input is refused, in its place", () =>
    Effect.gen(function*() {
      const ofLine = Extraction.mapInput(echo, (line: string) =>
        line.startsWith("{") ? Result.fail("Line 2 is not text") : line)
      const items = yield* run(Stream.runCollect(
        Batch.stream(ofLine, ["text 9", "{}", "text 8"], {
          ordered: true,
          id: (line) =>
            line.toUpperCase()
        })
      ))
      assert.deepStrictEqual(items.map(({ id }) => id), ["TEXT 9", "{}", "TEXT 8"])
      assert.deepStrictEqual(items.map(({ result }) => result._tag), ["Success", "Failure", "Success"])
      assert.strictEqual((yield* MockLlm.requests).length, 2)
    }).pipe(Effect.provide(mock())))

  it.effect("fails an item whose prompt throws, and no other", () =>
    Effect.gen(function*() {
      const broken = Extraction.make({
        schema: Echo,
        prompt: (input: { readonly text: string | null }) => input.text!.trim()
      })
      const items = yield* run(Stream.runCollect(
        Batch.stream(broken, [{ text: null }, { text: "text 9" }], { ordered: true })
      ))
      assert.deepStrictEqual(
        items.map(({ result }) => Result.isSuccess(result) ? "Success" : result.failure.reason._tag),
        ["InvalidInput", "Success"]
      )
    }).pipe(Effect.provide(mock())))

  it.effect("stops at an unrecoverable failure, after the items in flight, and emits no item for it", () =>
    Effect.gen(function*() {
      const seen: Array<number> = []
      const error = yield* run(Effect.flip(
        Batch.stream(echo, texts(1000), { concurrency: 10 }).pipe(
          Stream.runForEach(({ index, result }) =>
            Effect.sync(() => {
              assert.isTrue(Result.isSuccess(result))
              seen.push(index)
            })
          )
        )
      ))
      assert.strictEqual(error.reason._tag, "Unrecoverable")
      assert.include(error.message, "InvalidKey")
      assert.isAtMost((yield* MockLlm.requests).length, 20 + 10)
      assert.isAtLeast(seen.length, 20)
    }).pipe(Effect.provide(MockLlm.layer((_, call) =>
      call < 20
        ? { echo: "x" }
        : Effect.fail(new AiError.AuthenticationError({ kind: "InvalidKey" })), { delay: "10 millis" }))))

  it.effect("stops at the first failure, after `maxFailures`, or above `maxFailureShare`", () =>
    Effect.gen(function*() {
      const inputs = Array.from({ length: 1000 }, (_, i) => i % 4 === 3 ? `bad ${i}` : `text ${i}`)
      const stopped = (options: Batch.Options<string>) =>
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

  it.effect("lets items in flight finish within `grace` after its timeout, and no longer", () =>
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
      assert.deepStrictEqual(yield* taken("10 seconds"), ["TimedOut", 7])
      assert.deepStrictEqual(yield* taken("0 millis"), ["TimedOut", 3])
    }).pipe(Effect.provide(mock())))

  it.effect("ends a source that waits for input when its timeout passes", () =>
    Effect.gen(function*() {
      const error = yield* run(Effect.flip(
        Stream.runDrain(
          Batch.stream(echo, Stream.concat(Stream.make("text 9"), Stream.never), { timeout: "1 second" })
        )
      ))
      assert.strictEqual(error.reason._tag, "TimedOut")
    }).pipe(Effect.provide(mock())))

  it.effect("emits the items behind the one that stopped an ordered batch", () =>
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

  it.effect("fails the items whose answers make the code of a schema throw, and no others", () =>
    Effect.gen(function*() {
      const picky = Schema.Struct({
        echo: Schema.String.check(Schema.makeFilter((text) => {
          if (text === "text 2") throw new Error("broken check")
          return undefined
        }))
      })
      const items = yield* run(Stream.runCollect(Batch.stream(picky, texts(5), { concurrency: 2, ordered: true })))
      assert.deepStrictEqual(
        items.map(({ result }) => Result.isSuccess(result)),
        texts(5).map((text) => text !== "text 2")
      )
      const failed = items.flatMap(({ result }) => Result.isFailure(result) ? [result.failure.message] : [])
      assert.include(failed.join(), "The schema threw: Error: broken check")
    }).pipe(Effect.provide(mock())))

  it.effect("interrupts the items in flight when it is interrupted", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(Stream.runDrain(Batch.stream(echo, texts(100), { concurrency: 5 })))
      while ((yield* MockLlm.requests).length < 5) yield* TestClock.adjust("1 millis")
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(yield* MockLlm.interrupted, 5)
      assert.strictEqual((yield* MockLlm.requests).length, 5)
    }).pipe(Effect.provide(mock())))

  it.effect("ends with its source when the items in flight finish within `grace`, whatever its timeout", () =>
    Effect.gen(function*() {
      const outcome = (grace: Duration.Input) =>
        run(Effect.gen(function*() {
          let seen = 0
          const ended = yield* Batch.stream(echo, texts(4), { concurrency: 4, timeout: "85 millis", grace }).pipe(
            Stream.runForEach(() => Effect.sync(() => seen++)),
            Effect.match({ onSuccess: () => "ended", onFailure: ({ reason }) => reason._tag })
          )
          return [ended, seen]
        }))
      // All four are in flight when the timeout passes, and two have finished. The last one takes 100 ms.
      assert.deepStrictEqual(yield* outcome("1 second"), ["ended", 4])
      assert.deepStrictEqual(yield* outcome("10 millis"), ["TimedOut", 3])
    }).pipe(Effect.provide(mock())))

  it.effect("keeps finished items for a slow consumer after its timeout and grace", () =>
    Effect.gen(function*() {
      const seen = yield* run(
        Batch.stream(echo, texts(4), { concurrency: 4, timeout: "200 millis", grace: 0 }).pipe(
          Stream.mapEffect(({ index }) => Effect.as(Effect.sleep("1 second"), index)),
          Stream.runCollect
        )
      )
      assert.strictEqual(seen.length, 4)
    }).pipe(Effect.provide(mock())))

  it.effect("fails an item whose id option throws, and no other", () =>
    Effect.gen(function*() {
      const items = yield* run(Stream.runCollect(
        Batch.stream(echo, ["text 8", "text 9"], {
          ordered: true,
          id: (text) => {
            if (text === "text 8") throw new Error("no id")
            return text
          }
        })
      ))
      assert.deepStrictEqual(items.map(({ id }) => id), [undefined, "text 9"])
      assert.deepStrictEqual(items.map(({ result }) => result._tag), ["Failure", "Success"])
    }).pipe(Effect.provide(mock())))

  it.effect("raises a concurrency below 1, or NaN, to 1", () =>
    Effect.gen(function*() {
      for (const concurrency of [0, -1, Number.NaN, 0.5]) {
        assert.strictEqual(yield* run(Stream.runCount(Batch.stream(echo, texts(3), { concurrency }))), 3)
      }
      assert.strictEqual(yield* MockLlm.maxInFlight, 1)
    }).pipe(Effect.provide(mock())))
})
