import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { ExtractionError, LlmError, Usage } from "effect-instructor"
import { AiError } from "effect/ai"
import { printable, printableLine } from "../../src/internal/printable.ts"

describe("printable", () => {
  it.prop("leaves nothing that controls a terminal, and all other text", [Schema.String], ([text]) => {
    const mixed = `${text}\u001b[31m\u009b2J\u202e\u0007\r`
    assert.notMatch(printable(mixed), /[^\P{Cc}\n\t]|[\u202A-\u202E\u2066-\u2069]/u)
    assert.strictEqual(printable(printable(mixed)), printable(mixed))
  })

  it("keeps lines, tabs and letters of all scripts", () => {
    const text = "a\tb\nzażółć 漢字 مرحبا 👩‍👩‍👧"
    assert.strictEqual(printable(text), text)
    assert.strictEqual(printableLine("a\n  b\u001b"), "a b")
  })

  it.effect("is applied to the messages of errors, which end in terminals, logs and spans", () =>
    Effect.sync(() => {
      const evil = "\u001b]0;title\u0007\u009b2J"
      const refused = new ExtractionError.ExtractionError({
        extraction: `Person${evil}`,
        reason: new ExtractionError.Refused({ refusal: evil }),
        attempts: 1,
        usage: Usage.zero
      })
      const provider = new LlmError.LlmError({
        provider: "openai",
        reason: new AiError.UnknownError({ description: evil })
      })
      for (const { message } of [refused, provider]) {
        assert.include(message, "]0;title2J")
        assert.strictEqual(message, printable(message))
      }
    }))
})
