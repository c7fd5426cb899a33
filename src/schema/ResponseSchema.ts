/**
 * A Schema, compiled for structured output: its JSON Schemas, and the decoder of answers. The result is cached for as long
 * as the schema exists.
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
  /** The key of the value in an answer, if the value itself is not an object. */
  readonly wrapper: string | undefined
  /** Ordinary JSON Schema, for the modes that show it as text. */
  readonly jsonSchema: JsonSchema.JsonSchema
  /** The JSON Schema in a dialect, or why the dialect cannot express it. */
  readonly accepted: (dialect: Dialect) => Result.Result<AcceptedSchema, Unsupported>
  /** Decodes an answer. The error has every issue. */
  readonly decode: (answer: unknown) => Effect.Effect<A, SchemaIssue.Issue, RD>
  /** Decodes the value itself, without a wrapper: an element of a list for example. */
  readonly decodeElement: (value: unknown) => Effect.Effect<A, SchemaIssue.Issue, RD>
}

/** Compiles a schema, or reports why it has no JSON form. */
export const make = <A, RD>(
  schema: Schema.ConstraintDecoder<A, RD>
): Result.Result<ResponseSchema<A, RD>, Unsupported> =>
  // The cache is keyed by the AST, whose type does not have the two type parameters.
  compile(schema.ast) as Result.Result<ResponseSchema<A, RD>, Unsupported>

const compile = memoize((ast: SchemaAST.AST): Result.Result<ResponseSchema<unknown, unknown>, Unsupported> =>
  // Effect's compilers throw on schemas without a JSON form, such as those with symbol keys.
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

/** Providers require an object at the root, so any other value is wrapped in one. */
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

/** Values that are nested deeper would exhaust the stack. No real data is. */
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

/** Whether the schema itself limits the nesting of its values. */
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
