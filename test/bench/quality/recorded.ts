/** The recorded answers of real models, decoded as `extract` decodes them. */
import { Effect, Result, Schema } from "effect"
import { Extraction } from "effect-instructor"
import { MockLlm, Reply } from "effect-instructor/testing"
import { rows } from "../../support/corpus.ts"

interface Row {
  readonly id: string
  readonly text: string
  readonly question: string
  readonly schema: object
  readonly gold: Schema.Json
  readonly answers: Readonly<Record<string, string>>
}

export interface Document extends Omit<Row, "answers" | "schema"> {
  readonly extraction: Extraction.Extraction<Schema.Json, string>
  readonly raw: Readonly<Record<string, string>>
  /** The value of each model, or `undefined` where its answer is not valid. */
  readonly values: Readonly<Record<string, Schema.Json | undefined>>
}

export const load = Effect.gen(function*() {
  const documents: Array<Document> = []
  for (const { answers, schema, ...row } of rows<Row>("recorded-answers.jsonl") ?? []) {
    const made = Extraction.fromJsonSchema<string>(schema, { maxAttempts: 1 })
    if (Result.isFailure(made)) throw made.failure
    const values: Record<string, Schema.Json | undefined> = {}
    for (const [model, answer] of Object.entries(answers)) {
      const result = yield* Effect.result(
        Extraction.extract(made.success, row.text).pipe(
          Effect.provide(MockLlm.layer([Reply.text(answer)], { dialect: "plain" }))
        )
      )
      values[model] = Result.getOrUndefined(result)
    }
    documents.push({ ...row, extraction: made.success, raw: answers, values })
  }
  return documents
})
