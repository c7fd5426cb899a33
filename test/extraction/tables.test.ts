import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Result, Schema, Stream } from "effect"
import { Batch, Distillation, Extraction, ExtractionStream, Journal, type LlmRequest } from "effect-instructor"
import { MockLlm } from "effect-instructor/testing"

const Line = Schema.Struct({ sku: Schema.String, price: Schema.Finite })
const Invoice = Schema.Struct({ number: Schema.String, lines: Schema.Array(Line) })
const invoice = Extraction.make<typeof Invoice.Type, never, string>({ schema: Invoice, tables: true })

const text = "Invoice 7: A-1 for 1.50, B-2 for 20"
const value = { number: "7", lines: [{ sku: "A-1", price: 1.5 }, { sku: "B-2", price: 20 }] }
const table = { number: "7", lines: { columns: ["sku", "price"], rows: [["A-1", 1.5], ["B-2", 20]] } }

const propertiesOf = (request: LlmRequest.LlmRequest) =>
  ((request.output as LlmRequest.JsonFormat).jsonSchema["properties"] as any).lines

describe("tables", () => {
  for (const mode of ["json_schema", "tools", "json", "markdown"] as const) {
    it.effect(`are asked for and read back in mode ${mode}`, () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* Extraction.extract(Extraction.with(invoice, { mode }), text), value)
        const [request] = yield* MockLlm.requests
        assert.deepStrictEqual(Object.keys(propertiesOf(request!).properties), ["columns", "rows"])
      }).pipe(Effect.provide(MockLlm.layer([table]))))
  }

  it.effect("are a list with a wrapper, or without one, at the root", () =>
    Effect.gen(function*() {
      const lines = Extraction.make({ schema: Schema.Array(Line), tables: true })
      assert.deepStrictEqual(yield* Extraction.extract(lines, text), value.lines)
      assert.deepStrictEqual(yield* Extraction.extract(lines, text), value.lines)
    }).pipe(Effect.provide(MockLlm.layer([{ items: table.lines }, table.lines]))))

  it.effect("may be answered with ordinary lists", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* Extraction.extract(invoice, text), value)
    }).pipe(Effect.provide(MockLlm.layer([value]))))

  it.effect("are asked for again where a row does not fit, with its path", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* Extraction.extract(invoice, text), value)
      const complaint = (yield* MockLlm.requests)[1]!.messages.at(-1)!.content
      assert.include(complaint, "lines.rows[1]: Expected 2 cells, one for each column, and not 1")
    }).pipe(Effect.provide(MockLlm.layer([
      { ...table, lines: { ...table.lines, rows: [["A-1", 1.5], ["B-2"]] } },
      table
    ]))))

  it.effect("are ordinary values to checks, grounding, votes and long texts", () =>
    Effect.gen(function*() {
      const checked = Extraction.check(invoice, (_, { json }) => {
        assert.deepStrictEqual(json, value)
        return true
      })
      assert.deepStrictEqual(yield* Extraction.extract(checked, text), value)
      const { leaves } = yield* Extraction.extract(Extraction.grounded(invoice), text)
      assert.deepStrictEqual(leaves.at(-1)!.path, ["lines", 1, "price"])
      assert.strictEqual(leaves.at(-1)!.span?.quote, "20")
      assert.deepStrictEqual(yield* Extraction.extract(Extraction.vote(invoice, { samples: 3 }), text), value)
      const long = Extraction.long(invoice, { split: { maxTokens: 8, overlap: 0, by: "line" } })
      const twice = yield* Extraction.extract(long, `${text}\n${"x".repeat(40)}`)
      assert.deepStrictEqual(twice.lines.slice(0, 2), value.lines)
      const split = Extraction.split(invoice, [["number"]])
      assert.strictEqual((yield* Extraction.extract(split, text)).lines.length, 2)
    }).pipe(Effect.provide(MockLlm.layer(({ output }) => {
      const { properties } = (output as LlmRequest.JsonFormat).jsonSchema as { properties: object }
      return Object.fromEntries(Object.entries(table).filter(([key]) => key in properties))
    }))))

  it.effect("are the form of examples, in prompts and for fine-tuning", () =>
    Effect.gen(function*() {
      yield* Extraction.extract(Extraction.withExamples(invoice, [{ input: text, output: value }]), "x")
      const [request] = yield* MockLlm.requests
      assert.strictEqual(request!.messages.find(({ role }) => role === "assistant")!.content, JSON.stringify(table))
      const example = Result.getOrThrow(Distillation.toExample(invoice, text, value, { format: "anthropic" }))
      assert.include(JSON.stringify(example), JSON.stringify(JSON.stringify(table)).slice(1, -1))
    }).pipe(Effect.provide(MockLlm.layer([table]))))

  it.effect("are not asked for in streamed lists and snapshots", () =>
    Effect.gen(function*() {
      const row = Extraction.make({ schema: Line, tables: true })
      assert.deepStrictEqual(yield* Stream.runCollect(ExtractionStream.values(row, text)), value.lines)
      const last = yield* Stream.runLast(ExtractionStream.partial(invoice, text))
      assert.deepStrictEqual(Option.getOrThrow(last).value, value)
      assert.isTrue((yield* MockLlm.requests).every((request) => !JSON.stringify(request).includes("columns")))
    }).pipe(Effect.provide(MockLlm.layer([{ items: value.lines }, value]))))

  it.effect("are restored from a journal", () =>
    Effect.gen(function*() {
      const run = Stream.runCollect(Batch.resumable(invoice, [text]))
      yield* run
      const [item] = yield* run
      assert.isTrue(item!.restored)
      assert.deepStrictEqual(Result.getOrThrow(item!.result), value)
    }).pipe(Effect.provide([Journal.layerMemory, MockLlm.layer([table])])))
})
