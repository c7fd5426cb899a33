/** Converts items to records of a journal, and back. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as AnswerIssue from "../../answer/AnswerIssue.ts"
import * as Check from "../../extraction/Checks.ts"
import type { Detailed, Extraction } from "../../extraction/Extraction.ts"
import { ExtractionError, InvalidOutput } from "../../extraction/ExtractionError.ts"
import type { ResponseSchema } from "../../schema/ResponseSchema.ts"
import type { JournalRecord } from "../Journal.ts"
import { notSent, type Planned } from "./item.ts"

const errorCodec = Schema.toCodecJson(ExtractionError)
const encodeError = Schema.encodeEffect(errorCodec)
const decodeError = Schema.decodeUnknownOption(errorCodec)

export const toRecord = <A, In>(
  { id, index }: Planned<In>,
  detailed: Result.Result<Detailed<A>, ExtractionError>,
  latencyMillis: number
): Effect.Effect<JournalRecord> => {
  const { attempts, usage } = Result.merge(detailed)
  const record = { index, id: id ?? null, attempts, usage, latencyMillis }
  return Result.isSuccess(detailed)
    ? Effect.succeed({ ...record, status: "ok", answer: detailed.success.answer })
    : Effect.map(Effect.orDie(encodeError(detailed.failure)), (error) => ({ ...record, status: "error", error }))
}

export interface Restored<A> {
  readonly result: Result.Result<A, ExtractionError>
  /** Whether the record can still be used. If not, a run extracts the item again. */
  readonly isCurrent: boolean
}

/**
 * The result of a recorded item. The answer is decoded again, because the schema may have changed in a way that does not
 * change the request: a new check, for example. If it is not valid any more, the result is `InvalidOutput`.
 */
export const restore = <A, R>(
  { checks, coerce, name: extraction }: Pick<Extraction<A, never, R>, "checks" | "coerce" | "name">,
  response: ResponseSchema<A, R>,
  { answer, attempts, error, status, usage }: JournalRecord
): Effect.Effect<Restored<A>, never, R> => {
  if (status === "error") {
    const failure = decodeError(error)
    return Effect.succeed({
      result: Result.fail(
        Option.getOrElse(
          failure,
          () => notSent(extraction, "The journal's record of this failure cannot be read. Run the item again")
        )
      ),
      isCurrent: Option.isSome(failure)
    })
  }
  const invalid = (issues: ReadonlyArray<AnswerIssue.AnswerIssue>): Restored<A> => ({
    result: Result.fail(
      new ExtractionError({
        extraction,
        reason: new InvalidOutput({ attempts: [{ text: JSON.stringify(answer ?? null), issues }] }),
        attempts,
        usage
      })
    ),
    isCurrent: false
  })
  const read = response.read(answer ?? null, coerce)
  return Effect.match(response.decode(read), {
    onSuccess: (value) => {
      const issues = Check.runPlain(checks, value, read.json as Schema.Json)
      return issues.length === 0 ? { result: Result.succeed(value), isCurrent: true } : invalid(issues)
    },
    onFailure: (issue) => invalid(AnswerIssue.fromSchemaIssue(issue))
  })
}
