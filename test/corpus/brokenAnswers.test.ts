import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { Extraction } from "effect-instructor"
import { MockLlm, Reply } from "effect-instructor/testing"
import { cases } from "./brokenAnswers.ts"

describe("broken answers", () => {
  it.effect(
    `${cases.length} answers each lead to their whole value, or are refused`,
    () =>
      Effect.forEach(cases, (one) =>
        Effect.gen(function*() {
          const result = yield* Effect.result(Extraction.extract(
            Extraction.make({ schema: one.subject.schema, maxAttempts: 1 }),
            "text"
          ))
          const outcome = Result.isSuccess(result) ? { value: result.success } : {}
          assert.deepStrictEqual(outcome, "value" in one ? { value: one.value } : {}, `${one.name}: ${one.text}`)
        }).pipe(Effect.provide(MockLlm.layer([Reply.text(one.text)]))), { discard: true }),
    60_000
  )
})
