/** Asks until an answer decodes. Each request is the first one, plus the last answer and what was wrong with it. */
import * as AiError from "effect/ai/AiError"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import type { Detailed } from "../Extraction.ts"
import * as ExtractionError from "../ExtractionError.ts"
import { CurrentCacheControl } from "../llm/internal/cacheControl.ts"
import type { LlmRequest, Parameters } from "../llm/LlmRequest.ts"
import * as Usage from "../llm/Usage.ts"
import * as Answer from "../output/Answer.ts"
import * as AnswerIssue from "../output/AnswerIssue.ts"
import * as JsonText from "../output/JsonText.ts"
import * as Messages from "../prompt/Messages.ts"
import type { Compiled } from "./compiled.ts"
import * as Telemetry from "./telemetry.ts"

export const run = <A, Input, R>(
  compiled: Compiled<A, Input, R>,
  llm: Telemetry.Answerer<AiError.AiError | ExtractionError.Reason>,
  request: LlmRequest
): Effect.Effect<Detailed<A>, ExtractionError.ExtractionError, R> =>
  Effect.suspend(() => {
    const { name, timeout } = compiled.extraction
    const spent: Telemetry.Spent = { attempts: 0, usage: Usage.zero }
    const asked = throughCache(compiled.extraction.cache, ask(compiled, llm, request, spent))
    return Telemetry.extraction(
      name,
      spent,
      timeout === undefined ? asked : Effect.timeoutOrElse(asked, {
        duration: timeout,
        orElse: () => Effect.fail(failure(compiled, spent, new ExtractionError.TimedOut({ after: timeout })))
      })
    )
  })

/** Answers that led to nothing are not worth keeping: who asks again wants others. */
const throughCache = <A, R>(
  enabled: boolean,
  ask: Effect.Effect<A, ExtractionError.ExtractionError, R>
): Effect.Effect<A, ExtractionError.ExtractionError, R> => {
  const answers: Array<Effect.Effect<void>> = []
  return Effect.provideService(ask, CurrentCacheControl, {
    enabled,
    onAnswer: (forget) => answers.push(forget)
  }).pipe(
    Effect.tapError(({ reason }) =>
      reason._tag === "InvalidOutput" ? Effect.forEach(answers, (forget) => forget, { discard: true }) : Effect.void
    )
  )
}

/** Decodes an answer that was valid before: the schema may have changed since, in ways no request shows. */
export const restore = <A, Input, R>(
  { response }: Compiled<A, Input, R>,
  answer: Schema.Json
): Effect.Effect<Option.Option<A>, never, R> => Effect.option(response.decode(answer))

const failure = <A, Input, R>(
  { extraction }: Compiled<A, Input, R>,
  spent: Telemetry.Spent,
  reason: ExtractionError.Reason
): ExtractionError.ExtractionError =>
  new ExtractionError.ExtractionError({ extraction: extraction.name, reason, ...spent })

const ask = Effect.fnUntraced(function*<A, Input, R>(
  compiled: Compiled<A, Input, R>,
  llm: Telemetry.Answerer<AiError.AiError | ExtractionError.Reason>,
  first: LlmRequest,
  spent: Telemetry.Spent
): Effect.fn.Return<Detailed<A>, ExtractionError.ExtractionError, R> {
  const { extraction: { maxAttempts }, output, response } = compiled
  const invalid: Array<ExtractionError.InvalidAttempt> = []
  let request = first
  while (true) {
    const completion = yield* Telemetry.complete(llm, request, spent.attempts + 1).pipe(
      Effect.mapError((error) =>
        failure(compiled, spent, AiError.isAiError(error) ? ExtractionError.fromAiError(error) : error)
      )
    )
    spent.attempts++
    spent.usage = Usage.add(spent.usage, completion.usage)
    const answer = Answer.read(completion, output)
    const decoded = yield* decode(compiled, answer)
    if (Result.isSuccess(decoded)) {
      const { finishReason, model } = completion
      return { ...decoded.success, ...spent, model, finishReason, completion }
    }
    if (answer._tag !== "Complete") return yield* failure(compiled, spent, unanswered(answer, first.parameters))
    const issues = decoded.failure
    invalid.push({ text: answer.text, issues })
    if (spent.attempts >= maxAttempts) {
      const [one, ...more] = invalid
      return yield* failure(compiled, spent, new ExtractionError.InvalidOutput({ attempts: [one!, ...more] }))
    }
    request = {
      ...first,
      messages: [...first.messages, ...Messages.reask(output, completion, issues, response.wrapper)]
    }
  }
})

interface Decoded<A> {
  readonly value: A
  readonly answer: Schema.Json
}

/** The first of the values an answer may mean that decodes, or the issues of the likeliest. */
const decode = Effect.fnUntraced(function*<A, Input, R>(
  { response }: Compiled<A, Input, R>,
  answer: Answer.Answer
): Effect.fn.Return<Result.Result<Decoded<A>, ReadonlyArray<AnswerIssue.AnswerIssue>>, never, R> {
  let issues: ReadonlyArray<AnswerIssue.AnswerIssue> | undefined
  for (const json of meanings(answer)) {
    const decoded = yield* Effect.result(response.decode(json))
    if (Result.isSuccess(decoded)) return Result.succeed({ value: decoded.success, answer: json })
    issues ??= AnswerIssue.fromSchemaIssue(decoded.failure)
  }
  return Result.fail(issues ?? [{ path: [], message: noJson(answer.text) }])
})

// A cut answer is taken only if it is whole all the same: mending it would hide what is missing.
const meanings = (answer: Answer.Answer): Iterable<Schema.Json> => {
  switch (answer._tag) {
    case "Complete":
      return JsonText.candidates(answer.text)
    case "Truncated":
      return Option.toArray(JsonText.parse(answer.text))
    case "Refused":
    case "Filtered":
      return []
  }
}

const noJson = (text: string): string => text.trim() === "" ? "The answer is empty" : "The answer holds no JSON value"

const unanswered = (
  answer: Exclude<Answer.Answer, { readonly _tag: "Complete" }>,
  { maxTokens }: Parameters
): ExtractionError.Reason => {
  switch (answer._tag) {
    case "Truncated":
      return new ExtractionError.Truncated({ text: answer.text, ...(maxTokens !== undefined && { maxTokens }) })
    case "Refused":
      return new ExtractionError.Refused({ refusal: answer.text })
    case "Filtered":
      return new ExtractionError.ContentFiltered({ text: answer.text })
  }
}
