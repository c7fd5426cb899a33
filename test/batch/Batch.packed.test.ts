import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema, Stream } from "effect"
import { Batch, Extraction, Usage } from "effect-instructor"
import { MockLlm, Reply } from "effect-instructor/testing"

const Person = Schema.Struct({ name: Schema.String, age: Schema.Int })
const person = Extraction.make<typeof Person.Type, never, string>({ schema: Person })

const texts = Array.from({ length: 300 }, (_, i) => `Person ${i} is called N${(i * 7919) % 100_003}, aged ${i % 90}.`)
const valueOf = (text: string) => ({ name: /N\d+/.exec(text)![0], age: Number(/aged (\d+)/.exec(text)![1]) })

interface Packed {
  id: string
  start: string
  value: typeof Person.Type
}

/** Answers packs and single texts without a fault, unless `change` makes some. */
const model = (change: (items: Array<Packed>, call: number) => ReadonlyArray<unknown> = (items) => items) =>
  MockLlm.layer(({ messages }, call) => {
    const content = messages.findLast(({ role }) => role === "user")!.content as string
    const packed = Array.from(content.matchAll(/<text id="(\d+)">\n([\s\S]*?)\n<\/text>/g))
    if (packed.length === 0) return valueOf(content)
    const items = packed.map(([, id, text]) => ({
      id: id!,
      start: text!.split(" ").slice(0, 3).join(" "),
      value: valueOf(text!)
    }))
    return { items: change(items, call) as Schema.Json }
  })

const run = (options: Batch.PackedOptions<string> = {}) =>
  Effect.map(
    Stream.runCollect(Batch.packed(person, texts, options)),
    (items) => items.map(({ index, result }) => [index, Result.getOrThrow(result)])
  )

const expected = texts.map((text, index) => [index, valueOf(text)])

/** A pseudo-random number from 0 to 1 for each call and element. */
const chance = (call: number, i: number): number => Math.abs(Math.sin(call * 131 + i * 17 + 1) * 10_000) % 1

const faults: Readonly<Record<string, (items: Array<Packed>, call: number) => ReadonlyArray<unknown>>> = {
  "drops 5 %": (items, call) => items.filter((_, i) => chance(call, i) > 0.05),
  "doubles 5 %": (items, call) =>
    items.flatMap((item, i) =>
      chance(call, i) > 0.05 ? [item] : [item, { ...item, value: { ...item.value, age: item.value.age + 1 } }]
    ),
  "swaps 5 % of the values": (items, call) => {
    for (let i = 0; i + 1 < items.length; i++) {
      if (chance(call, i) > 0.05) continue
      const value = items[i]!.value
      items[i]!.value = items[i + 1]!.value
      items[i + 1]!.value = value
    }
    return items
  },
  "swaps 5 % of the ids": (items, call) => {
    for (let i = 0; i + 1 < items.length; i++) {
      if (chance(call, i) > 0.05) continue
      const { id } = items[i]!
      items[i]!.id = items[i + 1]!.id
      items[i + 1]!.id = id
    }
    return items
  },
  "spoils 5 %": (items, call) =>
    items.map((item, i) => chance(call, i) > 0.05 ? item : { ...item, value: { age: "?" } }),
  "invents ids": (items) => [...items, { id: "99", start: "x", value: { name: "x", age: 1 } }],
  "gives no list": () => []
}

describe("packed", () => {
  it.effect("gives what single requests give, in order, with a tenth of the requests", () =>
    Effect.gen(function*() {
      const summaries: Array<Batch.PackedSummary> = []
      const values = yield* run({ onEnd: (ended) => Effect.sync(() => summaries.push(ended)) })
      assert.deepStrictEqual(values, expected)
      const requests = yield* MockLlm.requests
      assert.strictEqual(requests.length, 30)
      const [{ alone, packed, savedInputTokens }] = summaries as [Batch.PackedSummary]
      assert.deepStrictEqual([packed, alone], [30, 0])
      assert.isAbove(savedInputTokens, 0)
    }).pipe(Effect.provide(model())))

  for (const [name, fault] of Object.entries(faults)) {
    it.effect(`has no wrong value with a model that ${name}`, () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* run(), expected)
        if (name !== "invents ids") assert.isAbove((yield* MockLlm.requests).length, 30)
      }).pipe(Effect.provide(model(fault))))
  }

  it.effect("keeps within maxTokens", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* run({ maxTokens: 30, perRequest: 50 }), expected)
      for (const { messages } of yield* MockLlm.requests) {
        assert.isAtMost((messages.at(-1)!.content as string).match(/<text/g)!.length, 3)
      }
    }).pipe(Effect.provide(model())))

  it.effect("counts the usage of a pack once", () =>
    Effect.gen(function*() {
      const items = yield* Stream.runCollect(Batch.packed(person, texts.slice(0, 7), { perRequest: 7 }))
      const sum = items.reduce((sum, { usage }) => Usage.add(sum, usage), Usage.zero)
      assert.strictEqual(sum.inputTokens, 100)
      assert.strictEqual(sum.outputTokens, 33)
    }).pipe(Effect.provide(MockLlm.layer(({ messages }) =>
      Reply.withUsage({
        items: texts.slice(0, 7).map((text, i) => ({ id: String(i + 1), start: `Person ${i}`, value: valueOf(text) }))
      }, { inputTokens: messages.length === 2 ? 100 : 0, outputTokens: 33 })
    ))))

  it.effect("runs checks on every value", () =>
    Effect.gen(function*() {
      const checked = Extraction.with(Extraction.check(person, ({ age }) => age < 40), { maxAttempts: 1 })
      const items = yield* Stream.runCollect(Batch.packed(checked, texts.slice(35, 45)))
      assert.deepStrictEqual(
        items.map(({ result }) => Result.isSuccess(result)),
        texts.slice(35, 45).map((_, i) => i < 5)
      )
    }).pipe(Effect.provide(model())))

  it.effect("asks alone for a failed pack, and for inputs that cannot be packed", () =>
    Effect.gen(function*() {
      const items = yield* Stream.runCollect(Batch.packed(Extraction.grounded(person), texts.slice(0, 3)))
      assert.deepStrictEqual(
        items.map(({ result }) => Result.getOrThrow(result).value),
        texts.slice(0, 3).map(valueOf)
      )
      const refused = yield* Stream.runCollect(Batch.packed(person, texts.slice(0, 3)))
      assert.deepStrictEqual(refused.map(({ result }) => Result.getOrThrow(result)), texts.slice(0, 3).map(valueOf))
    }).pipe(Effect.provide(MockLlm.layer(({ messages }) => {
      const content = messages.at(-1)!.content as string
      return content.startsWith("<text") ? Reply.refusal("No") : valueOf(content)
    }))))
})
