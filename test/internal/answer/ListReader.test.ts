import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ListReader } from "../../../src/answer/ListReader.ts"
import { Document, toText } from "../../support/documents.ts"

const read = (pieces: ReadonlyArray<string>) => {
  const reader = new ListReader("items", { maxLength: 1_000_000, maxDepth: 100 })
  const texts: Array<string> = []
  for (const piece of pieces) reader.feed(piece, texts)
  return { texts, problem: reader.end() }
}

/** The elements of a text, and its problem, which must not depend on the pieces it arrives in. */
const readAll = (text: string) => {
  const whole = read([text])
  assert.deepStrictEqual(read(Array.from(text)), whole)
  return whole
}

describe("ListReader", () => {
  it("does not take a list after the end of one whose beginning is missing", () => {
    const reader = new ListReader("items", { maxLength: 1000, maxDepth: 10 })
    const out: Array<string> = []
    reader.feed(":\"\n    ],\n    []\n  ]```", out)
    assert.deepStrictEqual(out, [])
    assert.strictEqual(reader.end(), "The answer contains no list")
  })

  for (
    const [name, text, texts] of [
      ["skips a list inside a bracket in prose", "The options [as in [\"x\", \"y\"]] are: [\"z\"]", ["\"z\""]],
      ["skips objects inside a bracket in prose", "[see [{\"a\":1}]]\n[{\"b\":2}]", ["{\"b\":2}"]],
      ["reads a list after brackets in prose that have closed", "See [1] and [a [b]]: [\"z\"]", ["\"z\""]],
      ["reads a bare list of numbers at the start of a line", "Of [3]:\n [1, 2]", ["1", "2"]],
      ["reads a bare list that begins with a 9", "[9]", ["9"]],
      ["reads a bare list that begins with a 0", "[0]", ["0"]],
      ["reads a bare list that begins with a minus", "[-1]", ["-1"]],
      ["reads a bare list that begins with a word", "[true]", ["true"]],
      ["reads a bare list of numbers in a fenced block", "```json [1, 2]```", ["1", "2"]],
      ["reads a bare empty list at the start of a line", "None found:\n[]", []],
      ["reads strings and objects without commas between them", "{\"items\":[\"a\" {\"b\":3}{\"b\":4}]}", [
        "\"a\"",
        "{\"b\":3}",
        "{\"b\":4}"
      ]],
      ["reads a list after an empty one", "{\"items\":[]}\n{\"items\":[1]}", ["1"]],
      ["skips an object without the key before the list", "{\"thought\":{\"items\":[0]}} {\"items\":[1]}", ["1"]]
    ] as const
  ) {
    it(`${name}, in pieces of any size`, () => {
      assert.deepStrictEqual(readAll(text), { texts: [...texts], problem: undefined })
    })
  }

  it("finds no list in a sentence with a number in brackets", () => {
    assert.deepStrictEqual(readAll("There are none, see [1]."), { texts: [], problem: "The answer contains no list" })
  })

  it("finds no list in the rest of an object whose start is missing", () => {
    for (const text of ["tems\": [\n[1]\n]}", "\"a\": [{\"b\": 1}]}"]) {
      assert.deepStrictEqual(readAll(text), { texts: [], problem: "The answer contains no list" })
    }
  })

  it("stops at a missing comma next to a number", () => {
    for (const text of ["{\"items\":[{} 1]}", "{\"items\":[{}null]}"]) {
      assert.deepStrictEqual(readAll(text), { texts: ["{}"], problem: "Expected a comma after element 0 of the list" })
    }
  })

  it("reports an answer that goes on after a bare list", () => {
    assert.deepStrictEqual(readAll("[\",\"\n], \"items\": []").problem, "The answer is broken after its list")
    assert.deepStrictEqual(readAll("[\"a\"] is the list.").problem, undefined)
  })

  it("reports only problems that the rest of the list would not solve as contradictory", () => {
    const isContradictory = (text: string) => {
      const reader = new ListReader("items", { maxLength: 1000, maxDepth: 10 })
      reader.feed(text, [])
      reader.end()
      return reader.isContradictory
    }
    for (
      const text of [
        "{\"items\":[1]} {\"items\":[2]}",
        "{\"items\":1,\"items\":[2]}",
        "{\"items\":[1] oops",
        "{\"items\":[1],\"items\":2}"
      ]
    ) {
      assert.isTrue(isContradictory(text), text)
    }
    for (const text of ["", "No.", "{\"items\":[1,", "{\"items\":[1,,2]}", "{\"items\":[1]}"]) {
      assert.isFalse(isContradictory(text), text)
    }
  })

  it("reads nothing beyond its limits", () => {
    const reader = new ListReader("items", { maxLength: 20, maxDepth: 2 })
    const texts: Array<string> = []
    reader.feed("[[1],[[2]],", texts)
    assert.deepStrictEqual([texts, reader.exceeded], [["[1]", "[[2]]"], undefined])
    reader.feed("[[[3]]]", texts)
    assert.strictEqual(reader.exceeded, "maxDepth")
    reader.feed(",4]", texts)
    assert.deepStrictEqual(texts, ["[1]", "[[2]]"])
    const long = new ListReader("items", { maxLength: 5, maxDepth: 2 })
    long.feed("[1,2,3]", texts)
    assert.deepStrictEqual([long.exceeded, texts.length], ["maxLength", 2])
  })

  it.effect.prop(
    "reads the same elements as JSON.parse, wherever the text is split",
    [Document],
    ([document]) =>
      Effect.sync(() => {
        const text = toText(document)
        const whole = (JSON.parse(text) as { readonly items: ReadonlyArray<unknown> }).items
        for (let at = 0; at <= text.length; at++) {
          const { problem, texts } = read([text.slice(0, at), text.slice(at)])
          assert.strictEqual(problem, undefined)
          assert.deepStrictEqual(texts.map((one) => JSON.parse(one)), whole)
        }
        const { texts } = read(Array.from({ length: text.length }, (_, i) => text[i]!))
        assert.deepStrictEqual(texts.map((one) => JSON.parse(one)), whole)
      }),
    { arbitrary: { runs: 100 }, timeout: 60_000 }
  )
})
