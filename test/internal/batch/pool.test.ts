import { assert, describe, it } from "@effect/vitest"
import { type Duration, Effect, Exit, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Pool from "../../../src/batch/internal/pool.ts"
import { run } from "../../support/echo.ts"

interface Options {
  readonly concurrency?: number
  readonly ordered?: boolean
  readonly timeout?: { readonly after: Duration.Input; readonly grace: Duration.Input }
  readonly abandonedGrace?: Duration.Input
}

/** A pool whose handler gets an input and may fail with, or stop for, a text. */
const pool = <E>(
  source: Stream.Stream<number, E>,
  handle: (input: number, control: Pool.Control<number, string>, turn: number) => Effect.Effect<number | void, string>,
  { abandonedGrace, concurrency = 2, ordered = false, timeout }: Options = {}
) =>
  Pool.run<number, number, E, string, never, never>(source, {
    concurrency,
    ordered,
    handle: (input, control, turn) => Effect.map(handle(input, control, turn), (result) => result ?? undefined),
    timeout: timeout === undefined ? undefined : { ...timeout, reason: "timed out" },
    abandonedGrace
  })

/** What a stream emits before its end, and how it ends. */
const outcome = <E>(stream: Stream.Stream<number, E>) =>
  run(Effect.gen(function*() {
    const seen: Array<number> = []
    const end = yield* stream.pipe(
      Stream.runForEach((n) => Effect.sync(() => seen.push(n))),
      Effect.match({ onSuccess: (): E | "ended" => "ended", onFailure: (error) => error })
    )
    return [end, seen] as const
  }))

const numbers = (...list: ReadonlyArray<number>) => Stream.fromIterable(list)

/** Sleeps for as many milliseconds as the input says, and returns it. */
const sleep = (millis: number) => Effect.as(Effect.sleep(millis), millis)

describe("pool", () => {
  it.effect("emits results as they finish, or in the order of the inputs", () =>
    Effect.gen(function*() {
      const source = numbers(30, 10, 20)
      assert.deepStrictEqual(yield* outcome(pool(source, sleep, { concurrency: 3 })), ["ended", [10, 20, 30]])
      assert.deepStrictEqual(yield* outcome(pool(source, sleep, { concurrency: 3, ordered: true })), [
        "ended",
        [30, 10, 20]
      ])
    }))

  it.effect("handles at most `concurrency` inputs at once, each with its turn", () =>
    Effect.gen(function*() {
      let handling = 0
      let most = 0
      const turns: Array<number> = []
      const [, seen] = yield* outcome(
        pool(Stream.range(1, 20), (n, _, turn) =>
          Effect.gen(function*() {
            turns.push(turn)
            most = Math.max(most, ++handling)
            yield* Effect.sleep(n % 3)
            handling--
            return n
          }), { concurrency: 4 })
      )
      assert.strictEqual(most, 4)
      assert.strictEqual(seen.length, 20)
      assert.deepStrictEqual(turns, Array.from({ length: 20 }, (_, i) => i))
    }))

  it.effect("reads one chunk ahead of the inputs that it handles", () =>
    Effect.gen(function*() {
      let pulled = 0
      const source = Stream.range(1, 100).pipe(
        Stream.rechunk(5),
        Stream.mapArray((chunk) => {
          pulled += chunk.length
          return chunk
        })
      )
      const fiber = yield* Effect.forkChild(Stream.runDrain(pool(source, () => Effect.never, { concurrency: 2 })))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(pulled, 5)
      yield* Fiber.interrupt(fiber)
    }))

  it.effect("emits nothing for an input without a result, and results before a handler ends", () =>
    Effect.gen(function*() {
      const [end, seen] = yield* outcome(
        pool(
          numbers(1, 2, 3),
          (n, { emit }, turn) =>
            n === 2 ? Effect.void : Effect.as(Effect.andThen(emit(turn, n * 10), emit(turn, n * 100)), n)
        )
      )
      assert.deepStrictEqual([end, seen.toSorted((a, b) => a - b)], ["ended", [1, 3, 10, 30, 100, 300]])
    }))

  it.effect("lets emitted results wait for the inputs before theirs when ordered", () =>
    Effect.gen(function*() {
      const handle = (n: number, { emit }: Pool.Control<number, string>, turn: number) =>
        Effect.gen(function*() {
          yield* emit(turn, n * 10)
          yield* Effect.sleep(n)
          return n
        })
      assert.deepStrictEqual(yield* outcome(pool(numbers(30, 10, 20), handle, { concurrency: 3, ordered: true })), [
        "ended",
        [300, 30, 100, 10, 200, 20]
      ])
    }))

  it.effect("fails with its source, after the inputs before", () =>
    Effect.gen(function*() {
      const source = Stream.concat(numbers(10, 20), Stream.fail("broken"))
      assert.deepStrictEqual(yield* outcome(pool(source, sleep)), ["broken", [10, 20]])
    }))

  it.effect("finishes the inputs in flight and takes no other when a handler fails or stops", () =>
    Effect.gen(function*() {
      for (const fails of [true, false]) {
        const started: Array<number> = []
        const [end, seen] = yield* outcome(pool(numbers(50, 10, 20, 30), (n, { stop }) => {
          started.push(n)
          return n !== 10 ? sleep(n) : Effect.delay(fails ? Effect.fail("first") : Effect.sync(() => stop("first")), 10)
        }))
        assert.deepStrictEqual([end, seen, started], ["first", [50], [50, 10]])
      }
    }))

  it.effect("fails with the first of several reasons", () =>
    Effect.gen(function*() {
      const [end] = yield* outcome(pool(numbers(20, 10), (n) => Effect.delay(Effect.fail(`after ${n}`), n)))
      assert.strictEqual(end, "after 10")
    }))

  it.effect("lets the inputs behind a failed one pass when ordered", () =>
    Effect.gen(function*() {
      const handle = (n: number) => n === 10 ? Effect.delay(Effect.fail("failed"), 10) : sleep(n)
      assert.deepStrictEqual(yield* outcome(pool(numbers(10, 30, 20), handle, { concurrency: 3, ordered: true })), [
        "failed",
        [30, 20]
      ])
    }))

  it.effect("dies with a defect of a handler", () =>
    Effect.gen(function*() {
      const exit = yield* run(Effect.exit(Stream.runDrain(pool(numbers(1, 2), () => Effect.die("defect")))))
      assert.isTrue(Exit.hasDies(exit))
    }))

  describe("timeout", () => {
    it.effect("takes no further input, and lets those in flight finish within the grace", () =>
      Effect.gen(function*() {
        const timeout = { after: 25, grace: 100 }
        assert.deepStrictEqual(yield* outcome(pool(numbers(20, 20, 30, 30, 40), sleep, { timeout })), [
          "timed out",
          [20, 20, 30, 30]
        ])
      }))

    it.effect("interrupts the inputs in flight after the grace", () =>
      Effect.gen(function*() {
        const timeout = { after: 25, grace: 10 }
        assert.deepStrictEqual(yield* outcome(pool(numbers(20, 20, 30, 12), sleep, { timeout })), [
          "timed out",
          [20, 20, 12]
        ])
      }))

    it.effect("does not fail a source that has ended, if the inputs in flight finish within the grace", () =>
      Effect.gen(function*() {
        const timeout = { after: 25, grace: 10 }
        assert.deepStrictEqual(yield* outcome(pool(numbers(20, 30), sleep, { timeout })), ["ended", [20, 30]])
      }))

    it.effect("interrupts the inputs of a source that has ended after the grace, and fails", () =>
      Effect.gen(function*() {
        const timeout = { after: 25, grace: 10 }
        assert.deepStrictEqual(yield* outcome(pool(numbers(20, 40), sleep, { timeout })), ["timed out", [20]])
        assert.deepStrictEqual(yield* outcome(pool(numbers(20, 40), () => Effect.never, { timeout })), [
          "timed out",
          []
        ])
      }))

    it.effect("ends a source that waits", () =>
      Effect.gen(function*() {
        const source = Stream.concat(numbers(10), Stream.never)
        const timeout = { after: 25, grace: 10 }
        assert.deepStrictEqual(yield* outcome(pool(source, sleep, { timeout })), ["timed out", [10]])
      }))

    it.effect("keeps finished results for a slow consumer", () =>
      Effect.gen(function*() {
        const timeout = { after: 25, grace: 10 }
        const slow = pool(Stream.range(1, 40), (n) => Effect.succeed(n), { timeout, concurrency: 40 })
        const seen = yield* run(
          Stream.runCollect(slow.pipe(Stream.rechunk(1), Stream.mapEffect((n) => Effect.delay(Effect.succeed(n), 10))))
        )
        assert.strictEqual(seen.length, 40)
      }))
  })

  describe("an interrupted consumer", () => {
    const interrupted = (options: Options) =>
      Effect.gen(function*() {
        const done: Array<number> = []
        const stream = pool(
          numbers(10, 50, 60, 70),
          (n) => Effect.tap(sleep(n), () => Effect.sync(() => done.push(n))),
          {
            concurrency: 3,
            ...options
          }
        )
        const fiber = yield* Effect.forkChild(Stream.runDrain(stream))
        yield* TestClock.adjust(5)
        yield* run(Fiber.interrupt(fiber))
        return done
      })

    it.effect("interrupts the inputs in flight at once without a grace", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* interrupted({}), [])
      }))

    it.effect("lets the inputs in flight finish within the grace, and takes no other", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* interrupted({ abandonedGrace: "1 second" }), [10, 50, 60])
        assert.deepStrictEqual(yield* interrupted({ abandonedGrace: 50 }), [10, 50])
      }))
  })
})
