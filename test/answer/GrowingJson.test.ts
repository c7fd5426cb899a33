import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { GrowingJson } from "../../src/answer/GrowingJson.ts"
import { Document, toText } from "../support/documents.ts"

const limits = { maxLength: 1_000_000, maxDepth: 100 }

describe("GrowingJson", () => {
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
