import { assert, describe, it } from "@effect/vitest"
import { search } from "./search.ts"

const seeds = 100

describe("LlmGovernor", () => {
  it(`recovers from five minutes of chaos without starvation or deadlock, for ${seeds} seeds`, () => {
    for (let seed = 1; seed <= seeds; seed++) {
      const { violations } = search(seed)
      assert.deepStrictEqual(violations, [], `seed ${seed}`)
    }
  }, 60_000)
})
