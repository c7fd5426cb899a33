import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Schema } from "effect"
import * as JsonText from "../../../src/answer/JsonText.ts"

const first = (text: string): unknown => Array.from(JsonText.candidates(text))[0]
const all = (text: string): ReadonlyArray<unknown> => Array.from(JsonText.candidates(text))

describe("JsonText", () => {
  it.effect.prop("returns only the value of a text that is JSON", [Schema.Json], ([json]) =>
    Effect.sync(() => {
      const text = JSON.stringify(json)
      assert.deepStrictEqual(all(text), [JSON.parse(text)])
    }))

  it.effect.prop(
    "finds a value in a fenced block or in prose, whatever its strings contain",
    [Schema.Struct({ text: Schema.String, list: Schema.Array(Schema.String) })],
    ([value]) =>
      Effect.sync(() => {
        const text = JSON.stringify(value)
        const found = JSON.parse(text)
        // A fenced block ends at the next fence, so a value that contains one is found by its brackets.
        assert.deepInclude(all(`Sure!\n\`\`\`json\n${text}\n\`\`\`\nAnything else?`), found)
        assert.deepInclude(all(`Here it is: ${text}. I hope it helps.`), found)
      })
  )

  it("returns the last of several blocks first and the others after it", () => {
    const text = "For example ```json\n{\"a\": 1}\n``` and the answer ```json\n{\"a\": 2}\n```"
    assert.deepStrictEqual(all(text).slice(0, 2), [{ a: 2 }, { a: 1 }])
  })

  it("prefers the answer to JSON in the reasoning before it", () => {
    assert.deepStrictEqual(first("<think>maybe {\"a\": 0}?</think>\n{\"a\": 1}"), { a: 1 })
  })

  it("reads fenced blocks without an end or a language", () => {
    assert.deepStrictEqual(first("```json\n{\"a\": 1}"), { a: 1 })
    assert.deepStrictEqual(first("```\n[1, 2]\n```"), [1, 2])
  })

  it("does not take a draft whose correction cannot be read", () => {
    const draft = "```json\n{\"a\": 1}\n```\nCorrected:\n"
    for (const correction of ["\"a\": 2", "a: 2", "2", "a = 2, b = [3]"]) {
      assert.deepStrictEqual(all(`${draft}\`\`\`json\n${correction}\n\`\`\``), [])
    }
    assert.deepStrictEqual(all(`${draft}\`\`\`\n\`\`\``), [{ a: 1 }])
    assert.deepStrictEqual(all(`${draft}\`\`\`json\n{"a": 2}\n\`\`\``), [{ a: 2 }, { a: 1 }])
  })

  it("does not round numbers that a double does not hold", () => {
    for (const number of ["9007199254740993", "12345678901234567890", "1e999"]) {
      assert.deepStrictEqual(all(`{"a": ${number}}`), [])
      assert.deepStrictEqual(all(`Here: {"a": ${number},}`), [])
    }
    assert.deepStrictEqual(all("{\"a\": 9007199254740991}"), [{ a: 9007199254740991 }])
  })

  it("reads values without brackets in fenced blocks", () => {
    assert.deepStrictEqual(all("The age:\n```json\n42\n```"), [42])
    assert.deepStrictEqual(all("```\n\"Ada\"\n``` or ```\nnull\n```"), [null, "Ada"])
  })

  it("does not repair the beginning of a list or an object that goes on", () => {
    assert.deepStrictEqual(all("{a: 1}, {b: 2"), [])
    assert.deepStrictEqual(all("{a: 1} : 2"), [])
    assert.deepStrictEqual(all("{a: 1} and more"), [{ a: 1 }])
  })

  it("does not take a block from double braces of which one is missing", () => {
    assert.deepStrictEqual(all("{{\"a\":1}}"), [{ a: 1 }])
    assert.deepStrictEqual(all("{{\"a\":{\"b\":1,\"c\":2}}"), [])
    assert.deepStrictEqual(all("{ {\"a\":1}"), [])
  })

  it("ignores brackets in prose", () => {
    assert.deepStrictEqual(first("The set {1, 2 is open; see [1]. {\"a\": \"}\"}"), { a: "}" })
  })

  it("repairs the mistakes that models make", () => {
    for (
      const [broken, value] of [
        ["{\"a\": 1,}", { a: 1 }],
        ["{a: 'x'}", { a: "x" }],
        ["{\"a\": [1, 2,], // two\n\"b\": True}", { a: [1, 2], b: true }],
        ["Here: ```json\n{'a': None}\n```", { a: null }]
      ] as const
    ) {
      assert.deepInclude(all(broken), value)
    }
  })

  it("never closes a value that was cut off", () => {
    for (
      const cut of [
        "{\"items\": [{\"a\": 1}, {\"a\": 2",
        "{\"items\": [{\"a\": 1}",
        "{\"a\": [1, 2], \"b\": 3",
        "[{\"a\": 1}, {\"a\""
      ]
    ) {
      for (const value of all(cut)) assert.isFalse(JSON.stringify(value).includes("items"), cut)
      assert.notDeepInclude(all(cut), { a: [1, 2], b: 3 })
    }
  })

  it("finds no value in prose, in a refusal, or in an empty text", () => {
    for (const text of ["", "   ", "I cannot help with that.", "null and void", "{", "}{"]) {
      assert.deepStrictEqual(all(text), [], text)
    }
  })

  it("stops early on a text full of brackets that never close", () => {
    // A walk to the end for every bracket would be 10¹¹ steps.
    assert.deepStrictEqual(all("{".repeat(900_000)), [])
  })

  it("does not repair a value that is nested too deeply", () => {
    assert.deepStrictEqual(all(`${"[".repeat(100_000)}1,${"]".repeat(100_000)}`), [])
  })

  it("parses nothing but JSON", () => {
    assert.deepStrictEqual(JsonText.parse("{\"a\":1}"), Option.some({ a: 1 }))
    assert.deepStrictEqual(JsonText.parse("{a:1}"), Option.none())
  })
})
