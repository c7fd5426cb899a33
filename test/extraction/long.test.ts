import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import { Extraction } from "effect-instructor"
import { MockLlm, Reply } from "effect-instructor/testing"

const Entry = Schema.Struct({ id: Schema.String, name: Schema.String, amount: Schema.Finite })
const Ledger = Schema.Struct({ title: Schema.String, entries: Schema.Array(Entry) })
const ledger = Extraction.make<typeof Ledger.Type, never, string>({ schema: Ledger })

const names = ["Ada", "Alan", "Grace", "Edsger", "Barbara"]
const record = (i: number) => ({ id: `R-${1000 + i}`, name: names[i % names.length]!, amount: (i * 37) % 91 })
const line = ({ amount, id, name }: typeof Entry.Type) => `Entry ${id}: ${name} paid ${amount} euros.`

const prose = (length: number) =>
  "Nothing of interest happened on this day, and the weather was as before. ".repeat(Math.ceil(length / 73)).slice(
    0,
    length
  )

/** 500 records in 300,000 characters, with prose in between. */
const records = [...Array(500).keys()].map(record)
const document = records.map((one, i) => `${prose(540 + (i % 7) * 10)}\n${i % 3 === 0 ? "\n" : ""}${line(one)}\n`).join(
  ""
)

/** Finds every record that is whole in the text, in its order. */
const perfect = MockLlm.layer(({ messages }) => {
  const text = messages.findLast(({ role }) => role === "user")!.content as string
  return {
    title: /^Ledger (\w+)/m.exec(text)?.[1] ?? null,
    entries: Array.from(text.matchAll(/Entry (R-\d+): (\w+) paid (\d+) euros\./g), ([, id, name, amount]) => ({
      id: id!,
      name: name!,
      amount: Number(amount)
    }))
  }
}, { dialect: "plain" })

const Split = Schema.Struct({
  maxTokens: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 20_000 })),
  overlap: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5000 })),
  by: Schema.Literals(["page", "paragraph", "line"])
})

describe("long", () => {
  it.effect.prop(
    "finds 500 planted records of 300,000 characters once and in order, for any size and overlap",
    [Split],
    ([split]) =>
      Effect.gen(function*() {
        const text = `Ledger Blue\n${document}`
        assert.isAbove(text.length, 280_000)
        const value = yield* Extraction.extract(Extraction.long(ledger, { split, concurrency: 16 }), text)
        assert.deepStrictEqual(value, { title: "Blue", entries: records })
      }).pipe(Effect.provide(perfect)),
    { arbitrary: { runs: 12 }, timeout: 60_000 }
  )

  it.effect.prop(
    "keeps records that are stated twice",
    [Split, Schema.Array(Schema.Literals([0, 1, 2])).check(Schema.isMaxLength(40))],
    ([split, picks]) =>
      Effect.gen(function*() {
        const expected = picks.map(record)
        const text = `Ledger Blue\n${expected.map((one) => `${line(one)}\n`).join("")}`
        const small = { ...split, maxTokens: 1 + split.maxTokens % 60, overlap: split.overlap % 40 }
        const value = yield* Extraction.extract(Extraction.long(ledger, { split: small }), text)
        assert.deepStrictEqual(value.entries, expected)
      }).pipe(Effect.provide(perfect))
  )

  it.effect("works with JSON Schema", () =>
    Effect.gen(function*() {
      const document = Result.getOrThrow(Extraction.jsonSchema(Ledger, "plain"))
      const json = Result.getOrThrow(Extraction.fromJsonSchema<string>(document))
      const text = `Ledger Blue\n${[1, 2, 3].map((i) => `${line(record(i))}\n${prose(900)}\n`).join("\n")}`
      const value = yield* Extraction.extract(Extraction.long(json, { split: { maxTokens: 250, overlap: 50 } }), text)
      assert.deepStrictEqual(value, { title: "Blue", entries: [1, 2, 3].map(record) })
      assert.isAbove((yield* MockLlm.requests).length, 2)
    }).pipe(Effect.provide(perfect)))

  it.effect("asks for a text that fits as a whole", () =>
    Effect.gen(function*() {
      const text = `Ledger Blue\n${line(record(1))}`
      const { value } = yield* Extraction.extractDetailed(Extraction.long(ledger), text)
      assert.deepStrictEqual(value.entries, [record(1)])
      const [request] = yield* MockLlm.requests
      assert.strictEqual(request!.messages.at(-1)!.content, text)
    }).pipe(Effect.provide(perfect)))

  it.effect("reports conflicts, and takes what most chunks state", () =>
    Effect.gen(function*() {
      const text = ["Ledger Red", "Ledger Blue", "Ledger Blue"].map((title) => `${title}\n${prose(900)}\n`).join("\n")
      const { conflicts, value } = yield* Extraction.extractDetailed(
        Extraction.long(ledger, { split: { maxTokens: 250, overlap: 0 } }),
        text
      )
      assert.strictEqual(value.title, "Blue")
      assert.deepStrictEqual(conflicts?.map(({ path, values }) => [path, values.map(({ value }) => value)]), [
        [["title"], ["Blue", "Red"]]
      ])
    }).pipe(Effect.provide(perfect)))

  it.effect("joins rows by an id field, wherever they are", () =>
    Effect.gen(function*() {
      const text = [record(1), record(2), record(1)].map((one) => `${line(one)}\n${prose(900)}\n`).join("\n")
      const value = yield* Extraction.extract(
        Extraction.long(ledger, { split: { maxTokens: 250, overlap: 0 }, merge: { keys: { entries: "id" } } }),
        `Ledger Blue\n${text}`
      )
      assert.deepStrictEqual(value.entries, [record(1), record(2)])
    }).pipe(Effect.provide(perfect)))

  it.effect("fails with the usage of all chunks if one fails, or if the whole is not valid", () =>
    Effect.gen(function*() {
      const text = `${prose(2000)}\n\n${prose(2000)}`
      const error = yield* Effect.flip(Extraction.extract(Extraction.long(ledger, { split: { maxTokens: 600 } }), text))
      assert.strictEqual(error.reason._tag, "InvalidOutput")
      assert.strictEqual(error.attempts, 2)
    }).pipe(Effect.provide(perfect)))

  it.effect("passes a failure of a chunk on", () =>
    Effect.gen(function*() {
      const text = `${prose(2000)}\n\n${prose(2000)}`
      const error = yield* Effect.flip(Extraction.extract(Extraction.long(ledger, { split: { maxTokens: 600 } }), text))
      assert.strictEqual(error.reason._tag, "Refused")
    }).pipe(Effect.provide(MockLlm.layer(() => Reply.refusal("No")))))

  it.effect("refuses answers to a prompt that the server cut off in silence", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Extraction.extract(ledger, prose(10_000)))
      assert(error.reason._tag === "PromptTruncated")
      assert.strictEqual(error.reason.inputTokens, 512)
      assert.strictEqual(error.usage.inputTokens, 512)
      // Spaces are few tokens, and not a cut.
      const spaced = `Ledger Blue${" ".repeat(20_000)}\n`
      assert.deepStrictEqual(yield* Extraction.extract(ledger, spaced), { title: "Blue", entries: [] })
    }).pipe(Effect.provide(MockLlm.layer(() =>
      Reply.withUsage({ title: "Blue", entries: [] }, { inputTokens: 512, outputTokens: 9 })
    ))))
})
