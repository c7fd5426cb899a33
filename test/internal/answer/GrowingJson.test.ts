import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { GrowingJson } from "../../../src/answer/GrowingJson.ts"
import { Document, toText } from "../../support/documents.ts"

const limits = { maxLength: 1_000_000, maxDepth: 100 }

/** The value after each piece. */
const grow = (...pieces: ReadonlyArray<string>) => {
  const growing = new GrowingJson(limits)
  return pieces.map((piece) => {
    growing.feed(piece)
    return structuredClone(growing.value)
  })
}

describe("GrowingJson", () => {
  it("has no value before an object or a list begins", () => {
    assert.deepStrictEqual(grow("Sure, here it is: ", "{"), [undefined, {}])
  })

  it("shows unfinished strings, and numbers and words once they have ended", () => {
    assert.deepStrictEqual(grow("{\"a\":\"x", "y\",\"b\":1", "2", ",\"c\":tru", "e}"), [
      { a: "x" },
      { a: "xy" },
      { a: "xy" },
      { a: "xy", b: 12 },
      { a: "xy", b: 12, c: true }
    ])
  })

  it("leaves out half of a surrogate pair and of an escape", () => {
    assert.deepStrictEqual(grow("[\"a\\", "n\\u00", "e9\ud83e", "\udd84\"]"), [
      ["a"],
      ["a\n"],
      ["a\né"],
      ["a\né🦄"]
    ])
  })

  it("keeps its value when braces follow in prose, and replaces it with a later object that has a key", () => {
    assert.deepStrictEqual(grow("{\"a\":1} as in {}", " or {\"b\":2}"), [{ a: 1 }, { b: 2 }])
  })

  it("keeps what it has read of broken JSON", () => {
    assert.deepStrictEqual(grow("{\"a\":1,,", "\"b\":2}"), [{ a: 1 }, { a: 1 }])
    assert.deepStrictEqual(grow("{\"a\":nope,", "\"b\":2}"), [{}, {}])
  })

  it("reads nothing beyond its limits", () => {
    const deep = new GrowingJson({ maxLength: 100, maxDepth: 2 })
    deep.feed("{\"a\":[[1]]}")
    assert.deepStrictEqual([deep.exceeded, deep.value], ["maxDepth", { a: [] }])
    deep.feed("]")
    assert.deepStrictEqual(deep.value, { a: [] })
    const long = new GrowingJson({ maxLength: 5, maxDepth: 2 })
    long.feed("{\"a\":1}")
    assert.deepStrictEqual([long.exceeded, long.value], ["maxLength", undefined])
  })

  it.effect.prop(
    "is a part of the whole value after every character, and the whole value at the end",
    [Document],
    ([document]) =>
      Effect.sync(() => {
        const text = toText(document)
        const whole = JSON.parse(text)
        const growing = new GrowingJson(limits)
        for (const char of text) {
          growing.feed(char)
          assertPart(growing.value, whole)
        }
        assert.deepStrictEqual(growing.value, whole)
        for (let at = 0; at <= text.length; at += 7) {
          const halves = new GrowingJson(limits)
          halves.feed(text.slice(0, at))
          halves.feed(text.slice(at))
          assert.deepStrictEqual(halves.value, whole)
        }
      }),
    { arbitrary: { runs: 100 }, timeout: 60_000 }
  )
})

/** Asserts that a growing value is a part of the whole one, in which strings may be unfinished. */
const assertPart = (part: unknown, whole: unknown): void => {
  if (part === undefined) return
  if (typeof part === "string") assert.isTrue(String(whole).startsWith(part))
  else if (typeof part === "object" && part !== null) {
    for (const [key, value] of Object.entries(part)) {
      assert.isTrue(Object.hasOwn(whole as object, key), JSON.stringify([part, whole]))
      assertPart(value, (whole as { readonly [key: string]: unknown })[key])
    }
  } else assert.strictEqual(part, whole)
}
