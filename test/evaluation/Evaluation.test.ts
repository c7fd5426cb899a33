import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Schema } from "effect"
import { Evaluation, Extraction } from "effect-instructor"
import { MockLlm, Reply } from "effect-instructor/testing"

const Line = Schema.Struct({ sku: Schema.String, count: Schema.Int })
const Order = Schema.Struct({ id: Schema.String, lines: Schema.Array(Line) })
const order = Extraction.make({ schema: Order, maxAttempts: 1 })

/**
 * Another scorer, written from the definition: every pairing of the rows is tried. Leaves are few, so that equal values
 * meet.
 */
const Leaf = Schema.NullOr(Schema.Literals(["a", "B", "b ", 1, "1", 2, ""]))
const Row = Schema.Struct({ x: Leaf, y: Schema.optionalKey(Leaf) })
const Document = Schema.Struct({
  name: Leaf,
  rows: Schema.Array(Row).check(Schema.isMaxLength(4)),
  tags: Schema.Array(Leaf).check(Schema.isMaxLength(3)),
  group: Schema.Struct({ rows: Schema.Array(Row).check(Schema.isMaxLength(2)) })
})

const plain = (leaf: unknown): string | undefined => {
  const text = typeof leaf === "string" || typeof leaf === "number" ? String(leaf).trim().toLowerCase() : ""
  return text === "" ? undefined : text
}

const countLeaves = (json: unknown): number =>
  typeof json === "object" && json !== null
    ? Object.values(json).reduce((sum: number, inner) => sum + countLeaves(inner), 0)
    : Number(plain(json) !== undefined)

const bestPairing = (a: ReadonlyArray<unknown>, b: ReadonlyArray<unknown>): number => {
  if (a.length === 0) return 0
  const [first, ...rest] = a
  let best = bestPairing(rest, b)
  for (const [j, other] of b.entries()) {
    best = Math.max(best, same(first, other) + bestPairing(rest, b.filter((_, k) => k !== j)))
  }
  return best
}

const same = (a: unknown, b: unknown): number => {
  if (Array.isArray(a)) return Array.isArray(b) ? bestPairing(a, b) : 0
  if (typeof a === "object" && a !== null) {
    return Object.entries(a).reduce((sum, [key, inner]) => sum + same(inner, (b as Record<string, unknown>)[key]), 0)
  }
  return Number(plain(a) !== undefined && plain(a) === plain(b))
}

describe("score", () => {
  it.effect.prop(
    "agrees with an independent scorer on 1,000 random pairs",
    [Document, Document],
    ([actual, expected]) =>
      Effect.sync(() => {
        const report = Evaluation.score([{ actual, expected }])
        const correct = same(actual, expected)
        const [p, g] = [countLeaves(actual), countLeaves(expected)]
        assert.deepStrictEqual([report.correct, report.actual, report.expected], [correct, p, g])
        assert.strictEqual(report.f1, p + g === 0 ? 1 : 2 * correct / (p + g))
        assert.strictEqual(report.exact, Number(correct === p && correct === g))
      }),
    { arbitrary: { runs: 1000 }, timeout: 60_000 }
  )

  it("normalises texts, numbers and dates, and can be fuzzy", () => {
    const f1 = (actual: Schema.Json, expected: Schema.Json, match?: Evaluation.Match) =>
      Evaluation.score([{ actual, expected }], match).f1
    assert.strictEqual(f1("ACME  corp.", "Acme Corp"), 1)
    assert.strictEqual(f1("1,204.50", 1204.5), 1)
    assert.strictEqual(f1("March 3, 2026", "2026-03-03"), 1)
    assert.strictEqual(f1("007", "7"), 0)
    assert.strictEqual(f1("C++", "C"), 0)
    assert.strictEqual(f1("the quick brown fox", "the quick brown fax"), 0)
    assert.strictEqual(f1("the quick brown fox", "the quick brown fax", { fuzzy: 0.9 }), 1)
  })

  it("leaves fields to comparisons of their own, and ignores others", () => {
    const items = [{ actual: { a: 1, b: 2 }, expected: { a: 1.01, b: 3 } }]
    const near = (x: Evaluation.Scalar, y: Evaluation.Scalar) => Math.abs(Number(x) - Number(y)) < 0.1
    const { exact, fields } = Evaluation.score(items, { fields: { a: near }, ignore: ["b"] })
    assert.strictEqual(exact, 1)
    assert.deepStrictEqual(Object.keys(fields), ["a"])
  })

  it("counts what is missing against recall and what is invented against precision", () => {
    const { fields } = Evaluation.score([{
      actual: { lines: [{ sku: "a" }, { sku: "x" }], note: "new" },
      expected: { lines: [{ sku: "a" }, { sku: "b" }, { sku: "c" }] }
    }])
    assert.strictEqual(fields["lines[].sku"]!.precision, 0.5)
    assert.strictEqual(fields["lines[].sku"]!.recall, 1 / 3)
    assert.strictEqual(fields["note"]!.precision, 0)
    assert.strictEqual(fields["note"]!.recall, 1)
  })

  it("gives the same intervals for the same items", () => {
    const items = [...Array(30).keys()].map((i) => ({ actual: { a: i % 3 }, expected: { a: 0 } }))
    const { interval: [low, high], meanF1 } = Evaluation.score(items)
    assert.isTrue(low < meanF1 && meanF1 < high)
    assert.deepStrictEqual(Evaluation.score(items).interval, [low, high])
  })
})

describe("run", () => {
  it.effect("scores values, failures, usage and latency", () =>
    Effect.gen(function*() {
      const report = yield* Evaluation.run(order, [
        { input: "1", id: "one", expected: { id: "1", lines: [{ sku: "a", count: 1 }] } },
        { input: "2", id: "two", expected: { id: "2", lines: [] } }
      ])
      assert.strictEqual(report.meanF1, 0.5)
      assert.deepStrictEqual(report.failures, { Refused: 1 })
      assert.isAbove(report.usage.inputTokens, 0)
      assert.strictEqual(Duration.toMillis(report.latency.p50), 0)
      assert.deepStrictEqual(report.items.map(({ exact, id }) => [id, exact]), [["one", true], ["two", false]])
    }).pipe(Effect.provide(MockLlm.layer({
      "1": { id: "1", lines: [{ sku: "A", count: 1 }] },
      "2": Reply.refusal("No")
    }))))

  it.effect("compares decoded values in their JSON form", () =>
    Effect.gen(function*() {
      const days = Extraction.make({ schema: Schema.Struct({ day: Schema.DateFromString }) })
      const report = yield* Evaluation.run(days, [{ input: "x", expected: { day: new Date("2026-03-03") } }])
      assert.strictEqual(report.exact, 1)
    }).pipe(Effect.provide(MockLlm.layer([{ day: "2026-03-03" }]))))
})

describe("compare", () => {
  const of = (right: (i: number) => boolean) =>
    Evaluation.score([...Array(40).keys()].map((i) => ({
      id: String(i),
      actual: { a: right(i) ? 0 : 1 },
      expected: { a: 0 }
    })))

  it("finds the better of two", () => {
    const { better, difference, interval: [low], p, worse } = Evaluation.compare(of(() => true), of((i) => i % 2 === 0))
    assert.strictEqual(difference, 0.5)
    assert.isAbove(low, 0)
    assert.isBelow(p, 0.01)
    assert.deepStrictEqual([better, worse], [20, 0])
  })

  it("finds no difference between equals", () => {
    const report = of((i) => i % 3 === 0)
    assert.strictEqual(Evaluation.compare(report, report).p, 1)
  })
})
