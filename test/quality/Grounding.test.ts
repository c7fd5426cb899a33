import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { Grounding } from "effect-instructor"

const quote = (text: string, value: string | number, options?: Grounding.Options) => {
  const span = Grounding.locate(text, value, options)
  return span === undefined ? undefined : `${span.match}: ${span.quote}`
}

describe("locate", () => {
  it("finds a text as it stands", () => {
    assert.strictEqual(quote("Signed by Ada Lovelace.", "Ada Lovelace"), "exact: Ada Lovelace")
  })

  it("does not find a text inside of a longer word", () => {
    assert.isUndefined(quote("Berlinale", "Berlin"))
    assert.isUndefined(quote("A-12345", "1234"))
  })

  it("finds a text in another case, with other spaces, dashes, accents and ligatures", () => {
    assert.strictEqual(quote("ADA\n  LOVELACE", "Ada Lovelace"), "normalised: ADA\n  LOVELACE")
    assert.strictEqual(quote("a well\u2011known café", "well-known cafe"), "normalised: well\u2011known café")
    assert.strictEqual(quote("the o\uFB03ce", "office"), "normalised: o\uFB03ce")
  })

  it("finds a word that is hyphenated at the end of a line", () => {
    assert.strictEqual(quote("an exam-\n  ple of it", "example"), "normalised: exam-\n  ple")
  })

  it("finds numbers in every notation", () => {
    for (const written of ["1,234.50", "1.234,50", "1 234,50", "1'234.50", "1234.5", "$1,234.50"]) {
      assert.strictEqual(
        quote(`Total ${written} due`, 1234.5),
        `${written === "1234.5" ? "exact" : "normalised"}: ${written.replace("$", "")}`
      )
      assert.isDefined(quote(`Total ${written} due`, "1234.50"), written)
    }
    assert.strictEqual(quote("a loss of (500)", -500), "normalised: (500")
    assert.strictEqual(quote("up 12%", 0.12), "normalised: 12%")
    assert.strictEqual(quote("3.5 million people", 3_500_000), "normalised: 3.5 million")
    assert.isUndefined(quote("Total 1,234.51", 1234.5))
    assert.isUndefined(quote("Total 12", 2))
  })

  it("finds dates in every notation", () => {
    for (
      const written of [
        "March 3, 2026",
        "3 March 2026",
        "3. März 2026",
        "3 mars 2026",
        "03/03/2026",
        "3.3.26",
        "2026/03/03",
        "2026年3月3日",
        "3rd of March 2026"
      ]
    ) assert.strictEqual(quote(`Due on ${written}.`, "2026-03-03"), `normalised: ${written}`)
    assert.strictEqual(quote("in March 2026", "2026-03"), "normalised: March 2026")
    assert.isUndefined(quote("Due on March 4, 2026", "2026-03-03"))
  })

  it("finds a text that is nearly the same, unless it may not", () => {
    const text = "The quick brown fox jumps over the lazy dog."
    assert.strictEqual(quote(text, "the quick brown fix jumps"), "fuzzy: The quick brown fox jumps")
    assert.isUndefined(quote(text, "the quick brown fix jumps", { fuzzy: false }))
    assert.isUndefined(quote(text, "a slow white cat sleeps under a table"))
  })

  it("finds words in scripts without spaces", () => {
    assert.strictEqual(quote("請求書東京支店御中", "東京支店"), "exact: 東京支店")
  })

  it("never finds empty texts", () => {
    assert.isUndefined(Grounding.locate("a  b", " "))
    assert.isUndefined(Grounding.locate("a -- b", "--x"))
  })

  it.effect.prop(
    "gives offsets into the original",
    [Schema.Array(Schema.Literals(["Zoé", "straße", "🦄x", "oﬃce", "B2B", "ÅNGSTRÖM", "o'neil"])), Schema.Natural],
    ([words, n]) =>
      Effect.sync(() => {
        if (words.length === 0) return
        const text = words.join(" \n-")
        const spans = Grounding.make(text).spans(words[n % words.length]!.toUpperCase())
        assert.isAbove(spans.length, 0)
        for (const { end, quote, start } of spans) assert.strictEqual(text.slice(start, end), quote)
      })
  )
})

describe("ground", () => {
  const source = "Pen, 2 pieces, 3.00\nInk, 2 pieces, 9.00\nPen, 2 pieces, 3.00"

  it("gives the values of a row places near each other", () => {
    const leaves = Grounding.ground(source, { lines: [{ name: "Ink", count: 2, price: 9 }] })
    assert.deepStrictEqual(leaves.map(({ span }) => span?.start), [20, 25, 35])
  })

  it("gives equal rows places of their own", () => {
    const row = { name: "Pen", price: 3 }
    const leaves = Grounding.ground(source, [row, row])
    assert.deepStrictEqual(leaves.map(({ span }) => span?.start), [0, 15, 40, 55])
  })

  it("has every leaf, and places only for texts and numbers", () => {
    const leaves = Grounding.ground("Ada", { name: "Ada", alive: false, age: null, tags: [], city: "" })
    assert.deepStrictEqual(leaves.map(({ path }) => path.join(".")), ["name", "alive", "age", "city"])
    assert.strictEqual(leaves.filter(({ span }) => span !== null).length, 1)
    assert.strictEqual(Grounding.share(leaves), 1)
  })

  it("ends soon on long texts", () => {
    const long = "lorem ipsum dolor sit amet ".repeat(4000)
    const leaves = Grounding.ground(long, Array.from({ length: 100 }, (_, i) => `lorem ipsum ${i} dolor sat amat`))
    assert.strictEqual(leaves.length, 100)
  })

  it.effect.prop(
    "never throws, and quotes what it says it quotes",
    [Schema.String, Schema.Json],
    ([text, value]) =>
      Effect.sync(() => {
        const source = `${text} ${JSON.stringify(value)}`
        for (const { span } of Grounding.ground(source, value)) {
          if (span !== null) assert.strictEqual(source.slice(span.start, span.end), span.quote)
        }
      })
  )
})
