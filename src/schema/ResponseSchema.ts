/**
 * A Schema, compiled for structured output: its JSON Schemas, and the decoder of answers. The result is cached for as long
 * as the schema exists.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { memoize } from "effect/Function"
import type * as JsonSchema from "effect/JsonSchema"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaParser from "effect/SchemaParser"
import type { Coercion } from "./Coercion.ts"
import type { AcceptedSchema, Dialect, SchemaDocument, Unsupported } from "./Dialect.ts"
import * as AstShape from "./internal/astShape.ts"
import { toJson, withDecidedUnions } from "./internal/decodable.ts"
import * as External from "./internal/external.ts"
import { isNode, plainDocument, referenceOf, withDefinitions } from "./internal/jsonSchema.ts"
import * as Normalizer from "./internal/normalizer.ts"
import * as Ordinary from "./internal/ordinary.ts"
import * as Shape from "./internal/shape.ts"
import * as StrictForm from "./internal/strictForm.ts"
import * as Tables from "./internal/tables.ts"
import { toWire } from "./internal/wire.ts"

export {
  /** The issue of a member of a union that another one fits better: nothing to report. */
  lessFitting
} from "./internal/decodable.ts"

/** An answer in the ordinary form of its schema, ready to be decoded. */
interface Read {
  readonly json: unknown
  /** What was changed in it to read it. */
  readonly coercions: ReadonlyArray<Coercion>
  /** Why it cannot be an answer to this schema. */
  readonly issue: SchemaIssue.Issue | undefined
  /** Whether the answer as a whole is something else: an example, a note, another object. */
  readonly isForeign: boolean
}

export interface ResponseSchema<out A, out RD = never> {
  /** The key of the value in an answer, if the value itself is not an object. */
  readonly wrapper: string | undefined
  /** Ordinary JSON Schema, for the modes that show it as text. */
  readonly jsonSchema: JsonSchema.JsonSchema
  /** The JSON Schema that a provider accepts, or where and why it accepts none. */
  readonly accepted: (dialect: Dialect) => Result.Result<AcceptedSchema, Unsupported>
  /** Reads an answer that was parsed as JSON; `coerces` allows values that are written in another way. */
  readonly read: (answer: unknown, coerces: boolean) => Read
  /** Reads the value itself, as an element of a list for example, without a wrapper of its own. */
  readonly readElement: (value: unknown, coerces: boolean) => Read
  /** The answer for the JSON of a value: the opposite of `read`. */
  readonly write: (json: Schema.Json) => Schema.Json
  /** Decodes what was read, reporting every issue. A schema that throws fails this answer alone. */
  readonly decode: (read: Read) => Effect.Effect<A, SchemaIssue.Issue, RD>
}

/** Compiles a schema, or reports why it has no JSON form. With `tables`, lists of objects are asked for as tables. */
export const make = <A, RD>(
  schema: Schema.ConstraintDecoder<A, RD>,
  options?: { readonly tables?: boolean | undefined }
): Result.Result<ResponseSchema<A, RD>, Unsupported> =>
  // The cache is keyed by the AST, whose type does not have the two type parameters.
  (options?.tables === true ? compileWithTables : compile)(schema.ast) as Result.Result<
    ResponseSchema<A, RD>,
    Unsupported
  >

interface Compiled extends ResponseSchema<unknown, unknown> {
  readonly document: SchemaDocument
}

const acceptor = (original: SchemaDocument, document = original): Compiled["accepted"] =>
  memoize((dialect) => {
    const impossible = StrictForm.impossibility(original)
    return impossible === undefined ? dialect.accept(document) : Result.fail(impossible)
  })

const compileWithTables = memoize((ast: SchemaAST.AST): Result.Result<Compiled, Unsupported> =>
  Result.map(compile(ast), (compiled) => {
    const tables = Tables.make(compiled.document)
    if (tables === undefined) return compiled
    const { read, wrapper, write } = compiled
    const isBare = (answer: unknown): boolean =>
      wrapper !== undefined && Shape.isObject(answer) && !Object.hasOwn(answer, wrapper)
    return {
      ...compiled,
      jsonSchema: withDefinitions(tables.document),
      accepted: acceptor(compiled.document, tables.document),
      read: (answer, coerces) => {
        const expanded = tables.expand(isBare(answer) ? { [wrapper!]: answer } : answer)
        return Result.isSuccess(expanded)
          ? read(expanded.success, coerces)
          : rejected(answer, expanded.failure.path, expanded.failure.message)
      },
      write: (json) => tables.collapse(write(json))
    }
  })
)

const compile = memoize((ast: SchemaAST.AST): Result.Result<Compiled, Unsupported> =>
  // Effect's compilers throw on schemas without a JSON form, such as those with symbol keys.
  Result.try({
    try: () => {
      const codec = Schema.toCodecJson(Schema.make<Schema.Top>(ast)).ast
      const wrapper = wrapperOf(codec)
      const document = toDocument(codec, wrapper)
      const json = toJson(codec)
      const shape = AstShape.make(SchemaAST.toEncoded(json))
      return {
        wrapper,
        jsonSchema: withDefinitions(document),
        document,
        accepted: acceptor(document),
        read: (answer, coerces) => readAnswer(shape, wrapper, answer, coerces),
        readElement: (value, coerces) => readValue(shape, value, coerces),
        write: (json) => wrapper === undefined ? json : { [wrapper]: json },
        decode: makeDecode(withDecidedUnions(json))
      }
    },
    catch: External.unsupported
  })
)

