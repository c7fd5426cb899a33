/** Checks values against a JSON Schema document, with Ajv, which is loaded when the first document is imported. */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import type { SchemaDocument } from "../Dialect.ts"
import type { Problem } from "./ajv.ts"

type Check = (json: unknown) => ReadonlyArray<Problem>

/** Fails with the issues of a value, and gives it back as it is where there are none. */
export const make = (
  { definitions, schema }: SchemaDocument
): (json: unknown) => Effect.Effect<unknown, SchemaIssue.Issue> => {
  let check: Check | undefined
  const load = Effect.map(
    Effect.promise(() => import("./ajv.ts")),
    ({ compile }) => check ??= safely(() => compile({ ...schema, $defs: definitions }))
  )
  return (json) => {
    const plain = withPrototypes(json)
    return check === undefined
      ? Effect.flatMap(load, (check) => judge(plain, check))
      : judge(plain, check)
  }
}

/** A document that Ajv does not take, or that exhausts the stack, fails the answer. */
const safely = (compile: () => Check): Check => {
  const compiled = Result.try(compile)
  const threw = (cause: unknown): ReadonlyArray<Problem> => [
    { path: [], message: `The schema cannot be checked: ${cause instanceof Error ? cause.message : String(cause)}` }
  ]
  return (json) =>
    Result.isFailure(compiled)
      ? threw(compiled.failure)
      : Result.getOrElse(Result.try(() => compiled.success(json)), threw)
}

const maxProblems = 100

const judge = (json: unknown, check: Check): Effect.Effect<unknown, SchemaIssue.Issue> => {
  const problems = check(json).slice(0, maxProblems)
  return Arr.isReadonlyArrayNonEmpty(problems)
    ? Effect.fail(toIssue(json, problems))
    : Effect.succeed(json)
}

export const toIssue = (json: unknown, problems: Arr.NonEmptyReadonlyArray<Problem>): SchemaIssue.Issue =>
  new SchemaIssue.Composite(
    Schema.Unknown.ast,
    Arr.map(problems, ({ message, path }): SchemaIssue.Issue => {
      const issue = new SchemaIssue.InvalidValue({ message }, undefined, {})
      return path.length === 0 ? issue : new SchemaIssue.Pointer(path, issue)
    }),
    json,
    {}
  )

/** The reader makes objects without a prototype, which Ajv does not find equal to others. */
export const withPrototypes = (json: unknown): unknown => {
  if (typeof json !== "object" || json === null) return json
  if (Array.isArray(json)) {
    const list = json.map(withPrototypes)
    return list.every((one, i) => one === json[i]) ? json : list
  }
  let isSame = Object.getPrototypeOf(json) !== null
  const entries = Object.entries(json).map(([key, value]) => {
    const plain = withPrototypes(value)
    if (plain !== value) isSame = false
    return [key, plain] as const
  })
  return isSame ? json : Object.fromEntries(entries)
}
