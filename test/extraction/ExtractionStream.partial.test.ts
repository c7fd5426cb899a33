import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schema, Stream } from "effect"
import { Extraction, ExtractionStream, Llm } from "effect-instructor"
import { MockLlm, Reply } from "effect-instructor/testing"
import { TestClock } from "effect/testing"
import { ada, modes, outcome, person } from "../support/streams.ts"

describe("ExtractionStream.partial", () => {
  const Order = Schema.Struct({
    id: Schema.Int,
    note: Schema.String,
    lines: Schema.Array(Schema.Struct({ sku: Schema.String, ok: Schema.Boolean }))
  })
  const order = { id: 17, note: "say \"hi\" \n🦄", lines: [{ sku: "a", ok: true }, { sku: "b", ok: false }] }

  for (const mode of modes) {
    it.effect(`emits snapshots that grow into the value in mode ${mode}`, () =>
      Effect.gen(function*() {
        const snapshots = yield* ExtractionStream.partial(Extraction.make({ schema: Order, mode }), "text", {
          every: true
        }).pipe(Stream.runCollect, Effect.provide(MockLlm.layer([order], { chunkSize: 1 })))
        const values = snapshots.map(({ value }) => value)
        assert.deepStrictEqual(values.at(-1), order)
        assert.deepStrictEqual(values.at(-2), order)
        assert.deepStrictEqual(values[0], {})
        assert.deepStrictEqual(
          Array.from(new Set(snapshots.flatMap(({ value }) => value.note ?? []))),
          [
            "",
            "s",
            "sa",
            "say",
            "say ",
            "say \"",
            "say \"h",
            "say \"hi",
            "say \"hi\"",
            "say \"hi\" ",
            "say \"hi\" \n",
            "say \"hi\" \n🦄"
          ]
        )
        const last = snapshots.at(-1)!
        assert.strictEqual(last._tag === "Complete" ? last.attempts : 0, 1)
      }))
  }

  it.effect("starts over after an answer that does not decode", () =>
    Effect.gen(function*() {
      const snapshots = yield* ExtractionStream.partial(person, "text", { every: true }).pipe(
        Stream.runCollect,
        Effect.provide(MockLlm.layer([{ name: "Ada", age: "old" }, ada], { chunkSize: 100 }))
      )
      assert.deepStrictEqual(snapshots.map(({ value }) => value), [{ name: "Ada", age: "old" }, ada, ada] as never)
      const last = snapshots.at(-1)!
      assert.strictEqual(last._tag === "Complete" ? last.attempts : 0, 2)
    }))

  it.effect("fails with Stalled when the answer pauses, but not before it begins", () =>
    Effect.gen(function*() {
      const slow = Llm.make({
        provider: "slow",
        model: "slow",
        complete: () => Effect.never,
        stream: () =>
          Stream.make([300, "{\"name\":"], [9, "\"A"], [11, "da\"}"]).pipe(
            Stream.rechunk(1),
            Stream.mapEffect(([seconds, delta]) =>
              Effect.as(Effect.sleep(seconds * 1000), { _tag: "TextDelta" as const, delta: delta })
            )
          )
      })
      const fiber = yield* outcome(ExtractionStream.partial(person, "text", { idleTimeout: "10 seconds", every: true }))
        .pipe(Effect.provideService(Llm.Llm, slow), Effect.forkChild)
      yield* TestClock.adjust("318 seconds")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("2 seconds")
      const { error, seen } = yield* Fiber.join(fiber)
      assert.deepStrictEqual(seen.map(({ value }) => value), [{}, { name: "A" }])
      assert.isTrue(error?.reason._tag === "Stalled" && error.reason.text === "{\"name\":\"A")
    }))

  it.effect("skips snapshots for a slow consumer, but never the value", () =>
    Effect.gen(function*() {
      const fiber = yield* ExtractionStream.partial(Schema.String, "text").pipe(
        Stream.mapEffect((snapshot) => Effect.as(Effect.sleep("1 minute"), snapshot)),
        Stream.runCollect,
        Effect.provide(
          MockLlm.layer([JSON.stringify({ value: "x".repeat(100) })], { chunkSize: 1, chunkDelay: "1 second" })
        ),
        Effect.forkChild
      )
      yield* TestClock.adjust("10 minutes")
      const snapshots = yield* Fiber.join(fiber)
      assert.isBelow(snapshots.length, 6)
      assert.strictEqual(snapshots.at(-1)!._tag, "Complete")
      assert.strictEqual(snapshots.at(-1)!.value, "x".repeat(100))
    }))

  it.effect("unwraps lists and reads __proto__ as data", () =>
    Effect.gen(function*() {
      const [first] = yield* ExtractionStream.partial(
        Extraction.make({ schema: Schema.Array(Schema.Unknown), mode: "json" }),
        "text",
        { every: true }
      ).pipe(
        Stream.runCollect,
        Effect.provide(
          MockLlm.layer(["{\"items\":[{\"__proto__\":{\"a\":1},\"constructor\":2}]}"], { chunkSize: 1000 })
        )
      )
      const [value] = first!.value as ReadonlyArray<object>
      assert.deepStrictEqual(Object.keys(value!), ["__proto__", "constructor"])
      assert.isUndefined(({} as { a?: number }).a)
    }))

  for (
    const [name, reply, tag, options] of [
      ["a truncated answer", Reply.truncated("{\"name\":\"A"), "Truncated", {}],
      ["a refusal", Reply.refusal("No."), "Refused", {}],
      ["depth", `{"name":${"[".repeat(10_000)}`, "LimitExceeded", {}],
      ["length", { name: "x".repeat(100), age: 1 }, "LimitExceeded", { maxLength: 50 }]
    ] as const
  ) {
    it.effect(`fails with a typed error: ${name}`, () =>
      Effect.gen(function*() {
        const { error } = yield* outcome(ExtractionStream.partial(person, "text", options)).pipe(
          Effect.provide(MockLlm.layer([reply]))
        )
        assert.strictEqual(error?.reason._tag, tag)
      }))
  }
})
