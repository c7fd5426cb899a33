import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schema, Stream } from "effect"
import { Extraction, ExtractionStream } from "effect-instructor"
import { Fault } from "effect-instructor/testing"
import * as Simulated from "../support/simulated.ts"
import { ada, modes, outcome, person } from "../support/streams.ts"

describe("ExtractionStream over HTTP", () => {
  it.live("emits elements from fragments as small as a byte", () =>
    Effect.gen(function*() {
      const list = ["Zoë 🦄", "\"]}\\", "日本"]
      for (const mode of modes) {
        for (const fragmentSize of [1, 3, undefined]) {
          const values = yield* Stream.runCollect(
            ExtractionStream.values(Extraction.make({ schema: Schema.String, mode }), "text")
          ).pipe(Effect.provide(Simulated.governed({ answer: () => ({ items: list }), fragmentSize, chunkSize: 3 })))
          assert.deepStrictEqual(values, list)
        }
      }
    }))

  it.live("fails with Disconnected and the text so far when the connection is lost", () =>
    Effect.gen(function*() {
      const { error, seen } = yield* outcome(ExtractionStream.values(Schema.Int, "text"))
      assert.deepStrictEqual(seen, [1, 2])
      assert.strictEqual(error?.reason._tag, "Disconnected")
      assert.strictEqual(error?.reason._tag === "Disconnected" && error.reason.text.slice(0, 14), "{\"items\":[1,2,")
    }).pipe(
      Effect.provide(Simulated.governed({
        answer: () => Fault.dropInside({ items: [1, 2, 3] }, { afterChunks: 16 }),
        chunkSize: 1,
        chunkDelay: "1 millis"
      }))
    ))

  it.live("fails with Stalled and the text so far when the connection stalls", () =>
    Effect.gen(function*() {
      const { error, seen } = yield* outcome(
        ExtractionStream.values(Schema.Int, "text", { idleTimeout: "200 millis" })
      )
      assert.deepStrictEqual(seen, [1, 2])
      assert.strictEqual(error?.reason._tag, "Stalled")
    }).pipe(
      Effect.provide(Simulated.governed({
        answer: () => Fault.hangInside({ items: [1, 2, 3] }, { afterChunks: 16 }),
        chunkSize: 1
      }))
    ))

  it.live("aborts the request when its consumer stops or is interrupted", () =>
    Effect.gen(function*() {
      const run = Stream.runCollect(Stream.take(ExtractionStream.values(Schema.Int, "text"), 2))
      assert.deepStrictEqual(yield* run, [0, 1])
      const fiber = yield* Effect.forkChild(Stream.runDrain(ExtractionStream.values(Schema.Int, "text")))
      yield* Effect.sleep("100 millis")
      yield* Fiber.interrupt(fiber)
      yield* Effect.sleep("100 millis")
      assert.strictEqual((yield* Simulated.ledger).inFlight, 0)
    }).pipe(
      Effect.provide(
        Simulated.governed({
          answer: () => ({ items: Array.from({ length: 10_000 }, (_, i) => i) }),
          chunkDelay: "2 millis"
        })
      )
    ))

  it.live("fails a partial stream with the text so far when the connection is lost or stalls", () =>
    Effect.gen(function*() {
      for (
        const [fault, tag] of [
          [Fault.dropInside(ada, { afterChunks: 10 }), "Disconnected"],
          [Fault.hangInside(ada, { afterChunks: 10 }), "Stalled"]
        ] as const
      ) {
        const { error } = yield* outcome(ExtractionStream.partial(person, "text", { idleTimeout: "200 millis" }))
          .pipe(
            Effect.provide(Simulated.governed({ answer: () => fault, chunkSize: 1, chunkDelay: "1 millis" }))
          )
        assert.strictEqual(error?.reason._tag, tag)
        assert.match((error!.reason as { readonly text: string }).text, /^\{"name":"?$/)
      }
    }))
})
