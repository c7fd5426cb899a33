import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { Vote } from "effect-instructor"

const row = (name: string, count: number) => ({ name, count })

describe("elect", () => {
  it("takes for each leaf the value of most answers", () => {
    const { agreement, value } = Vote.elect([{ a: 1, b: "x" }, { a: 1, b: "y" }, { a: 2, b: "Y" }])
    assert.deepStrictEqual(value, { a: 1, b: "y" })
    assert.deepStrictEqual(agreement.map(({ path, share }) => [path[0], Math.round(share * 3)]), [["a", 2], ["b", 2]])
  })

  it("pairs rows before they vote, wherever they are", () => {
    const { value } = Vote.elect([
      { rows: [row("pen", 1), row("ink", 2)] },
      { rows: [row("ink", 2), row("pen", 9)] },
      { rows: [row("pen", 1), row("pad", 4), row("ink", 7)] }
    ])
    assert.deepStrictEqual(value, { rows: [row("pen", 1), row("ink", 2)] })
  })

  it("keeps a row that most answers have, in its place", () => {
    const { value } = Vote.elect([["a", "c"], ["a", "b", "c"], ["a", "b", "c"]])
    assert.deepStrictEqual(value, ["a", "b", "c"])
  })

  it("keeps equal rows apart", () => {
    assert.deepStrictEqual(Vote.elect([["a", "a"], ["a", "a"], ["a"]]).value, ["a", "a"])
  })

  it("breaks ties by the source", () => {
    const answers = [{ name: "Ida" }, { name: "Ada" }]
    assert.deepStrictEqual(Vote.elect(answers).value, { name: "Ida" })
    assert.deepStrictEqual(Vote.elect(answers, { source: "I am Ada" }).value, { name: "Ada" })
  })

  it("leaves out keys that few answers have, and takes a null that most have", () => {
    assert.deepStrictEqual(Vote.elect([{ a: null }, { a: null, b: 1 }, { a: 1 }]).value, { a: null })
  })

  it.effect.prop(
    "is the answer itself where all agree",
    [Schema.Json, Schema.Literals([1, 2, 3, 5])],
    ([json, count]) =>
      Effect.sync(() => {
        assert.deepStrictEqual(Vote.elect(Array.from({ length: count }, () => json)).value, json)
      })
  )

  it.effect.prop("never throws, and gives JSON", [Schema.Array(Schema.Json)], ([answers]) =>
    Effect.sync(() => {
      JSON.stringify(Vote.elect(answers).value)
      JSON.stringify(Vote.choose(answers).value)
    }))
})

describe("choose", () => {
  it("takes one of the answers whole", () => {
    const answers = [{ a: 1, b: 1 }, { a: 2, b: 2 }, { a: 1, b: 2 }]
    assert.strictEqual(Vote.choose(answers).value, answers[2])
  })
})
