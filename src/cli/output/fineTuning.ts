/** Values of a run as examples for fine-tuning. */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { ReportEntry } from "../../batch/BatchReport.ts"
import * as Distillation from "../../evaluation/Distillation.ts"
import type { AnyExtraction } from "../options/schemaModule.ts"

export const formats = ["openai-chat", "anthropic", "gemini"] as const

export interface Counts {
  /** Items without a value or a text. */
  failed: number
  /** Values that do not fit the schema. */
  unfit: number
  values: number
}

/** One line for each item that has a value and a text. */
export const lines = <E, R>(
  entries: Stream.Stream<ReportEntry, E, R>,
  extraction: AnyExtraction,
  format: Distillation.Format,
  counts: Counts
): Stream.Stream<string, E, R> => {
  const decode = Schema.decodeUnknownResult(
    Schema.toCodecJson(Schema.toType(Schema.make<Schema.Codec<unknown>>(extraction.schema.ast)))
  )
  return Stream.filterMap(entries, ({ error, text, value = null }) => {
    if (error !== undefined || text === undefined) {
      counts.failed++
      return Result.failVoid
    }
    const example = Result.flatMap(
      decode(value),
      (decoded) => Distillation.toExample(extraction, text, decoded, { format })
    )
    if (Result.isFailure(example)) {
      counts.unfit++
      return Result.failVoid
    }
    counts.values++
    return Result.succeed(`${JSON.stringify(example.success)}\n`)
  })
}
