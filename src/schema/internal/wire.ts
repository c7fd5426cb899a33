/**
 * The encoded side of a JSON codec, with the descriptions, checks and examples of the decoded side. The model sees only
 * the encoded side.
 */
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import type { SchemaDocument } from "../Dialect.ts"
import { copy } from "./decodable.ts"
import * as External from "./external.ts"

/** The AST to generate JSON Schema from. It has no transformations. */
export const toWire = (codec: SchemaAST.AST): SchemaAST.AST => {
  const done = new Map<SchemaAST.AST, SchemaAST.AST>()

  const go = (ast: SchemaAST.AST): SchemaAST.AST => {
    const known = done.get(ast)
    if (known !== undefined) return known
    if (SchemaAST.isLiteral(ast) && isBare(ast)) return ast
    const out = described(step(ast), ast)
    done.set(ast, out)
    return out
  }

  const step = (ast: SchemaAST.AST): SchemaAST.AST => {
    if (ast.encoding !== undefined) {
      const end = ast.encoding[ast.encoding.length - 1]!.to
      return isJsonNumber(ast, end)
        ? new SchemaAST.Number(ast.annotations, [...finite, ...(ast.checks ?? [])], undefined, end.context)
        : go(end)
    }
    switch (ast._tag) {
      case "Objects":
        return new SchemaAST.Objects(
          ast.propertySignatures.map(({ name, type }) => new SchemaAST.PropertySignature(name, go(type))),
          ast.indexSignatures.map(({ parameter, type }) => new SchemaAST.IndexSignature(parameter, go(type))),
          ast.annotations,
          ast.checks,
          undefined,
          ast.context
        )
      case "Arrays":
        return new SchemaAST.Arrays(
          ast.isMutable,
          ast.elements.map(go),
          restOf(ast.rest.map(go)),
          ast.annotations,
          ast.rest.length > 1 ? withTail(ast) : ast.checks,
          undefined,
          ast.context
        )
      case "Union": {
        const types = ast.types.map(go)
        return isLongEnum(types) ? enumOf(ast, types) : new SchemaAST.Union(
          types,
          ast.options,
          ast.annotations,
          ast.checks,
          undefined,
          ast.context
        )
      }
      case "Suspend":
        return new SchemaAST.Suspend(() => go(ast.thunk()), ast.annotations, undefined, undefined, ast.context)
      case "String":
        return new SchemaAST.String(ast.annotations, ast.checks && mapChecks(ast.checks), undefined, ast.context)
      default: {
        const document = External.documentOf(ast)
        return document === undefined ? ast : ofDocument(document, ast.context)
      }
    }
  }

  return go(codec)
}

const isBare = ({ annotations, checks, context, encoding }: SchemaAST.AST): boolean =>
  annotations === undefined && checks === undefined && context === undefined && encoding === undefined

const isLongEnum = (types: ReadonlyArray<SchemaAST.AST>): types is ReadonlyArray<SchemaAST.Literal> =>
  types.length > 100 &&
  types.every((type) => SchemaAST.isLiteral(type) && Predicate.isString(type.literal) && type.annotations === undefined)

/** Effect takes time that grows with the square of an enum's length. */
const enumOf = (ast: SchemaAST.Union, types: ReadonlyArray<SchemaAST.Literal>): SchemaAST.AST => {
  const values = types.map(({ literal }) => literal)
  const check = Schema.makeFilter(() => true, { toJsonSchema: () => ({ enum: values }) })
  return new SchemaAST.String(ast.annotations, [check, ...(ast.checks ?? [])], undefined, ast.context)
}

/** JSON Schema has no fixed elements after others: they are of any of the kinds, and the decoder checks their places. */
const restOf = (rest: ReadonlyArray<SchemaAST.AST>): ReadonlyArray<SchemaAST.AST> =>
  rest.length > 1 ? [new SchemaAST.Union(rest)] : rest

const withTail = ({ checks, elements, rest }: SchemaAST.Arrays): SchemaAST.Checks => {
  const tail = rest.length - 1
  const length = Schema.isMinLength(elements.filter((element) => !SchemaAST.isOptional(element)).length + tail)
  return [
    ...(checks ?? []),
    length,
    Schema.makeFilter(() => true, {
      description: `the last ${
        tail === 1 ? "element has" : `${tail} elements have, in this order,`
      } the last of the kinds`,
      toJsonSchema: () => ({})
    })
  ] as unknown as SchemaAST.Checks
}