/** Providers require an object at the root, so any other value is wrapped in one. */
const wrapperOf = (codec: SchemaAST.AST): string | undefined => {
  const root = encodedRoot(codec)
  const document = External.documentOf(root)
  if (document !== undefined) return wrapperOfDocument(document)
  if (SchemaAST.isObjects(root) && root.propertySignatures.length > 0 && root.indexSignatures.length === 0) {
    return undefined
  }
  return SchemaAST.isArrays(root) && root.elements.length === 0 ? "items" : "value"
}

const wrapperOfDocument = ({ definitions, schema }: SchemaDocument): string | undefined => {
  const root = definitions[referenceOf(schema, definitions) ?? ""] ?? schema
  if (root["type"] === "array" && root["prefixItems"] === undefined) return "items"
  // An object of any keys is a list of entries in some dialects.
  return root["type"] === "object" && root["patternProperties"] === undefined && !isNode(root["additionalProperties"])
    ? undefined
    : "value"
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

/** The value of an answer, under the wrapper or without it, whichever of the two it fits. */
const readAnswer = (shape: Shape.Shape, wrapper: string | undefined, answer: unknown, coerces: boolean): Read => {
  if (wrapper === undefined) return readObject(shape, answer, coerces)
  if (!Shape.isObject(answer) || !Object.hasOwn(answer, wrapper)) return readValue(shape, answer, coerces)
  const isAlone = Object.keys(answer).length === 1
  const isWhole = Shape.fit(shape, answer) !== -1
  const isWrapped = isAlone
    ? !isWhole || Shape.fit(shape, answer[wrapper]) !== -1
    // Beside other keys it is a key of the value if an object in the schema has one of them.
    : coerces && !isWhole && !Shape.describesSome(shape, answer)
  return readValue(shape, isWrapped ? answer[wrapper] : answer, coerces)
}

/** An object, which a model may have put under a key of its own. */
const readObject = (shape: Shape.Shape, answer: unknown, coerces: boolean): Read => {
  const read = readValue(shape, answer, coerces)
  if (!read.isForeign || !coerces || !Shape.isObject(answer)) return read
  const [key, ...others] = Object.keys(answer)
  const inside = key === undefined || others.length > 0 ? undefined : answer[key]
  if (!Shape.isObject(inside) || Shape.fit(shape, inside) <= 0) return read
  const value = readValue(shape, inside, coerces)
  return { ...value, coercions: [{ path: [], kind: "wrapper" }, ...value.coercions] }
}

const readValue = (shape: Shape.Shape, value: unknown, coerces: boolean): Read => {
  if (Ordinary.isOrdinary(shape, value, maxDepth)) {
    return { json: value, coercions: [], issue: undefined, isForeign: false }
  }
  if (isDeeper(value, maxDepth)) {
    return rejected(value, [], `Expected a value nested at most ${maxDepth} levels deep`)
  }
  const { coercions, foreign, isStrange, json } = Normalizer.normalize(shape, value, coerces)
  const [path] = foreign
  return path === undefined
    ? { json, coercions, issue: undefined, isForeign: isStrange || !Shape.takesKind(shape, Shape.kindOf(json)) }
    : {
      ...rejected(json, path, "Expected an object with at least one of the keys of the schema"),
      isForeign: path.length === 0
    }
}

const rejected = (json: unknown, path: ReadonlyArray<string | number>, message: string): Read => {
  const issue = new SchemaIssue.InvalidValue({ message }, json, {})
  return {
    json,
    coercions: [],
    issue: path.length === 0 ? issue : new SchemaIssue.Pointer(path, issue),
    isForeign: false
  }
}

const makeDecode = (codec: SchemaAST.AST) => {
  const decode = SchemaParser.decodeUnknownEffect(Schema.make<Schema.Top>(codec), { errors: "all" })
  return ({ issue, json }: Read): Effect.Effect<unknown, SchemaIssue.Issue, unknown> => {
    if (issue !== undefined) return Effect.fail(issue)
    const threw = (defect: unknown): Effect.Effect<never, SchemaIssue.Issue> =>
      Effect.fail(new SchemaIssue.InvalidValue({ message: `The schema threw: ${String(defect)}` }, json, {}))
    // A decoder without effects has decoded, or thrown, when it returns.
    const decoded = Result.try(() => decode(json))
    if (Result.isFailure(decoded)) return threw(decoded.failure)
    return Exit.isExit(decoded.success) && Exit.isSuccess(decoded.success)
      ? decoded.success
      : Effect.catchDefect(decoded.success, threw)
  }
}

const isDeeper = (value: unknown, levels: number): boolean =>
  typeof value === "object" && value !== null &&
  (levels === 0 || (Array.isArray(value) ? value : Object.values(value)).some((inner) => isDeeper(inner, levels - 1)))
