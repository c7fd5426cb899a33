/**
 * The interpretation of a completion: a value, the next request, or the reason of a failure. Everything that runs
 * extractions uses it. It is pure, except for decoding, which a Schema may make effectful.
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as Answer from "../../answer/Answer.ts"
import * as AnswerIssue from "../../answer/AnswerIssue.ts"
import * as JsonText from "../../answer/JsonText.ts"
import * as ExactNumber from "../../internal/exactNumber.ts"
import type { Completion } from "../../llm/Completion.ts"
import type { LlmRequest, Parameters } from "../../llm/LlmRequest.ts"
import * as Messages from "../../prompt/Messages.ts"
import type { Coercion } from "../../schema/Coercion.ts"
import type { Compiled } from "../Compiled.ts"
import {
  ContentFiltered,
  type ExtractionError,
  type InvalidAttempt,
  InvalidOutput,
  isExtractionError,
  type Reason,
  Refused,
  Truncated
} from "../ExtractionError.ts"
import * as Checks from "./check.ts"
import * as Continuation from "./continuation.ts"
import * as Patch from "./patch.ts"
import { CurrentSpent, type Spent } from "./telemetry.ts"

export type InvalidAttempts = ReadonlyArray<InvalidAttempt>

/** What an extraction knows of the completions before. */
export interface Before {
  /** All attempts so far. */
  readonly invalid: InvalidAttempts
  /** The answer whose rest was asked for. */
  readonly cut?: Continuation.Cut
  /** The value whose invalid places were asked for. */
  readonly patching?: Patch.Patching
}

export type Step<A> =
  | { readonly _tag: "Valid"; readonly completion: Completion } & Decoded<A>
  | {
    readonly _tag: "Reask"
    readonly request: LlmRequest
    readonly before: Before
    /** The reason of the failure if the request is not sent. */
    readonly reason: Reason
  }
  | { readonly _tag: "Failed"; readonly reason: Reason }

interface Options {
  /** Receives what checks use, if they ask models of their own. */
  readonly spent?: Spent | undefined
  /** The text that checks may compare a value with. By default it is the last message of the user. */
  readonly source?: (() => string) | undefined
}

/** `first` is the request without a reask. */
export const make = <A, Input, R>(
  compiled: Compiled<A, Input, R>,
  first: LlmRequest,
  received: Completion,
  { cut, invalid, patching }: Before,
  options: Options = {}
): Effect.Effect<Step<A>, never, R> => {
  let completion = cut === undefined ? received : Continuation.join(compiled, first, cut, received)
  if (completion === undefined) {
    return Effect.succeed({ _tag: "Failed", reason: truncated(cut!.text, first.parameters, cut!.continuations) })
  }
  if (patching !== undefined) {
    const applied = Patch.apply(compiled, patching, completion)
    if (Result.isFailure(applied)) {
      const attempt = {
        text: Answer.read(completion, compiled.output).text,
        issues: [{ path: [], message: applied.failure }]
      }
      return Effect.succeed(again(compiled, first, Arr.append(invalid, attempt), {
        completion: Patch.before(compiled, patching, completion),
        issues: patching.issues
      }))
    }
    completion = applied.success
  }
  return interpret(compiled, first, completion, { invalid, cut }, options)
}

/** Asks for the whole value again, or for its invalid places, unless the attempts are used up. */
const again = <A, Input, R>(
  compiled: Compiled<A, Input, R>,
  first: LlmRequest,
  attempts: Arr.NonEmptyReadonlyArray<InvalidAttempt>,
  { completion, issues, json }: {
    readonly completion: Completion
    readonly issues: Issues
    /** The value as it was read, if places of it can be asked for. */
    readonly json?: Schema.Json | undefined
  }
): Step<A> => {
  const reason = new InvalidOutput({ attempts })
  if (attempts.length >= compiled.extraction.maxAttempts) return { _tag: "Failed", reason }
  const patching = Patch.next(compiled, json, issues)
  return patching === undefined
    ? { _tag: "Reask", request: reask(compiled, first, completion, issues), before: { invalid: attempts }, reason }
    : { _tag: "Reask", request: Patch.request(first, patching), before: { invalid: attempts, patching }, reason }
}

const interpret = <A, Input, R>(
  compiled: Compiled<A, Input, R>,
  first: LlmRequest,
  completion: Completion,
  { cut, invalid }: { readonly invalid: InvalidAttempts; readonly cut: Continuation.Cut | undefined },
  options: Options
): Effect.Effect<Step<A>, never, R> => {
  const answer = Answer.read(completion, compiled.output)
  const decoded = decode(compiled, answer)
  const { checks } = compiled.extraction
  return Effect.map(checks.length === 0 ? decoded : checked(compiled, first, decoded, options), (decoded): Step<A> => {
    if (Result.isSuccess(decoded)) return { _tag: "Valid", completion, ...decoded.success }
    if (isExtractionError(decoded.failure)) return { _tag: "Failed", reason: decoded.failure.reason }
    if (answer._tag === "Truncated") return continued(compiled, first, completion, invalid, cut, answer.text)
    if (answer._tag !== "Complete") return { _tag: "Failed", reason: failureOf(answer, first.parameters) }
    const issues = decoded.failure
    return again(compiled, first, Arr.append(invalid, { text: answer.text, issues }), {
      completion,
      issues,
      json: compiled.extraction.patch ? jsonOf(compiled, answer) : undefined
    })
  })
}

