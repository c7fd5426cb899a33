/** Schemas from JSON Schema documents. */
import * as JsonSchema from "effect/JsonSchema"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as SchemaRepresentation from "effect/SchemaRepresentation"
import type { Unsupported } from "./Dialect.ts"
import { mapChildren, type Node } from "./internal/jsonSchema.ts"

/**
 * Makes a schema from a JSON Schema document (draft 4 to 2020-12), or reports the keyword that is not supported.
 *
 * An object that lists its properties and does not mention others is closed: what the schema does not ask for is not
 * extracted. Patterns are executed as regular expressions, so the document must be trusted.
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
  // The values of a JSON Schema are JSON on both sides.
  return imported as unknown as Schema.Codec<Schema.Json>
}

// The last line of Effect's message is the path: `at ["schema"]["properties"]["a"]`.
const toUnsupported = (cause: unknown): Unsupported => {
  const message = cause instanceof Error ? cause.message : String(cause)
  const [, description, path] = /^([\s\S]*?)\s*\n\s*at \["schema"\](.*)$/.exec(message) ?? [undefined, message, ""]
  return { path: `$${path}`, description: `it cannot be read as a schema: ${description}` }
}

const combining = ["allOf", "anyOf", "$ref", "if"]

// Branches of a combination are not closed, because each would reject the properties of the others. `oneOf` is read as
// `anyOf`, which is all that strict output supports.
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

/** Draft 4 has `exclusiveMinimum: true` next to `minimum`, where later drafts have one number. */
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
