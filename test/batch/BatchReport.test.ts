import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema, Stream } from "effect"
import { Batch, BatchReport, Usage } from "effect-instructor"
import { MockLlm, Reply } from "effect-instructor/testing"
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import { generate, target } from "../../scripts/reportPage.ts"

const hostile = `</script><script>alert(1)</script><!--<script> & "quotes" \u0000\u2028\ud800`

const texts = ["I am Ada", "secret", hostile]
const Person = Schema.Struct({ name: Schema.String })
const replies = MockLlm.layer({
  "I am Ada": { name: "Ada" },
  "secret": Reply.refusal(hostile),
  [hostile]: { name: hostile }
})

const scripts = (html: string) =>
  Array.from(
    html.matchAll(/<script([^>]*)>([\s\S]*?)<\/script>/g),
    ([, attributes, text]) => ({ attributes, text: text! })
  )

const rows = (html: string) =>
  scripts(html).filter(({ attributes }) => attributes!.includes("items")).flatMap(({ text }) => JSON.parse(text))

describe("BatchReport", () => {
  it.effect("has every item, and no markup from any of them", () =>
    Effect.gen(function*() {
      const html = yield* Batch.stream(Person, texts, { ordered: true }).pipe(Batch.report({ title: hostile }))
      // Meta, items, and the page itself.
      assert.strictEqual(scripts(html).length, 3)
      assert.notInclude(html, "alert(1)</script>")
      const [ada, secret, third] = rows(html)
      assert.deepStrictEqual(ada.slice(0, 6), [0, "0", "I am Ada", `{"name":"Ada"}`, null, 1])
      assert.strictEqual(secret[4].reason, "Refused")
      assert.include(secret[4].message, "alert(1)")
      assert.deepStrictEqual(JSON.parse(third[3]), { name: hostile })
    }).pipe(Effect.provide(replies)))

  it.effect("takes items that were collected before, with the text and the encoding of the caller", () =>
    Effect.gen(function*() {
      const items = yield* Stream.runCollect(Batch.stream(Person, ["I am Ada"]))
      const html = yield* Batch.report(items, { text: (input) => input.toUpperCase(), encode: () => "encoded" })
      assert.deepStrictEqual(rows(html)[0].slice(2, 4), ["I AM ADA", `"encoded"`])
      assert.strictEqual(rows(html)[0][10], null)
    }).pipe(Effect.provide(replies)))

  it.effect("shows values that JSON has no form for", () =>
    Effect.gen(function*() {
      const cycle: { self?: unknown } = {}
      cycle.self = cycle
      const items = yield* Stream.runCollect(Batch.stream(Person, ["I am Ada"]))
      for (const value of [1n, new Map([["a", 1]]), undefined, cycle, NaN, new Date(NaN), () => 1]) {
        const html = yield* Batch.report(items, { encode: () => value as never })
        assert.strictEqual(rows(html).length, 1)
      }
    }).pipe(Effect.provide(replies)))

  it.effect("allows its own script and style, and no request", () =>
    Effect.gen(function*() {
      const html = yield* Stream.mkString(BatchReport.html(Stream.empty))
      const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(html)![1]!
      const hash = (text: string) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`
      assert.include(policy, `script-src ${hash(scripts(html).at(-1)!.text)};`)
      assert.include(policy, `style-src ${hash(/<style>([\s\S]*?)<\/style>/.exec(html)![1]!)};`)
      assert.include(policy, "default-src 'none'")
      assert.notInclude(policy, "connect-src")
    }))

  it("is bundled from its sources", async () => {
    assert.strictEqual(fs.readFileSync(target, "utf8"), await generate(), "out of date: npm run report-page")
  })

  it("bounds the share of errors as tables of the exact binomial bound do", () => {
    const cases: ReadonlyArray<readonly [number, number, number]> = [
      [60, 0, 0.0487],
      [100, 0, 0.0295],
      [100, 1, 0.0466],
      [100, 5, 0.1023],
      [10, 3, 0.6066],
      [10, 10, 1],
      [0, 0, 1]
    ]
    for (const [sample, errors, bound] of cases) {
      assert.closeTo(BatchReport.upperBound({ sample, errors }), bound, 0.0001)
    }
    assert.closeTo(BatchReport.upperBound({ sample: 100_000, errors: 100 }), 0.00119, 0.00002)
  })

  it.prop(
    "never bounds a share below the one observed, and a larger sample never proves less",
    [
      Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 2000 })),
      Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 50 }))
    ],
    ([sample, some]) => {
      const errors = Math.min(some, sample)
      const bound = BatchReport.upperBound({ sample, errors })
      assert.isAtLeast(bound, errors / sample)
      assert.isAtMost(bound, 1)
      assert.isAtMost(BatchReport.upperBound({ sample: sample + 1, errors }), bound + 1e-9)
      assert.isAtMost(bound, BatchReport.upperBound({ sample, errors, confidence: 0.99 }) + 1e-9)
    }
  )

  it.effect("gives a live page each item once, in several answers, and then says that no more come", () =>
    Effect.gen(function*() {
      const report = BatchReport.live({ title: hostile })
      const page = report.page("/items?token=a")
      assert.strictEqual(scripts(page).length, 2)
      assert.strictEqual(JSON.parse(scripts(page)[0]!.text).live, "/items?token=a")
      const entries = Array.from({ length: 300 }, (_, index) => ({
        index,
        text: "x".repeat(9000),
        value: hostile,
        attempts: 1,
        usage: Usage.zero
      }))
      yield* report.add(entries)
      const seen: Array<number> = []
      let answers = 0
      for (let more = true; more; answers++) {
        const answer = JSON.parse(yield* report.answer(seen.length, [["In flight", "1"]]))
        assert.isFalse(answer.done)
        assert.deepStrictEqual(answer.figures, [["In flight", "1"]])
        for (const [index] of answer.rows) seen.push(index)
        more = answer.more
      }
      assert.isAbove(answers, 2)
      assert.deepStrictEqual(seen, entries.map(({ index }) => index))
      yield* report.end
      assert.isFalse(JSON.parse(yield* report.answer(0)).done)
      assert.deepStrictEqual(JSON.parse(yield* report.answer(300)), { done: true, more: false, figures: [], rows: [] })
      // A page that has more than there is, after the command was started again.
      assert.deepStrictEqual(JSON.parse(yield* report.answer(900)).rows, [])
    }))

  it.effect("keeps no more items of a live report than its memory allows, and counts the others", () =>
    Effect.gen(function*() {
      const report = BatchReport.live({ maxBytes: 3000 })
      const entries = Array.from({ length: 9 }, (_, index) => ({
        index,
        text: "x".repeat(index === 4 ? 2000 : 100),
        attempts: 1,
        usage: Usage.zero
      }))
      yield* report.add(entries)
      const { rows } = JSON.parse(yield* report.answer(0))
      assert.deepStrictEqual(rows.map(([index]: [number]) => index), [0, 1, 2, 3])
      assert.strictEqual(yield* report.dropped, 5)
    }))

  it.effect("is rendered in parts, in the order of the entries", () =>
    Effect.gen(function*() {
      const entries = Stream.map(
        Stream.range(0, 4999),
        (index) => ({ index, value: index, attempts: 1, usage: Usage.zero })
      )
      const parts = yield* Stream.runCollect(BatchReport.html(entries))
      assert.isAbove(parts.length, 4)
      assert.deepStrictEqual(
        rows(parts.join("")).map(([index]: [number]) => index),
        Array.from({ length: 5000 }, (_, i) => i)
      )
    }))
})
