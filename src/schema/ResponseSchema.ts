/**
 * A Schema, compiled for structured output: the JSON Schemas to ask with, and the decoder of the answer. Compiled once
 * per schema and kept for as long as the schema is.
 */
import * as Effect from "effect/Effect"
import { memoize } from "effect/Function"
import type * as JsonSchema from "effect/JsonSchema"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as SchemaIssue from "effect/SchemaIssue"
import type { AcceptedSchema, Dialect, SchemaDocument, Unsupported } from "./Dialect.ts"
import { plainDocument, withDefinitions } from "./internal/jsonSchema.ts"
import { toLenient } from "./internal/lenient.ts"
import { toWire } from "./internal/wire.ts"

export interface ResponseSchema<out A, out RD = never> {
  /** The key under which the value stands in an answer, when the value itself is not an object. */
  readonly wrapper: string | undefined
  /** Ordinary JSON Schema, for modes that show it to the model as text. */
  readonly jsonSchema: JsonSchema.JsonSchema
  /** The JSON Schema that a provider accepts, or where and why it accepts none. */
  readonly accepted: (dialect: Dialect) => Result.Result<AcceptedSchema, Unsupported>
  /** Decodes an answer that was read as JSON, reporting every issue. */
  readonly decode: (answer: unknown) => Effect.Effect<A, SchemaIssue.Issue, RD>
  /** Decodes the value itself, as an element of a list for example, without a wrapper of its own. */
  readonly decodeElement: (value: unknown) => Effect.Effect<A, SchemaIssue.Issue, RD>
}

/** Compiles a schema, or reports where and why it has no JSON form. The same schema gives the same result. */
export const make = <A, RD>(
  schema: Schema.ConstraintDecoder<A, RD>
): Result.Result<ResponseSchema<A, RD>, Unsupported> =>
  // The cache is keyed by the AST, which knows neither of the two types; a schema always means the same ones.
  compile(schema.ast) as Result.Result<ResponseSchema<A, RD>, Unsupported>

const compile = memoize((ast: SchemaAST.AST): Result.Result<ResponseSchema<unknown, unknown>, Unsupported> =>
  // Effect's compilers throw on what has no JSON form: symbol keys, `never`, and the like.
  Result.try({
    try: () => {
      const codec = Schema.toCodecJson(Schema.make<Schema.Top>(ast)).ast
      const wrapper = wrapperOf(codec)
      const document = toDocument(codec, wrapper)
      const decodeElement = makeDecode(codec)
      return {
        wrapper,
        jsonSchema: withDefinitions(document),
        accepted: memoize((dialect: Dialect) => dialect.accept(document)),
        decode: (answer) => decodeElement(unwrap(answer, wrapper)),
        decodeElement
      }
    },
    catch: (cause) => ({ path: "$", description: cause instanceof Error ? cause.message : String(cause) })
  })
)

/** Providers want an object at the root, so any other root stands under a key of one. */
const wrapperOf = (codec: SchemaAST.AST): string | undefined => {
  const root = encodedRoot(codec)
  if (SchemaAST.isObjects(root) && root.indexSignatures.length === 0) return undefined
  return SchemaAST.isArrays(root) && root.elements.length === 0 ? "items" : "value"
}

const encodedRoot = (ast: SchemaAST.AST): SchemaAST.AST => {
  const encoded = SchemaAST.toEncoded(ast)
  return SchemaAST.isSuspend(encoded) ? encodedRoot(encoded.thunk()) : encoded
}

const toDocument = (codec: SchemaAST.AST, wrapper: string | undefined): SchemaDocument => {
  const wire = toWire(codec)
  const root = wrapper === undefined
    ? wire
    : new SchemaAST.Objects([new SchemaAST.PropertySignature(wrapper, wire)], [])
  return plainDocument(Schema.toJsonSchemaDocument(Schema.make(root), { onExcessProperty: "error" }))
}

/** Deeper nesting is not data: it is an attack on the stack, or a model that lost count. */
const maxDepth = 256

const unwrap = (answer: unknown, wrapper: string | undefined): unknown =>
  wrapper !== undefined && Predicate.isObject(answer) && Object.hasOwn(answer, wrapper) ? answer[wrapper] : answer

const makeDecode = (codec: SchemaAST.AST) => {
  const decode = Schema.decodeUnknownEffect(Schema.make<Schema.Top>(toLenient(codec)), { errors: "all" })
  const bounded = isBounded(codec)
  return (value: unknown): Effect.Effect<unknown, SchemaIssue.Issue, unknown> => {
    if (!bounded && isDeeper(value, maxDepth)) {
      const message = `Expected a value nested at most ${maxDepth} levels deep`
      return Effect.fail(new SchemaIssue.InvalidValue({ message }, value, {}))
    }
    return Effect.mapError(decode(value), (error) => error.issue)
  }
}

/** Whether the schema itself bounds how deep its values are. */
const isBounded = (root: SchemaAST.AST): boolean => {
  const seen = new Set<SchemaAST.AST>()
  const visit = (ast: SchemaAST.AST): boolean => {
    if (seen.has(ast)) return true
    seen.add(ast)
    switch (ast._tag) {
      case "Suspend":
      case "Any":
      case "Unknown":
      case "ObjectKeyword":
      case "Declaration":
        return false
      case "Objects":
        return ast.propertySignatures.every(({ type }) => visit(type)) &&
          ast.indexSignatures.every(({ type }) => visit(type))
      case "Arrays":
        return ast.elements.every(visit) && ast.rest.every(visit)
      case "Union":
        return ast.types.every(visit)
      default:
        return true
    }
  }
  return visit(SchemaAST.toEncoded(root))
}

const isDeeper = (value: unknown, levels: number): boolean => {
  let layer: Array<unknown> = [value]
  for (let level = 0; layer.length > 0; level++) {
    if (level > levels) return true
    layer = layer.flatMap((value) => typeof value === "object" && value !== null ? Object.values(value) : [])
  }
  return false
}
