import { assert, describe, it } from "@effect/vitest"
import { ExtractionError } from "effect-instructor"

describe("AnswerIssue", () => {
  it("formats paths like property accesses in code", () => {
    const format = (...path: ReadonlyArray<string | number>) => ExtractionError.formatIssue({ path, message: "no" })
    assert.strictEqual(format(), "no")
    assert.strictEqual(format("a", "b", 0, "c"), "a.b[0].c: no")
    assert.strictEqual(format(0), "[0]: no")
    assert.strictEqual(format("größe", "two words", "1"), "größe[\"two words\"][\"1\"]: no")
  })
})