/** Asks for the rest of an answer, as often as the extraction allows. */
const continued = <A, Input, R>(
  compiled: Compiled<A, Input, R>,
  first: LlmRequest,
  completion: Completion,
  invalid: InvalidAttempts,
  cut: Continuation.Cut | undefined,
  text: string
): Step<A> => {
  const reason = truncated(text, first.parameters, cut?.continuations)
  const next = Continuation.next(compiled, text, completion, cut)
  return next === undefined
    ? { _tag: "Failed", reason }
    : { _tag: "Reask", request: Continuation.request(compiled, first, next), before: { invalid, cut: next }, reason }
}

/** The request for the rest of an answer or for a patch of a value, or the first one. */
export const requestOf = <A, Input, R>(
  compiled: Compiled<A, Input, R>,
  first: LlmRequest,
  { cut, patching }: Pick<Before, "cut" | "patching">
): LlmRequest => {
  if (cut !== undefined) return Continuation.request(compiled, first, cut)
  return patching === undefined ? first : Patch.request(first, patching)
}

type Checked<A, R> = Effect.Effect<Result.Result<Decoded<A>, Issues | ExtractionError>, never, R>

/** The issues that the checks find in a value, or the failure of a check. */
const checked = <A, Input, R>(
  { extraction, response }: Compiled<A, Input, R>,
  first: LlmRequest,
  decoded: Effect.Effect<Result.Result<Decoded<A>, Issues>, never, R>,
  { source = () => lastText(first), spent }: Options
): Checked<A, R> =>
  Effect.flatMap(decoded, (result): Checked<A, R> => {
    if (Result.isFailure(result)) return Effect.succeed(result)
    const { answer, value } = result.success
    // What was read is JSON, because the answer was.
    const json = response.read(answer, extraction.coerce).json as Schema.Json
    const issues = Effect.suspend(() => Checks.run(extraction.checks, value, { source: source(), json }))
    return Effect.map(
      Effect.result(spent === undefined ? issues : Effect.provideService(issues, CurrentSpent, spent)),
      (found) => Result.isFailure(found) || found.success.length > 0 ? Result.fail(Result.merge(found)) : result
    )
  })

const lastText = ({ messages }: LlmRequest): string => {
  const last = messages.findLast(({ role }) => role === "user")?.content ?? ""
  return typeof last === "string" ? last : last.map((part) => part.type === "text" ? part.text : "").join("")
}

/** The first request with the last answer and its issues. Earlier answers are left out, so that requests do not grow. */
export const reask = <A, Input, R>(
  { output, response }: Compiled<A, Input, R>,
  first: LlmRequest,
  completion: Completion,
  issues: ReadonlyArray<AnswerIssue.AnswerIssue>,
  instruction?: string
): LlmRequest => ({
  ...first,
  messages: [...first.messages, ...Messages.reask(output, completion, issues, response.wrapper, instruction)]
})

/** The reason of the failure for an answer that is not complete. */
export const failureOf = (
  answer: Exclude<Answer.Answer, { readonly _tag: "Complete" }>,
  parameters: Parameters
): Reason => {
  switch (answer._tag) {
    case "Truncated":
      return truncated(answer.text, parameters)
    case "Refused":
      return new Refused({ refusal: answer.text })
    case "Filtered":
      return new ContentFiltered({ text: answer.text })
  }
}

export const truncated = (text: string, { maxTokens }: Parameters, continuations?: number): Truncated =>
  new Truncated({
    text,
    ...(maxTokens !== undefined && { maxTokens }),
    ...(continuations !== undefined && { continuations })
  })

interface Decoded<A> {
  readonly value: A
  readonly answer: Schema.Json
  readonly coercions: ReadonlyArray<Coercion>
}

type Issues = ReadonlyArray<AnswerIssue.AnswerIssue>

/** Reads the last JSON value in an answer that is about the schema at all. One before it is a draft or an example. */
const read = <A, Input, R>({ extraction, response }: Compiled<A, Input, R>, answer: Answer.Answer) => {
  const reads = meanings(answer).map((json) => ({ json, read: response.read(json, extraction.coerce) }))
  return reads.find(({ read }) => !read.isForeign) ?? reads[0]
}

/** The value of an answer that does not decode, if it could be read. What was read from JSON is JSON. */
const jsonOf = <A, Input, R>(compiled: Compiled<A, Input, R>, answer: Answer.Answer): Schema.Json | undefined => {
  const found = read(compiled, answer)?.read
  return found?.issue === undefined ? found?.json as Schema.Json | undefined : undefined
}

const decode = <A, Input, R>(
  compiled: Compiled<A, Input, R>,
  answer: Answer.Answer
): Effect.Effect<Result.Result<Decoded<A>, Issues>, never, R> => {
  const found = read(compiled, answer)
  if (found === undefined) return Effect.succeed(Result.fail([{ path: [], message: noJson(answer.text) }]))
  return Effect.match(compiled.response.decode(found.read), {
    onSuccess: (value) => Result.succeed({ value, answer: found.json, coercions: found.read.coercions }),
    onFailure: (issue) => Result.fail(AnswerIssue.fromSchemaIssue(issue))
  })
}

// A truncated answer may still be whole. Repairing it would hide what is missing.
const meanings = (answer: Answer.Answer): ReadonlyArray<Schema.Json> => {
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

const noJson = (text: string): string => {
  if (text.trim() === "") return "The answer is empty"
  const number = ExactNumber.findInexact(text)
  return number === undefined ? "The answer contains no JSON value" : inexact(number)
}

const inexact = (number: string): string =>
  `The number ${
    number.slice(0, 40)
  } has more digits than a JSON number holds. Write it as a string where the schema allows one`
