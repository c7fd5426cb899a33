/** Schemas of parts of a value: of a part of its fields, or of what a part of a text states. */
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as ResponseSchema from "../../schema/ResponseSchema.ts"
import * as SchemaFromJson from "../../schema/SchemaFromJson.ts"

type AnySchema<R> = Schema.ConstraintDecoder<unknown, R>

type Fields = Readonly<Record<string, Schema.Top>>

const fieldsOf = (schema: object): Fields | undefined =>
  Predicate.hasProperty(schema, "fields") && Predicate.isObject(schema.fields) ? schema.fields as Fields : undefined

type Document = Readonly<Record<string, unknown>>

/** The JSON Schema of an object, for schemas whose fields are known by it alone. */
const documentOf = (schema: AnySchema<unknown>): Document | undefined => {
  const response = Result.getOrUndefined(ResponseSchema.make(schema))
  const document = response?.wrapper === undefined ? response?.jsonSchema : undefined
  return document !== undefined && Predicate.isObject(document["properties"]) ? document : undefined
}

const propertiesOf = (document: Document): Readonly<Record<string, Document>> =>
  document["properties"] as Readonly<Record<string, Document>>

/** The names of the fields of an object, or `undefined` for anything else. */
export const fieldNames = (schema: AnySchema<unknown>): ReadonlyArray<string> | undefined => {
  const fields = fieldsOf(schema)
  if (fields !== undefined) return Object.keys(fields)
  const document = documentOf(schema)
  return document === undefined ? undefined : Object.keys(propertiesOf(document))
}

/** The schema of some fields of an object. */
export const pick = <R>(schema: AnySchema<R>, names: ReadonlyArray<string>): AnySchema<R> | undefined => {
  const chosen = <A>(record: Readonly<Record<string, A>>): Readonly<Record<string, A>> =>
    Object.fromEntries(Object.entries(record).filter(([name]) => names.includes(name)))
  const fields = fieldsOf(schema)
  if (fields !== undefined) return Schema.Struct(chosen(fields)) as unknown as AnySchema<R>
  const document = documentOf(schema)
  if (document === undefined) return undefined
  const required = document["required"] as ReadonlyArray<string> | undefined ?? []
  return fromDocument<R>({
    ...document,
    properties: chosen(propertiesOf(document)),
    required: required.filter((name) => names.includes(name))
  })
}

const fromDocument = <R>(document: Document): AnySchema<R> | undefined =>
  Result.getOrUndefined(SchemaFromJson.make(document))

/** Makes the fields of an object nullable, except lists, which may be empty. */
export const tolerant = <R>(schema: AnySchema<R>): AnySchema<R> => {
  const fields = fieldsOf(schema)
  if (fields !== undefined) {
    return Schema.Struct(
      Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, nullable(field)] as const))
    ) as unknown as AnySchema<R>
  }
  const document = documentOf(schema)
  if (document === undefined) return schema
  const properties = Object.entries(propertiesOf(document)).map(([name, property]) =>
    [name, property["type"] === "array" ? property : { anyOf: [property, { type: "null" }] }] as const
  )
  return fromDocument<R>({ ...document, properties: Object.fromEntries(properties) }) ?? schema
}

const nullable = (field: Schema.Top): Schema.Top =>
  field.ast.context?.isOptional === true || SchemaAST.isArrays(SchemaAST.toEncoded(field.ast))
    ? field
    : Schema.NullOr(field)
