import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Option, Result, Schema, Stream } from "effect"
import { Batch, Extraction, ExtractionStream, Journal } from "effect-instructor"
import { MockLlm, MockLlmBatch } from "effect-instructor/testing"
import { TestClock } from "effect/testing"

const Line = Schema.Struct({ sku: Schema.String, price: Schema.Finite })
const Invoice = Schema.Struct({ number: Schema.String, lines: Schema.Array(Line) })
const invoice = Extraction.make<typeof Invoice.Type, never, string>({ schema: Invoice, patch: true })

const line = (i: number) => ({ sku: `S-${i}`, price: i })
const value = { number: "7", lines: [line(0), line(1), line(2)] }
/** Two prices are wrong. */
const broken = { number: "7", lines: [line(0), { sku: "S-1", price: "one" }, { sku: "S-2" }] }
const patch = [
  { op: "replace", path: "/lines/1/price", value: 1 },
  { op: "add", path: "/lines/2/price", value: 2 }
]

const requests = Effect.map(
  MockLlm.requests,
  (requests) =>
    requests.map(({ messages, output }) => ({ mode: output.mode, last: messages.at(-1)!.content as string, messages }))
)

describe("patch", () => {
  for (const mode of ["json_schema", "tools", "json", "markdown"] as const) {
    it.effect(`asks for the invalid places only in mode ${mode}, and decodes the whole`, () =>
      Effect.gen(function*() {
        const one = Extraction.with(invoice, { mode })
        const { answer, attempts, value: patched } = yield* Extraction.extractDetailed(one, "x")
        assert.deepStrictEqual(patched, value)
        assert.deepStrictEqual(answer, value)
        assert.strictEqual(attempts, 2)
        const [, second] = yield* requests
        assert.strictEqual(second!.mode, "text")
        assert.include(second!.last, "- /lines/1/price: Expected number")
        assert.include(second!.last, "- /lines/2/price: Missing key")
        assert.deepStrictEqual(second!.messages.at(-2), { role: "assistant", content: JSON.stringify(broken) })
      }).pipe(Effect.provide(MockLlm.layer([broken, patch]))))
  }

  it.effect("takes a patch in prose, under a key, or of a single operation", () =>
    Effect.gen(function*() {
      for (let i = 0; i < 3; i++) assert.deepStrictEqual(yield* Extraction.extract(invoice, "x"), value)
    }).pipe(Effect.provide(MockLlm.layer([
      broken,
      `Here is the patch:\n\`\`\`json\n${JSON.stringify(patch)}\n\`\`\``,
      broken,
      { patch },
      { ...value, lines: [line(0), line(1), { sku: "S-2" }] },
      { op: "add", path: "/lines/2/price", value: 2 }
    ]))))

  for (
    const [name, refused, why] of [
      ["changes a valid place", [...patch, { op: "replace", path: "/number", value: "8" }], "changes /number"],
      ["moves the elements of a list", [{ op: "add", path: "/lines/1", value: line(1) }], "which is valid"],
      ["removes a row", [{ op: "remove", path: "/lines/1" }], "which is valid"],
      ["replaces the whole", [{ op: "replace", path: "", value: { number: "8", lines: [] } }], "which is valid"],
      ["names a place that there is not", [{ op: "replace", path: "/lines/9/price", value: 1 }], "cannot be applied"],
      ["changes nothing", [], "changes nothing"],
      ["has an operation of another kind", [{ op: "copy", from: "/number", path: "/lines/1/price" }], "no JSON Patch"],
      ["is prose", "I cannot do that", "no JSON Patch"]
    ] as const
  ) {
    it.effect(`refuses a patch that ${name}, and asks for the whole value`, () =>
      Effect.gen(function*() {
        const { attempts, value: whole } = yield* Extraction.extractDetailed(invoice, "x")
        assert.deepStrictEqual([whole, attempts], [value, 3])
        const third = (yield* requests)[2]!
        assert.strictEqual(third.mode, "json_schema")
        assert.include(third.last, "lines[1].price")
        assert.include(third.last, "whole corrected value")
        const error = yield* Effect.flip(Extraction.extract(Extraction.with(invoice, { maxAttempts: 2 }), "x"))
        assert(error.reason._tag === "InvalidOutput")
        assert.include(error.reason.attempts[1]!.issues[0]!.message, why)
      }).pipe(Effect.provide(MockLlm.layer([broken, refused, value, broken, refused]))))
  }

  it.effect("patches again where a patched value is not valid", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* Extraction.extract(invoice, "x"), value)
      assert.notInclude((yield* requests)[2]!.last, "/lines/1/price")
    }).pipe(Effect.provide(MockLlm.layer([
      broken,
      [patch[0]!, { op: "add", path: "/lines/2/price", value: "two" }],
      [{ op: "replace", path: "/lines/2/price", value: 2 }]
    ]))))

  it.effect("asks for the whole value where an issue is about the whole, or nothing could be read", () =>
    Effect.gen(function*() {
      const checked = Extraction.check(invoice, ({ lines }) => lines.length === 3, { message: "is incomplete" })
      assert.deepStrictEqual(yield* Extraction.extract(checked, "x"), value)
      assert.deepStrictEqual(yield* Extraction.extract(checked, "x"), value)
      assert.isTrue((yield* requests).every(({ mode }) => mode === "json_schema"))
    }).pipe(Effect.provide(MockLlm.layer([{ ...value, lines: [] }, value, "no", value]))))

  it.effect("corrects what checks find, by their paths", () =>
    Effect.gen(function*() {
      const checked = Extraction.check(invoice, ({ lines }) =>
        lines.flatMap(({ price }, i) =>
          price < 0 ? [{ path: ["lines", i, "price"], message: "must not be negative" }] : []
        ))
      assert.deepStrictEqual(yield* Extraction.extract(checked, "x"), value)
    }).pipe(Effect.provide(MockLlm.layer([
      { ...value, lines: [line(0), { sku: "S-1", price: -1 }, line(2)] },
      [{ op: "replace", path: "/lines/1/price", value: 1 }]
    ]))))

  it.effect("works with tables, roots that are no objects, and in partial streams", () =>
    Effect.gen(function*() {
      const tables = Extraction.with(invoice, { tables: true })
      assert.deepStrictEqual(yield* Extraction.extract(tables, "x"), value)
      const lines = Extraction.make({ schema: Schema.Array(Line), patch: true })
      assert.deepStrictEqual(yield* Extraction.extract(lines, "x"), value.lines)
      const last = yield* Stream.runLast(ExtractionStream.partial(invoice, "x", { every: true }))
      assert.deepStrictEqual(Option.getOrThrow(last).value, value)
    }).pipe(Effect.provide(MockLlm.layer([
      { number: "7", lines: { columns: ["sku", "price"], rows: [["S-0", 0], ["S-1", "one"], ["S-2", 2]] } },
      [{ op: "replace", path: "/lines/1/price", value: 1 }],
      { items: [line(0), { sku: "S-1", price: "one" }, line(2)] },
      [{ op: "replace", path: "/1/price", value: 1 }],
      broken,
      patch
    ]))))

  it.effect("works in resumable and offline batches", () =>
    Effect.gen(function*() {
      const run = <E, R>(items: Stream.Stream<Batch.Item<typeof Invoice.Type, string>, E, R>) =>
        Effect.gen(function*() {
          const fiber = yield* Effect.forkChild(Stream.runCollect(items))
          yield* Effect.forkChild(Effect.forever(Effect.andThen(Effect.yieldNow, TestClock.adjust("1 minute"))))
          return yield* Fiber.join(fiber)
        })
      const resumed = Batch.resumable(invoice, ["a"])
      for (
        const items of [
          yield* run(Batch.offline(invoice, ["a"])).pipe(Effect.provide(Journal.layerMemory)),
          yield* run(Batch.offline(invoice, ["a"], { finish: "batch" })).pipe(Effect.provide(Journal.layerMemory)),
          yield* Effect.andThen(run(resumed), run(resumed)).pipe(Effect.provide(Journal.layerMemory))
        ]
      ) {
        assert.deepStrictEqual(items.map(({ result }) => Result.getOrThrow(result)), [value])
        assert.strictEqual(items[0]!.attempts, 2)
      }
    }).pipe(Effect.provide([
      MockLlm.layer(({ output }) => output.mode === "text" ? patch : broken),
      MockLlmBatch.layer(({ output }) => output.mode === "text" ? patch : broken)
    ])))
})
