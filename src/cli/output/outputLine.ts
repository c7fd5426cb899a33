/** A line of the output: what became of an item, as JSON. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Batch from "../../batch/Batch.ts"
import type * as Journal from "../../batch/Journal.ts"
import * as ExtractionError from "../../extraction/ExtractionError.ts"
import type { Usage } from "../../llm/Usage.ts"
import * as AnswerIssue from "../../answer/AnswerIssue.ts"
import * as ResponseSchema from "../../schema/ResponseSchema.ts"
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
  /** Of an item that an earlier run ended, under the index that it has in this one. */
  readonly ofRecord: (record: Journal.JournalRecord, index: number) => Effect.Effect<Line>
}

interface Ended {
  readonly index: number
  readonly id: string | null | undefined
  readonly attempts: number
  readonly usage: Usage
}

const decodeError = Schema.decodeUnknownOption(Schema.toCodecJson(ExtractionError.ExtractionError))

export const make = (
  { schema }: Pick<AnyExtraction, "schema">
): Result.Result<OutputLines, CommandFailure> =>
  Result.all([
    // Effect's compilers throw on what has no JSON form.
    Result.try(() =>
      Schema.encodeUnknownResult(Schema.toCodecJson(Schema.toType(Schema.make<Schema.Top>(schema.ast))))
    ),
    ResponseSchema.make(schema)
  ]).pipe(
    Result.mapError((why) => wrongUsage(
      `The schema cannot be used: ${"path" in Object(why) ? (why as { description: string }).description : String(why)}`
    )),
    Result.map(([encode, response]): OutputLines => {
      const value = (value: unknown): Result.Result<Schema.Json, string> =>
        Result.mapBoth(encode(value) as Result.Result<Schema.Json, unknown>, {
          onSuccess: (json) => json,
          onFailure: (issue) => `The value has no JSON form: ${String(issue)}`
        })

      const ok = (ended: Ended, decoded: unknown): Line => {
        const encoded = value(decoded)
        return Result.isSuccess(encoded)
          ? toLine(ended, { status: "ok", value: encoded.success })
          : toLine(ended, failed("InvalidOutput", encoded.failure))
      }

      const error = (ended: Ended, { reason }: ExtractionError.ExtractionError): Line =>
        toLine(ended, failed(reason._tag, reason.message, reason._tag === "InvalidOutput" ? reason.issues : undefined))

      return {
        value,
        ofItem: (item) =>
          Result.isSuccess(item.result) ? ok(item, item.result.success) : error(item, item.result.failure),
        ofRecord: (record, index) => {
          const ended = { ...record, index }
          if (record.status === "error") {
            const decoded = decodeError(record.error)
            return Effect.succeed(
              Option.isSome(decoded)
                ? error(ended, decoded.value)
                : toLine(ended, failed("Unknown", "The journal's record of this failure cannot be read"))
            )
          }
          return Effect.match(response.decode(record.answer), {
            onSuccess: (decoded) => ok(ended, decoded),
            onFailure: (issue) =>
              toLine(
                ended,
                failed(
                  "InvalidOutput",
                  "The answer in the journal does not decode through the schema any more. Start over with --restart",
                  AnswerIssue.fromSchemaIssue(issue)
                )
              )
          })
        }
      }
    })
  )

const failed = (reason: string, message: string, issues?: ReadonlyArray<AnswerIssue.AnswerIssue>) => ({
  status: "error" as const,
  error: { reason, message, ...(issues !== undefined && { issues }) }
})

const toLine = (
  { attempts, id, index, usage }: Ended,
  fate: { readonly status: "ok"; readonly value: Schema.Json } | ReturnType<typeof failed>
): Line => ({
  index,
  isError: fate.status === "error",
  text: `${JSON.stringify({ index, id: id ?? String(index), ...fate, attempts, usage })}\n`
})
