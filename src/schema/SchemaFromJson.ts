/**
 * JSON Schema documents as schemas, for those whose schema is a file.
 *
 * @since 0.1.0
 */
import * as JsonSchema from "effect/JsonSchema"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as SchemaRepresentation from "effect/SchemaRepresentation"
import type { Unsupported } from "./Dialect.ts"
import { mapChildren, type Node } from "./internal/jsonSchema.ts"

/**
 * The schema of a JSON Schema document (draft 4 to 2020-12), or where and why it has none.
 *
 * **Details**
 *
 * An object that names its properties and says nothing of others has no others: what is not asked for is not
 * extracted. Patterns are applied, so the document has to come from someone who may run code.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (document: unknown): Result.Result<Schema.Codec<Schema.Json>, Unsupported> =>
  Predicate.isObject(document) && !Array.isArray(document)
    ? Result.try({ try: () => fromDocument(document), catch: toUnsupported })
    : Result.fail({ path: "$", description: "it is not a JSON Schema document, which is a JSON object" })

const fromDocument = (document: Node): Schema.Codec<Schema.Json> => {
  const dialect = document["$schema"]
  const { definitions, schema } = Predicate.isString(dialect) && /2019-09|2020-12/.test(dialect)
    ? JsonSchema.fromSchemaDraft2020_12(document)
    : JsonSchema.fromSchemaDraft07(withNumericBounds(document))
  const imported = SchemaRepresentation.fromJsonSchemaDocument({
    dialect: "draft-2020-12",
    schema: closed(schema),
    definitions: Object.fromEntries(Object.entries(definitions).map(([name, node]) => [name, closed(node)]))
  }, { patterns: "apply" })
  // What is described by JSON Schema is JSON on both sides.
  return imported as unknown as Schema.Codec<Schema.Json>
}

// Effect says where on a last line of its own: `at ["schema"]["properties"]["a"]`.
const toUnsupported = (cause: unknown): Unsupported => {
  const message = cause instanceof Error ? cause.message : String(cause)
  const [, description, path] = /^([\s\S]*?)\s*\n\s*at \["schema"\](.*)$/.exec(message) ?? [undefined, message, ""]
  return { path: `$${path}`, description: `it cannot be read as a schema: ${description}` }
}

const combining = ["allOf", "anyOf", "$ref", "if"]

// Branches of a combination are not closed: each would refuse what the others name. And `oneOf` is read as `anyOf`,
// which is all that strict output can promise.
const closed = (node: Node): Node => {
  const { oneOf, ...rest } = mapChildren(node, (child, key) => key === "allOf" ? child : closed(child))
  const out: Node = oneOf === undefined || rest["anyOf"] !== undefined
    ? { ...rest, ...(oneOf !== undefined && { oneOf }) }
    : { ...rest, anyOf: oneOf }
  const { additionalProperties, patternProperties, properties } = out
  return Predicate.isObject(properties) && Object.keys(properties).length > 0 && additionalProperties === undefined &&
      patternProperties === undefined && !combining.some((key) => out[key] !== undefined)
    ? { ...out, additionalProperties: false }
    : out
}

/** Draft 4 says `exclusiveMinimum: true` beside `minimum` for what later drafts say in one number. */
const withNumericBounds = (node: Node): Node => {
  const { exclusiveMaximum, exclusiveMinimum, maximum, minimum, ...rest } = mapChildren(node, withNumericBounds)
  return {
    ...rest,
    ...bound("minimum", "exclusiveMinimum", minimum, exclusiveMinimum),
    ...bound("maximum", "exclusiveMaximum", maximum, exclusiveMaximum)
  }
}

const bound = (inclusive: string, exclusive: string, limit: unknown, flag: unknown): Node => ({
  ...(limit !== undefined && { [flag === true ? exclusive : inclusive]: limit }),
  ...(Predicate.isNumber(flag) && { [exclusive]: flag })
})
