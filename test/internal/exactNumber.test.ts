import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import * as ExactNumber from "../../src/internal/exactNumber.ts"

describe("exactNumber", () => {
  it("finds integers that a double rounds and numbers that become infinite", () => {
    for (const literal of ["9007199254740993", "-12345678901234567890", "1e999", "-1e400", "9007199254740993.0"]) {
      assert.strictEqual(ExactNumber.findInexact(`{"id": ${literal}, "x": 1}`), literal)
    }
  })

  it("accepts what a double holds, digits in strings, and fractions", () => {
    for (
      const literal of [
        "9007199254740991",
        "9007199254740992",
        "1e21",
        "1e300",
        "0.12345678901234567890",
        "\"9007199254740993\"",
        "\"a \\\" 9007199254740993\""
      ]
    ) assert.isUndefined(ExactNumber.findInexact(`{"id": ${literal}}`))
  })

  it.effect.prop(
    "accepts every number that JSON.stringify writes",
    [Schema.Finite],
    ([number]) => Effect.sync(() => assert.isUndefined(ExactNumber.findInexact(JSON.stringify([number]))))
  )

  it.effect.prop(
    "finds an integer wherever it is",
    [Schema.String, Schema.String],
    ([before, after]) =>
      Effect.sync(() => {
        const text = `[${JSON.stringify(before)}, 9007199254740993, ${JSON.stringify(after)}]`
        assert.strictEqual(ExactNumber.findInexact(text), "9007199254740993")
      })
  )

  it("keeps the digits of a value that is written again", () => {
    const text = `{"id":9007199254740993,"big":1e999,"n":1.5,"text":"9007199254740993"}`
    assert.strictEqual(JSON.stringify(ExactNumber.parseKeepingDigits(text)), text)
  })
})
