import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { ExtractionError } from "effect-instructor"
import * as Corpus from "../support/corpus.ts"
import { documents, extractAll } from "./documents.ts"

describe("corpus", () => {
  it.live.skipIf(documents === undefined)(
    documents === undefined ? Corpus.missing : "every answer of every model arrives typed, or as a typed failure",
    () =>
      Effect.gen(function*() {
        const rows = yield* extractAll(documents ?? [])
        assert.strictEqual(rows.length, (documents ?? []).length * 3)
        for (const { agreeing, document, fields, model, result } of rows) {
          const where = `${document.name}, ${model}`
          if (Result.isFailure(result)) assert.instanceOf(result.failure.reason, ExtractionError.InvalidOutput, where)
          // A typed value that agrees with the label hardly anywhere would be a decoder that loses what was said.
          else assert.isAbove(agreeing / fields, 0.75, where)
        }
        // Six answers have dates that are not in the format that their schema names.
        assert.isAtLeast(rows.filter(({ result }) => Result.isSuccess(result)).length, 55)
      }),
    60_000
  )
})
