/** The parts of an extraction that asks several times, and the sum of what they use. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as AnswerIssue from "../../answer/AnswerIssue.ts"
import * as Usage from "../../llm/Usage.ts"
import * as Compiled from "../Compiled.ts"
import { ExtractionError, InvalidOutput } from "../ExtractionError.ts"
import * as Checks from "./check.ts"
import type { Extraction } from "./definition.ts"
import type { Detailed } from "./detailed.ts"

export type Outcome<A> = Result.Result<Detailed<A>, ExtractionError>

export interface Sum {
  readonly attempts: number
  readonly usage: Usage.Usage
}

/** What all parts have used, failures included. */
export const sumOf = (outcomes: ReadonlyArray<Outcome<unknown>>): Sum =>
  outcomes.reduce<Sum>((sum, outcome) => {
    const { attempts, usage } = Result.merge(outcome)
    return { attempts: sum.attempts + attempts, usage: Usage.add(sum.usage, usage) }
  }, { attempts: 0, usage: Usage.zero })

/** The failure of one part as the failure of the whole, with what all parts have used. */
export const failed = (name: string, { reason }: ExtractionError, sum: Sum): ExtractionError =>
  new ExtractionError({ extraction: name, reason, ...sum })

/** The value of JSON that was put together from several answers, or the issues of the schema and the checks. */
export const decode = <A, Input, R>(
  extraction: Extraction<A, Input, R>,
  json: Schema.Json,
  source: () => string
): Effect.Effect<Result.Result<A, ReadonlyArray<AnswerIssue.AnswerIssue>>, ExtractionError, R> => {
  const response = Compiled.response(extraction)
  if (Result.isFailure(response)) return Effect.fail(response.failure)
  const { decode, readElement } = response.success
  return Effect.matchEffect(decode(readElement(json, extraction.coerce)), {
    onFailure: (issue) => Effect.succeed(Result.fail(AnswerIssue.fromSchemaIssue(issue))),
    onSuccess: (value) =>
      extraction.checks.length === 0
        ? Effect.succeed(Result.succeed(value))
        : Effect.map(
          Effect.suspend(() => Checks.run(extraction.checks, value, { source: source(), json })),
          (issues) => issues.length === 0 ? Result.succeed(value) : Result.fail(issues)
        )
  })
}

/** The failure of JSON that was put together and is not valid. */
export const invalid = (
  name: string,
  json: Schema.Json,
  issues: ReadonlyArray<AnswerIssue.AnswerIssue>,
  sum: Sum
): ExtractionError =>
  new ExtractionError({
    extraction: name,
    reason: new InvalidOutput({ attempts: [{ text: JSON.stringify(json), issues }] }),
    ...sum
  })
