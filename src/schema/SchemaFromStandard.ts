/** Schemas of other libraries, by the Standard Schema and Standard JSON Schema interfaces. */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import { memoize } from "effect/Function"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import type * as SchemaIssue from "effect/SchemaIssue"
import type { StandardJSONSchemaV1, StandardSchemaV1 } from "effect/StandardSchema"
import type { SchemaDocument, Unsupported } from "./Dialect.ts"
import * as Asked from "./internal/asked.ts"
import * as Document from "./internal/document.ts"
import * as External from "./internal/external.ts"
import * as Validator from "./internal/validator.ts"

/**
 * A schema of another library that offers JSON Schema: those of Zod and ArkType, and Valibot's with
 * `toStandardJsonSchema` of `@valibot/to-json-schema`. The library decodes the answers.
 *
 * @category models
 * @since 0.1.0
 */
export interface StandardSchema<out A> {
  readonly "~standard": StandardSchemaV1.Props<unknown, A> & StandardJSONSchemaV1.Props<unknown, A>
}

/**
 * Whether a value is a schema of another library, with JSON Schema or without it.
 *
 * @category guards
 * @since 0.1.0
 */
export const isStandardSchema = (u: unknown): u is StandardSchema<unknown> =>
  Predicate.hasProperty(u, "~standard") && Predicate.hasProperty(u["~standard"], "validate") &&
  Predicate.isFunction(u["~standard"].validate)

/** Its values have no type of their own in Effect: `A` is what the library says. */
export const make = <A>(schema: StandardSchema<A>): Schema.Codec<A, unknown> =>
  fromStandard(schema) as Schema.Codec<A, unknown>

const fromStandard = memoize((schema: StandardSchema<unknown>): Schema.Codec<unknown> =>
  External.make({
    document: toDocument(schema),
    decode: (json) => validate(schema, Validator.withPrototypes(json))
  })
)

const toDocument = ({ "~standard": standard }: StandardSchema<unknown>): Result.Result<SchemaDocument, Unsupported> => {
  const { jsonSchema, vendor } = standard
  const description = `the schema of ${vendor} has no JSON Schema`
  if (jsonSchema === undefined) return Result.fail({ path: "$", description })
  return Result.try({
    try: () => jsonSchema.input({ target: "draft-2020-12" }),
    catch: (cause): Unsupported => ({
      path: "$",
      description: `${description}: ${Predicate.isError(cause) ? cause.message : String(cause)}`
    })
  }).pipe(Result.flatMap(Document.make), Result.map(Asked.make))
}

/** A library that throws, or whose promise rejects, fails this answer alone: the decoder turns defects into issues. */
const validate = (schema: StandardSchema<unknown>, json: unknown): Effect.Effect<unknown, SchemaIssue.Issue> =>
  Effect.suspend(() => {
    const result = schema["~standard"].validate(json)
    return Predicate.isPromise(result)
      ? Effect.flatMap(Effect.promise(() => result), (result) => toEffect(json, result))
      : toEffect(json, result)
  })

const toEffect = (
  json: unknown,
  result: StandardSchemaV1.Result<unknown>
): Effect.Effect<unknown, SchemaIssue.Issue> => {
  if (result.issues === undefined) return Effect.succeed(result.value)
  const problems = result.issues.map(({ message, path }) => ({
    message,
    path: (path ?? []).map((segment) => {
      const key = Predicate.isObject(segment) ? segment.key : segment
      return Predicate.isNumber(key) ? key : String(key)
    })
  }))
  return Effect.fail(
    Validator.toIssue(json, Arr.isReadonlyArrayNonEmpty(problems) ? problems : [{ message: "Invalid value", path: [] }])
  )
}
