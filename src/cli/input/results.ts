/** The lines that `run` writes, as entries of a report. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { ReportEntry } from "../../batch/BatchReport.ts"
import * as ExtractionError from "../../extraction/ExtractionError.ts"
import * as Usage from "../../llm/Usage.ts"
import { type CommandFailure, usage as wrongUsage } from "../commandFailure.ts"
import * as JsonLines from "./jsonLines.ts"

const Count = Schema.Natural
const Id = Schema.NullOr(Schema.Union([Schema.String, Schema.Finite]))
const Issues = Schema.Array(ExtractionError.AnswerIssue)

const decode = {
  count: Schema.decodeUnknownOption(Count),
  id: Schema.decodeUnknownOption(Id),
  issues: Schema.decodeUnknownOption(Issues),
  usage: Schema.decodeUnknownOption(Usage.Usage),
  finite: Schema.decodeUnknownOption(Schema.Finite)
}

/** Lines of other tools need only a value or an error: items without an index are numbered. */
export const read = (path: string): Stream.Stream<ReportEntry, CommandFailure, FileSystem.FileSystem> => {
  let next = 0
  return Stream.mapEffect(JsonLines.read(path), ({ line, value }) => {
    const entry = toEntry(value, next)
    if (Predicate.isString(entry)) return wrongUsage(`Line ${line} of ${path} is not a result of a run: ${entry}`)
    next = entry.index + 1
    return Effect.succeed(entry)
  })
}

type Fields = Readonly<Record<string, unknown>>

/** The entry of a line, or why it is not a result. Without an index of its own it gets the next one. */
export const toEntry = (fields: Fields, next: number): ReportEntry | string => {
  const index = fields["index"] === undefined ? Option.some(next) : decode.count(fields["index"])
  if (Option.isNone(index)) return "its index is not a whole number"
  const id = decode.id(fields["id"] ?? null)
  if (Option.isNone(id)) return "its id is neither a string nor a number"
  const outcome = outcomeOf(fields)
  if (Predicate.isString(outcome)) return outcome
  const used = Predicate.isObject(fields["usage"]) ? fields["usage"] : {}
  const usage = decode.usage({ ...Usage.zero, ...used })
  if (Option.isNone(usage)) return "its usage is not that of a completion"
  const text = textOf(fields)
  return {
    index: index.value,
    id: id.value === null ? undefined : String(id.value),
    ...outcome,
    ...(text !== undefined && { text }),
    attempts: Option.getOrElse(decode.count(fields["attempts"]), () => 0),
    usage: usage.value,
    confidence: Option.getOrUndefined(decode.finite(fields["confidence"]))
  }
}

const outcomeOf = ({ error, status, value }: Fields): Pick<ReportEntry, "value" | "error"> | string => {
  if (Predicate.isObject(error) && Predicate.hasProperty(error, "reason") && Predicate.isString(error.reason)) {
    const { issues, message, reason } = error as { reason: string; message?: unknown; issues?: unknown }
    const known = Option.getOrUndefined(decode.issues(issues))
    return {
      error: {
        reason,
        message: Predicate.isString(message) ? message : "",
        ...(known !== undefined && { issues: known.map(ExtractionError.formatIssue) })
      }
    }
  }
  if (status === "error") return "its error has no reason"
  if (value === undefined) return "it has neither a value nor an error"
  // What was parsed as JSON can be written as JSON, unless it is nested too deeply for the stack.
  return Result.isFailure(Result.try(() => JSON.stringify(value)))
    ? "its value is nested too deeply"
    : { value: value as Schema.Json }
}

/** The text that a line carries, if any. */
const textOf = ({ input, text }: Fields): string | undefined => {
  if (Predicate.isString(text)) return text
  if (Predicate.isString(input)) return input
  return Predicate.hasProperty(input, "text") && Predicate.isString(input.text) ? input.text : undefined
}

/** The name by which the lines of other files refer to an item. */
export const keyOf = ({ id, index }: { readonly id?: unknown; readonly index?: unknown }): string =>
  Predicate.isString(id) || Predicate.isNumber(id) ? String(id) : String(index)
