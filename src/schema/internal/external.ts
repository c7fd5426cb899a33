/**
 * Schemas that are described by a JSON Schema document and decoded by other code: imported documents and the schemas of
 * other libraries. To Effect they are declarations, so that they may be a part of any other schema.
 */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as SchemaAST from "effect/SchemaAST"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import type { SchemaDocument, Unsupported } from "../Dialect.ts"

export interface External {
  /** What the model is asked for, and how its answers are read; or why there is none. */
  readonly document: Result.Result<SchemaDocument, Unsupported>
  readonly decode: (json: unknown) => Effect.Effect<unknown, SchemaIssue.Issue>
}

const mark = "~effect-instructor/External"

const anything = Schema.declareConstructor<unknown>()

export const make = (external: External): Schema.Codec<unknown> => {
  const encoded = anything([], () => Effect.succeed, {
    [mark]: external,
    // It is JSON already.
    toCodecJson: () => undefined
  })
  const { description, title } = Result.isSuccess(external.document) ? external.document.success.schema : {}
  const decoded = anything([], () => Effect.succeed, {
    ...(typeof title === "string" && { title }),
    ...(typeof description === "string" && { description }),
    toCodecJson: () => Schema.link<unknown>()(Schema.Json, asJson)
  })
  return encoded.pipe(Schema.decodeTo(
    decoded,
    SchemaTransformation.transformEffect({ decode: external.decode, encode: (value) => Effect.succeed(value) })
  ))
}

/** Values of other libraries are written as `JSON.stringify` writes them. */
const asJson = SchemaTransformation.transformEffect<unknown, Schema.Json>({
  decode: (json) => Effect.succeed(json),
  encode: (value) =>
    Effect.try({
      try: (): Schema.Json => JSON.parse(JSON.stringify(value) ?? "null"),
      catch: (cause) => new SchemaIssue.InvalidValue({ message: `It has no JSON form: ${String(cause)}` }, value, {})
    })
})

/** Thrown where the document of an external schema is needed and there is none, as Effect's compilers throw. */
class NoDocument extends Error {
  readonly unsupported: Unsupported
  constructor(unsupported: Unsupported) {
    super(unsupported.description)
    this.unsupported = unsupported
  }
}

/** Why a schema could not be compiled. */
export const unsupported = (cause: unknown): Unsupported =>
  cause instanceof NoDocument
    ? cause.unsupported
    : { path: "$", description: Predicate.isError(cause) ? cause.message : String(cause) }

/** The document of an encoded AST, if it is an external schema. */
export const documentOf = (ast: SchemaAST.AST): SchemaDocument | undefined => {
  const external = ast._tag === "Declaration" ? ast.annotations?.[mark] as External | undefined : undefined
  return external && Result.getOrThrowWith(external.document, (unsupported) => new NoDocument(unsupported))
}
