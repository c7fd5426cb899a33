/** Real JSON Schemas with their instances: what a provider is sent, and what instances become. */
import { Effect, Result } from "effect"
import type { Schema } from "effect"
import { Extraction } from "effect-instructor"
import { complain } from "../../../src/testing/simulators/internal/strictSchema.ts"
import * as Corpus from "../../support/corpus.ts"

interface Row {
  readonly id: string
  readonly schema: unknown
  readonly valid: ReadonlyArray<Schema.Json>
  readonly invalid: ReadonlyArray<Schema.Json>
}

export const rows = Corpus.rows<Row>("json-schemas.jsonl")

export interface Figures {
  /** Requests that OpenAI's rules accept: strict ones, and others. */
  readonly strict: number
  readonly loose: number
  readonly refused: ReadonlyArray<string>
  readonly complaints: ReadonlyArray<string>
  readonly valid: number
  /** Valid instances that did not decode to themselves. */
  readonly lost: ReadonlyArray<string>
  readonly invalid: number
  /** Invalid instances that were taken. */
  readonly taken: ReadonlyArray<string>
}

export const measure = Effect.fnUntraced(function*(rows: ReadonlyArray<Row>): Effect.fn.Return<Figures> {
  const refused: Array<string> = []
  const complaints: Array<string> = []
  const lost: Array<string> = []
  const taken: Array<string> = []
  let strict = 0
  for (const { id, invalid, schema, valid } of rows) {
    const extraction = Extraction.fromJsonSchema<string>(schema)
    const request = Result.flatMap(extraction, (self) => Extraction.toRequest(self, "text", { model: "m" }))
    if (Result.isFailure(extraction) || Result.isFailure(request)) {
      refused.push(id)
      continue
    }
    const output = request.success.output as { readonly strict?: boolean; readonly jsonSchema: object }
    if (output.strict === true) {
      strict++
      const complaint = complain(output.jsonSchema)
      if (complaint !== undefined) complaints.push(`${id}: ${complaint}`)
    } else if (!("type" in output.jsonSchema && output.jsonSchema.type === "object")) complaints.push(id)
    for (const instance of valid) {
      const value = yield* Effect.result(Extraction.decode(extraction.success, instance))
      if (Result.isFailure(value) || JSON.stringify(value.success) !== JSON.stringify(instance)) lost.push(id)
    }
    for (const instance of invalid) {
      const value = yield* Effect.result(Extraction.decode(extraction.success, instance))
      if (Result.isSuccess(value)) taken.push(id)
    }
  }
  const count = (f: (row: Row) => number): number => rows.reduce((sum, row) => sum + f(row), 0)
  return {
    strict,
    loose: rows.length - refused.length - strict,
    refused,
    complaints,
    valid: count(({ valid }) => valid.length),
    lost,
    invalid: count(({ invalid }) => invalid.length),
    taken
  }
})
