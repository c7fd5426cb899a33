import { assert, describe, it } from "@effect/vitest"
import * as Mutation from "../../scripts/mutation.ts"

const mutated = (text: string): ReadonlyArray<string> =>
  Mutation.mutantsOf("file.ts", text).map(({ end, replacement, start }) =>
    text.slice(0, start) + replacement + text.slice(end)
  )

describe("mutation testing", () => {
  it("changes conditions, operators and constants, one at a time", () => {
    assert.deepStrictEqual(mutated("if (a < b && !c) d()"), [
      "if (true) d()",
      "if (false) d()",
      "if (a <= b && !c) d()",
      "if (a < b || !c) d()",
      "if (a < b && c) d()"
    ])
    assert.deepStrictEqual(mutated("const x = Math.max(0, y - 1)"), [
      "const x = Math.min(0, y - 1)",
      "const x = Math.max(1, y - 1)",
      "const x = Math.max(0, y + 1)",
      "const x = Math.max(0, y - 2)"
    ])
  })

  it("leaves types and the joining of text as they are", () => {
    assert.deepStrictEqual(mutated("type A = 1 | true\nconst x: 2 | 3 = y as 2\nf<4>(`${z}` + \"!\")"), [])
  })

  it("draws the same sample from the same seed", () => {
    const values = Array.from({ length: 50 }, (_, i) => i)
    assert.deepStrictEqual(Mutation.shuffle(values, 7), Mutation.shuffle(values, 7))
    assert.notDeepEqual(Mutation.shuffle(values, 7), Mutation.shuffle(values, 8))
    assert.sameMembers([...Mutation.shuffle(values, 7)], values)
  })
})