/** Any value, with a document as its JSON Schema. `plainDocument` brings the definitions to their place. */
const ofDocument = ({ definitions, schema }: SchemaDocument, context: SchemaAST.AST["context"]): SchemaAST.AST => {
  const check = Schema.makeFilter(() => true, { toJsonSchema: () => ({ ...schema, $defs: definitions }) })
  return copy(Schema.Json.check(check).ast, { context })
}

type Check = SchemaAST.Checks[number]
type Annotations = Schema.Annotations.Annotations

// The JSON codec of a number also accepts the strings "NaN", "Infinity" and "-Infinity", for which JSON has no numbers. A
// model should not be offered these.
const isJsonNumber = (ast: SchemaAST.AST, end: SchemaAST.AST): ast is SchemaAST.Number =>
  SchemaAST.isNumber(ast) && SchemaAST.isUnion(end) && end.types.some(SchemaAST.isNumber)

const finite = Schema.Finite.ast.checks!

const mapChecks = (checks: SchemaAST.Checks): SchemaAST.Checks =>
  checks.map(patternInJsonSchema) as [Check, ...Array<Check>]

// Effect leaves patterns without the `u` flag out of JSON Schema, whose patterns are Unicode. They differ only for
// characters outside of the BMP, which the decoder checks.
const patternInJsonSchema = (check: Check): Check => {
  if (check._tag === "FilterGroup") {
    return new SchemaAST.FilterGroup(mapChecks(check.checks), check.annotations)
  }
  const representation = check.annotations?.representation
  if (representation?.id !== "effect/schema/isPattern") return check
  const { flags, source } = representation.payload as { readonly source: string; readonly flags: string }
  return /[ims]/.test(flags) ? check : check.annotate({ toJsonSchema: () => ({ pattern: source }) })
}

/** Adds the notes of a node, and of every node in its transformations, to its encoded side. */
const described = (wire: SchemaAST.AST, ast: SchemaAST.AST): SchemaAST.AST => {
  const schema = Schema.make<Schema.Top>(wire)
  const notes = unique([
    ...notesOf(ast),
    ...(ast.encoding ?? []).flatMap((link) => notesOf(link.to)),
    ...(ast.encoding === undefined ? [] : notesOf(wire))
  ])
  const keyNotes = unique(annotationNotes(ast.context?.annotations))
  const out = notes.length === 0 ? schema : withDescription(schema, notes.join("; "))
  return keyNotes.length === 0 ? out.ast : out.pipe(Schema.annotateKey({ description: keyNotes.join("; ") })).ast
}

// The annotations of a schema with checks are those of its last check, and Effect leaves checks without a JSON Schema form
// out of JSON Schema. So a check that does nothing has the description.
const withDescription = (schema: Schema.Top, description: string): Schema.Top =>
  schema.ast.checks === undefined
    ? schema.annotate({ description })
    : schema.check(Schema.makeFilter(() => true, { description, toJsonSchema: () => ({}) }))

const notesOf = (ast: SchemaAST.AST): ReadonlyArray<string> => [
  ...annotationNotes(ast.annotations),
  ...(SchemaAST.isString(ast) ? expected(ast.annotations) : []),
  ...(ast.checks ?? []).flatMap(({ annotations }) => [...expected(annotations), ...annotationNotes(annotations)])
]

/** The description, and the examples, for which strict structured output has no keyword. */
const annotationNotes = (annotations: Annotations | undefined): ReadonlyArray<string> => {
  const description = annotations?.["description"]
  const examples = annotations?.["examples"]
  return [
    ...(Predicate.isString(description) ? [description] : []),
    ...(Array.isArray(examples) && examples.length > 0 && examples.every(isJson)
      ? [`for example ${examples.map((example) => JSON.stringify(example)).join(", ")}`]
      : [])
  ]
}

const isJson = Schema.is(Schema.Json)

// What Effect expects of a value, in words that suit a model.
const expected = (annotations: Annotations | undefined): ReadonlyArray<string> => {
  const text = annotations?.["expected"]
  return Predicate.isString(text) ? [rephrased.get(text) ?? text].filter(Boolean) : []
}

const date = "a date, or a date and time, in ISO 8601 format"
const rephrased = new Map([
  ["a string that will be decoded as a Date", date],
  ["a string that will be decoded as a DateTime.Utc", date],
  // The type of the node contains these.
  ["an integer", ""],
  ["a finite number", ""]
])

const unique = (notes: ReadonlyArray<string>): ReadonlyArray<string> => Array.from(new Set(notes))
