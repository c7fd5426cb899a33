/**
 * Schemas that are described by a JSON Schema document and decoded by other code: imported documents and the schemas of
 * other libraries. To Effect they are declarations, so that they may be a part of any other schema.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as SchemaAST from "effect/SchemaAST"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import type { SchemaDocument } from "../Dialect.ts"

export interface External {
  /** What the model is asked for, and how its answers are read. */
  readonly document: SchemaDocument
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
  const { description, title } = external.document.schema
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

/** The external schema of an encoded AST, if it is one. */
export const of = (ast: SchemaAST.AST): External | undefined =>
  ast._tag === "Declaration" ? ast.annotations?.[mark] as External | undefined : undefined
