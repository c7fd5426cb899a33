import { assert, describe, it } from "@effect/vitest"
import { type Duration, Effect, Fiber, Result, Schema, Stream } from "effect"
import { Batch, BatchProgress, Extraction } from "effect-instructor"
import { MockLlm, Reply } from "effect-instructor/testing"
import { AiError } from "effect/ai"
import { TestClock } from "effect/testing"
import { run } from "../support/echo.ts"

/** What an element shows of itself: its input, its place in the list, and its value or the reason of its failure. */
const shown = <A, In>({ index, inputIndex, result }: Batch.ElementItem<A, In>) => [
  inputIndex,
  index,
  Result.isSuccess(result) ? result.success : result.failure.reason._tag
]

/** "3 5 2" is answered with the list of its numbers after as many times 10 ms as the first says; "bad" is refused. */
const numbers = MockLlm.layer((request) => {
  const text = request.messages[1]!.content as string
  if (text === "bad") return Reply.refusal("No.")
  const items = text.split(" ").map(Number)
  return Reply.delayed({ items }, items[0]! * 10)
}, { chunkSize: 1000 })

describe("Batch.elements", () => {
  it.effect("emits the elements of every input, and the failures of inputs as values", () =>
    Effect.gen(function*() {
      const items = yield* Stream.runCollect(
        Batch.elements(Schema.Int, Stream.make("a", "b", "c", "d"), { concurrency: 2 })
      ).pipe(Effect.provide(MockLlm.layer({
        a: { items: [1, 2] },
        b: Reply.truncated("{\"items\":[3,4"),
        c: { items: [] },
        d: { items: [5, "x"] }
      })))
      const of = (name: string) => items.filter(({ input }) => input === name).map(shown)
      assert.deepStrictEqual(of("a"), [[0, 0, 1], [0, 1, 2]])
      assert.deepStrictEqual(of("b"), [[1, 0, 3], [1, undefined, "Truncated"]])
      assert.deepStrictEqual(of("c"), [])
      assert.deepStrictEqual(of("d"), [[3, 0, 5], [3, 1, "InvalidOutput"]])
    }))

  it.effect("emits the elements of an input before its answer has ended", () =>
    Effect.gen(function*() {
      const seen: Array<unknown> = []
      const fiber = yield* Batch.elements(Schema.Int, ["a"]).pipe(
        Stream.runForEach((item) => Effect.sync(() => seen.push(shown(item)))),
        Effect.provide(MockLlm.layer(["[1,2,3]"], { chunkSize: 1, chunkDelay: "1 second" })),
        Effect.forkChild
      )
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(seen, [[0, 0, 1], [0, 1, 2]])
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(fiber)
    }))

  it.effect("emits as they arrive, or in the order of the inputs when `ordered`", () =>
    Effect.gen(function*() {
      const inputs = ["3 30", "1 10", "bad", "2 20"]
      const elements = (ordered: boolean) =>
        run(Stream.runCollect(Stream.map(Batch.elements(Schema.Int, inputs, { concurrency: 4, ordered }), shown)))
      assert.deepStrictEqual(yield* elements(true), [
        [0, 0, 3],
        [0, 1, 30],
        [1, 0, 1],
        [1, 1, 10],
        [2, undefined, "Refused"],
        [3, 0, 2],
        [3, 1, 20]
      ])
      assert.deepStrictEqual((yield* elements(false)).map(([inputIndex]) => inputIndex), [2, 1, 1, 3, 3, 0, 0])
    }).pipe(Effect.provide(numbers)))

  it.effect("has at most `concurrency` inputs in flight", () =>
    Effect.gen(function*() {
      yield* run(Stream.runDrain(Batch.elements(Schema.Int, ["1", "2", "3", "4", "5"], { concurrency: 2 })))
      assert.strictEqual(yield* MockLlm.maxInFlight, 2)
    }).pipe(Effect.provide(numbers)))

  it.effect("names inputs by the id option, and fails one whose id option throws", () =>
    Effect.gen(function*() {
      const items = yield* run(Stream.runCollect(
        Batch.elements(Schema.Int, ["1", "2 3", "4"], {
          ordered: true,
          id: (input, index) => {
            if (index === 2) throw new Error("no id")
            return `${index}: ${input}`
          }
        })
      ))
      assert.deepStrictEqual(items.map(({ id }) => id), ["0: 1", "1: 2 3", "1: 2 3", undefined])
      assert.deepStrictEqual(shown(items[3]!), [2, undefined, "InvalidInput"])
      assert.strictEqual((yield* MockLlm.requests).length, 2)
    }).pipe(Effect.provide(numbers)))

  it.effect("fails an input that is refused, and no other", () =>
    Effect.gen(function*() {
      const ofLine = Extraction.make({ schema: Schema.Int }).pipe(
        Extraction.mapInput((line: string) => line === "" ? Result.fail("The line is empty") : line)
      )
      const items = yield* run(Stream.runCollect(Batch.elements(ofLine, ["", "1"], { ordered: true })))
      assert.deepStrictEqual(items.map(shown), [[0, undefined, "InvalidInput"], [1, 0, 1]])
    }).pipe(Effect.provide(numbers)))

  it.effect("stops after `maxFailures` inputs or above `maxFailureShare`, and invalid elements do not count", () =>
    Effect.gen(function*() {
      const stopped = (inputs: ReadonlyArray<string>, options: Batch.Options<string>) =>
        run(Effect.gen(function*() {
          const seen: Array<unknown> = []
          const reason = yield* Batch.elements(Schema.Int, inputs, { concurrency: 1, ...options }).pipe(
            Stream.runForEach((item) => Effect.sync(() => seen.push(shown(item)))),
            Effect.match({ onSuccess: () => "ended", onFailure: ({ reason }) => reason._tag })
          )
          return [reason, seen.length]
        }))
      assert.deepStrictEqual(yield* stopped(["1", "bad", "2", "bad", "3"], { maxFailures: 2 }), ["TooManyFailures", 4])
      assert.deepStrictEqual(yield* stopped(["0.5", "0.5 1", "2"], { maxFailures: 1 }), ["ended", 4])
      const many = Array.from({ length: 200 }, (_, i) => i % 2 === 0 ? "0" : "bad")
      assert.deepStrictEqual(yield* stopped(many, { maxFailureShare: 0.4 }), ["TooManyFailures", 100])
    }).pipe(Effect.provide(numbers)))

  it.effect("stops at an unrecoverable failure, and sends nothing more", () =>
    Effect.gen(function*() {
      const seen: Array<unknown> = []
      const error = yield* run(Effect.flip(
        Batch.elements(Schema.Int, ["a", "b", "c", "d"], { concurrency: 1 }).pipe(
          Stream.runForEach((item) => Effect.sync(() => seen.push(shown(item))))
        )
      ))
      assert.strictEqual(error.reason._tag, "Unrecoverable")
      assert.deepStrictEqual(seen, [[0, 0, 1]])
      assert.strictEqual((yield* MockLlm.requests).length, 2)
    }).pipe(
      Effect.provide(MockLlm.layer((_, call) => call === 0 ? [1] : Effect.fail(new AiError.QuotaExhaustedError({}))))
    ))

  it.effect("lets inputs in flight finish within `grace` after its timeout", () =>
    Effect.gen(function*() {
      const outcome = (grace: Duration.Input) =>
        run(Effect.gen(function*() {
          const seen: Array<unknown> = []
          const reason = yield* Batch.elements(Schema.Int, ["2", "4", "6", "8"], {
            concurrency: 2,
            timeout: "30 millis",
            grace
          }).pipe(
            Stream.runForEach(({ inputIndex }) => Effect.sync(() => seen.push(inputIndex))),
            Effect.match({ onSuccess: () => "ended", onFailure: ({ reason }) => reason._tag })
          )
          return [reason, seen]
        }))
      assert.deepStrictEqual(yield* outcome("1 minute"), ["TimedOut", [0, 1, 2]])
      assert.deepStrictEqual(yield* outcome("15 millis"), ["TimedOut", [0, 1]])
    }).pipe(Effect.provide(numbers)))

  it.effect("reports each input to its progress", () =>
    Effect.gen(function*() {
      const progress = yield* BatchProgress.make
      yield* run(Stream.runDrain(Batch.elements(Schema.Int, ["1 2 3", "bad", "4"], { progress })))
      const { attempts, failed, failures, inFlight, succeeded, usage } = yield* progress.snapshot
      assert.deepStrictEqual({ attempts, failed, failures, inFlight, succeeded }, {
        attempts: 3,
        failed: 1,
        failures: { Refused: 1 },
        inFlight: 0,
        succeeded: 2
      })
      assert.isAbove(usage.outputTokens, 0)
    }).pipe(Effect.provide(numbers)))

  it.effect("asks again for invalid elements when `reask`", () =>
    Effect.gen(function*() {
      const items = yield* run(Stream.runCollect(Batch.elements(Schema.Int, ["a"], { reask: true })))
      assert.deepStrictEqual(items.map(shown), [[0, 0, 1], [0, 2, 3], [0, 1, 2]])
    }).pipe(Effect.provide(MockLlm.layer([[1, "x", 3], [2]]))))

  it.effect("interrupts the inputs in flight when its consumer has enough", () =>
    Effect.gen(function*() {
      const items = yield* run(Stream.runCollect(Stream.take(Batch.elements(Schema.Int, ["1", "99", "99"]), 1)))
      assert.deepStrictEqual(items.map(shown), [[0, 0, 1]])
      assert.strictEqual(yield* MockLlm.interrupted, 2)
    }).pipe(Effect.provide(numbers)))
})
