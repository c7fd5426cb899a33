import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ListReader } from "../../src/answer/ListReader.ts"
import { Document, toText } from "../support/documents.ts"

const read = (pieces: ReadonlyArray<string>) => {
  const reader = new ListReader("items", { maxLength: 1_000_000, maxDepth: 100 })
  const texts: Array<string> = []
  for (const piece of pieces) reader.feed(piece, texts)
  return { texts, problem: reader.end() }
}

describe("ListReader", () => {
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
