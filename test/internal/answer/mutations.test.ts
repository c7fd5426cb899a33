import { assert, describe, it } from "@effect/vitest"
import * as Corpus from "../../support/corpus.ts"
import * as Mutations from "./mutations.ts"

describe("recorded answers", () => {
  it("are read whole or refused when they are cut or when one character is wrong", (context) => {
    const answers = Mutations.recorded()
    if (answers === undefined) return context.skip(Corpus.missing)
    const counts: Record<Mutations.Outcome, number> = { ...Mutations.noOutcomes }
    let left = 40_000
    for (const [answer, mutation] of Mutations.random(7, answers)) {
      if (left-- === 0) break
      const outcome = Mutations.outcome(answer, mutation)
      assert.notStrictEqual(outcome, "wrong", JSON.stringify([mutation, Mutations.apply(answer.text, mutation)]))
      counts[outcome]++
    }
    // Most changes are inside of texts, and leave valid JSON.
    assert.isAbove(counts.whole, 400)
    assert.isAbove(counts.refused, 10_000)
  }, 60_000)
})
