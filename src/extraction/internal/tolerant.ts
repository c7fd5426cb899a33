/** A schema for a part of a text: what the part does not state may be null. */
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"

/** Makes the fields of an object nullable, except lists, which may be empty. */
export const tolerant = <A, R>(schema: Schema.ConstraintDecoder<A, R>): Schema.ConstraintDecoder<unknown, R> => {
  if (Predicate.hasProperty(schema, "fields") && Predicate.isObject(schema.fields)) {
    const fields = Object.entries(schema.fields).map(([name, field]) => [name, nullable(field as Schema.Top)] as const)
    return Schema.Struct(Object.fromEntries(fields)) as unknown as Schema.ConstraintDecoder<unknown, R>
  }
  const { ast } = schema
  if (!SchemaAST.isObjects(ast) || ast.encoding !== undefined) return schema
  const properties = ast.propertySignatures.map(({ name, type }) =>
    new SchemaAST.PropertySignature(name, nullable(Schema.make<Schema.Top>(type)).ast)
  )
  return Schema.make<Schema.Top>(
    new SchemaAST.Objects(properties, ast.indexSignatures)
  ) as unknown as Schema.ConstraintDecoder<unknown, R>
}

const nullable = (field: Schema.Top): Schema.Top =>
  field.ast.context?.isOptional === true || SchemaAST.isArrays(SchemaAST.toEncoded(field.ast))
    ? field
    : Schema.NullOr(field)
