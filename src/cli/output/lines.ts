/** Lines of the output: the result of each item as JSON. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Batch from "../../batch/Batch.ts"
import type * as Journal from "../../batch/Journal.ts"
import type * as Extraction from "../../extraction/Extraction.ts"
import type { AnswerIssue, ExtractionError } from "../../extraction/ExtractionError.ts"
import { printable } from "../../internal/printable.ts"
import type { Usage } from "../../llm/Usage.ts"
import { type CommandFailure, usage as wrongUsage } from "../commandFailure.ts"
import type { AnyExtraction } from "../options/schemaModule.ts"

export interface Line {
  readonly index: number
  readonly isError: boolean
  /** With its newline. */
  readonly text: string
}

export interface OutputLines {
  /** A value as JSON. */
  readonly value: (value: unknown) => Result.Result<Schema.Json, string>
  readonly ofItem: (item: Batch.Item<unknown, unknown>) => Line
  /** The line of an item that an earlier run finished, under its index in this run. */
  readonly ofRecord: (record: Journal.JournalRecord, index: number) => Effect.Effect<Line>
}

interface Finished {
  readonly index: number
  readonly id: string | null | undefined
  readonly attempts: number
  readonly usage: Usage
}

export const make = (
  extraction: AnyExtraction,
  /** For an extraction with confidence: below it, the leaves of a value are listed. */
  minConfidence?: number
): Result.Result<OutputLines, CommandFailure> =>
  // Effect's compilers throw on what has no JSON form.
  Result.try({
    try: () =>
      Schema.encodeUnknownResult(Schema.toCodecJson(Schema.toType(Schema.make<Schema.Top>(extraction.schema.ast)))),
    catch: (cause) => wrongUsage(`The values of this schema have no JSON form: ${String(cause)}`)
  }).pipe(Result.map((encode): OutputLines => {
    const value = (value: unknown): Result.Result<Schema.Json, string> =>
      Result.mapBoth(encode(value) as Result.Result<Schema.Json, unknown>, {
        onSuccess: (json) => json,
        onFailure: (issue) => `The value has no JSON form: ${String(issue)}`
      })

    const line = (finished: Finished, result: Result.Result<unknown, ExtractionError>): Line => {
      if (Result.isFailure(result)) {
        const { reason } = result.failure
        const issues = reason._tag === "InvalidOutput" ? reason.issues : undefined
        return toLine(finished, failed(reason._tag, reason.message, issues))
      }
      const encoded = value(result.success)
      return toLine(
        finished,
        Result.isSuccess(encoded)
          ? {
            status: "ok",
            ...(minConfidence === undefined ? { value: encoded.success } : rated(encoded.success, minConfidence))
          }
          : failed("InvalidOutput", encoded.failure, undefined)
      )
    }

    return {
      value,
      ofItem: (item) => line(item, item.result),
      ofRecord: (record, index) =>
        Effect.map(Batch.restore(extraction, record), (result) => line({ ...record, index }, result))
    }
  }))

/** The value and its confidence, with the leaves that are doubtful. */
const rated = (json: Schema.Json, minimum: number) => {
  const { confidence, leaves, value } = json as unknown as Extraction.Confident<Schema.Json>
  const doubtful = leaves.filter((leaf) => leaf.confidence < minimum)
    .map(({ confidence, path, span, value }) => ({
      path,
      value,
      confidence: round(confidence),
      quote: span?.quote ?? null
    }))
  return { value, confidence: round(confidence), ...(doubtful.length > 0 && { doubtful }) }
}

const round = (confidence: number): number => Math.round(confidence * 10_000) / 10_000

const failed = (reason: string, message: string, issues: ReadonlyArray<AnswerIssue> | undefined) => ({
  status: "error" as const,
  error: { reason, message: printable(message), ...(issues !== undefined && { issues }) }
})

const toLine = (
  { attempts, id, index, usage }: Finished,
  outcome:
    | { readonly status: "ok"; readonly value: Schema.Json; readonly confidence?: number }
    | ReturnType<typeof failed>
): Line => ({
  index,
  isError: outcome.status === "error",
  text: `${JSON.stringify({ index, id: id ?? String(index), ...outcome, attempts, usage })}\n`
})
