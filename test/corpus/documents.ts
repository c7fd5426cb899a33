/**
 * Real documents, real models' answers: each document is extracted with its own JSON Schema through the real SDK over
 * HTTP from a simulator that answers what each of three models answered, and the values are held against a label made
 * by hand.
 */
import type { Schema } from "effect"
import { Effect, Result } from "effect"
import { Batch, Extraction, type ExtractionError } from "effect-instructor"
import { OpenAiSimulator } from "effect-instructor/testing/simulators"
import * as Corpus from "../support/corpus.ts"

interface Document {
  readonly id: string
  readonly name: string
  readonly lang: string
  readonly text: string
  readonly schema: unknown
  readonly label: unknown
  readonly answers: Readonly<Record<string, Schema.Json>>
}

export interface Row {
  readonly document: Document
  readonly model: string
  readonly result: Result.Result<Schema.Json, ExtractionError.ExtractionError>
  /** Leaves of the label, and how many of them the value agrees with. */
  readonly fields: number
  readonly agreeing: number
}

export const documents = Corpus.rows<Document>("documents.jsonl")

/** Extracts every document once for each model. */
export const extractAll = Effect.fnUntraced(function*(documents: ReadonlyArray<Document>) {
  const byText = new Map(documents.map((document) => [document.text, document]))
  const llm = OpenAiSimulator.layerLlm({
    answer: ({ model, text }) => byText.get(text)?.answers[model] ?? "There is no such document."
  })

  const rows: Array<Row> = []
  yield* Effect.forEach(
    documents,
    (document) =>
      Effect.forEach(Object.keys(document.answers), (model) =>
        Effect.gen(function*() {
          const extraction = Extraction.fromJsonSchema(document.schema, { name: document.name, model, maxAttempts: 1 })
          const result = Result.isFailure(extraction)
            ? Result.fail(extraction.failure)
            : (yield* Batch.results(extraction.success, [document.text]))[0]!
          const value = Result.getOrElse(result, () => null)
          rows.push({ document, model, result, ...agreement(document.label, value) })
        })),
    { concurrency: 8, discard: true }
  ).pipe(Effect.provide(llm))
  return rows.toSorted((a, b) => a.document.id.localeCompare(b.document.id) || a.model.localeCompare(b.model))
})

interface Agreement {
  readonly fields: number
  readonly agreeing: number
}

const total = (parts: ReadonlyArray<Agreement>): Agreement => ({
  fields: parts.reduce((sum, part) => sum + part.fields, 0),
  agreeing: parts.reduce((sum, part) => sum + part.agreeing, 0)
})

/**
 * How many leaves there are in a label, and in how many of them a value has the same. Rows of a list are paired with
 * the rows they agree with most, so that one row missing does not count for all that follow it.
 */
const agreement = (label: unknown, value: unknown): Agreement => {
  if (Array.isArray(label)) {
    const rest = Array.isArray(value) ? [...value] : []
    return total(label.map((row) => {
      const scores = rest.map((candidate) => agreement(row, candidate))
      const best = scores.reduce((best, score, i) => score.agreeing > (scores[best]?.agreeing ?? -1) ? i : best, -1)
      if (best === -1) return agreement(row, undefined)
      rest.splice(best, 1)
      return scores[best]!
    }))
  }
  if (typeof label === "object" && label !== null) {
    return total(
      Object.entries(label).map(([key, child]) => agreement(child, (value as Record<string, unknown> | null)?.[key]))
    )
  }
  const same = label === value || (label ?? null) === (value ?? null) ||
    typeof label === "number" && typeof value === "number" && Math.abs(label - value) < 1e-9
  return { fields: 1, agreeing: same ? 1 : 0 }
}
