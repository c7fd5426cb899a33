/** Asks for the invalid places of a value only, as a JSON Patch. */
import * as JsonPatch from "effect/JsonPatch"
import * as JsonPointer from "effect/JsonPointer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Answer from "../../answer/Answer.ts"
import type * as AnswerIssue from "../../answer/AnswerIssue.ts"
import * as JsonText from "../../answer/JsonText.ts"
import type { Completion } from "../../llm/Completion.ts"
import type { LlmRequest } from "../../llm/LlmRequest.ts"
import * as Messages from "../../prompt/Messages.ts"
import type { Compiled } from "../Compiled.ts"
import { InvalidAttempt } from "../ExtractionError.ts"
import { inFormOf } from "./continuation.ts"

/** The schema of a value that is being patched. Offline batches record it. */
export const Patching = Schema.Struct({
  json: Schema.Json,
  issues: InvalidAttempt.fields.issues
})

export interface Patching extends Schema.Schema.Type<typeof Patching> {}

const pointerOf = (path: ReadonlyArray<string | number>): string =>
  path.map((key) => `/${JsonPointer.escapeToken(String(key))}`).join("")

/** More issues than a reask lists need the whole value again. */
const mostIssues = 30

/** What to patch, or `undefined` where only a whole value helps. */
export const next = <A, Input, R>(
  { extraction }: Compiled<A, Input, R>,
  json: Schema.Json | undefined,
  issues: ReadonlyArray<AnswerIssue.AnswerIssue>
): Patching | undefined =>
  extraction.patch && json !== undefined && issues.length <= mostIssues &&
    issues.every(({ path }) => path.length > 0)
    ? { json, issues }
    : undefined

/** The first request with the value and its issues. A patch may have any value, so that no mode can enforce its form. */
export const request = (first: LlmRequest, { issues, json }: Patching): LlmRequest => ({
  ...first,
  output: { mode: "text" },
  messages: Messages.patch(
    first.messages,
    JSON.stringify(json),
    issues.map(({ message, path }) => ({ pointer: pointerOf(path), message }))
  )
})

const Operation = Schema.Union([
  Schema.Struct({ op: Schema.Literals(["add", "replace"]), path: Schema.String, value: Schema.Json }),
  Schema.Struct({ op: Schema.Literal("remove"), path: Schema.String })
])
const decodeOperations = Schema.decodeUnknownOption(Schema.Array(Operation))

/** The operations of an answer: a list, alone or under one key, or a single one. */
const operationsOf = (json: Schema.Json): Option.Option<JsonPatch.JsonPatch> => {
  if (Array.isArray(json)) return decodeOperations(json)
  if (typeof json !== "object" || json === null) return Option.none()
  const [inner, ...others] = Object.values(json)
  return Array.isArray(inner) && others.length === 0 ? decodeOperations(inner) : decodeOperations([json])
}

/** The patched value, or why the patch is refused. It may change nothing but the invalid places. */
const patched = ({ issues, json }: Patching, text: string): Result.Result<Schema.Json, string> => {
  const [answer] = JsonText.candidates(text)
  const operations = answer === undefined ? Option.none() : operationsOf(answer)
  if (Option.isNone(operations)) return Result.fail("The answer is no JSON Patch")
  return Result.try({
    try: () => JsonPatch.apply(operations.value, json),
    catch: (cause) => `The JSON Patch cannot be applied: ${cause instanceof Error ? cause.message : String(cause)}`
  }).pipe(Result.flatMap((whole) => {
    const changes = JsonPatch.get(json, whole)
    const invalid = issues.map(({ path }) => pointerOf(path))
    const other = changes.find(({ path }) => !invalid.some((place) => path === place || path.startsWith(`${place}/`)))
    if (changes.length === 0) return Result.fail("The JSON Patch changes nothing")
    return other === undefined
      ? Result.succeed(whole)
      : Result.fail(`The JSON Patch changes ${other.path}, which is valid`)
  }))
}

/** The completion with the whole patched answer, or why there is none. */
export const apply = <A, Input, R>(
  { output, response }: Compiled<A, Input, R>,
  patching: Patching,
  completion: Completion
): Result.Result<Completion, string> => {
  const answer = Answer.read(completion, output)
  if (answer._tag === "Refused" || answer._tag === "Filtered") return Result.succeed(completion)
  return Result.map(
    patched(patching, answer.text),
    (json) => inFormOf(output, completion, JSON.stringify(response.write(json)))
  )
}

/** The completion of the value before its patch, for a reask that asks for the whole. */
export const before = <A, Input, R>(
  { output, response }: Compiled<A, Input, R>,
  { json }: Patching,
  completion: Completion
): Completion => inFormOf(output, completion, JSON.stringify(response.write(json)))
