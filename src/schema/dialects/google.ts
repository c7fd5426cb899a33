/**
 * The subset of JSON Schema that Gemini's `responseJsonSchema` accepts. It is ordinary JSON Schema with few keywords: the
 * description states the rest. A schema that it cannot express is shown in the prompt instead.
 *
 * Rules: the reference of Gemini's `GenerationConfig`, as of 2026-11.
 */
import * as Arr from "effect/Array"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type { Dialect, SchemaDocument } from "../Dialect.ts"
import { annotated, isNode, type Node, referenceOf, withDefinitions } from "../internal/jsonSchema.ts"
import { present } from "../internal/strictForm.ts"

/** With more than this, bounds make the grammar too large to be served. */
const large = { properties: 60, enumValues: 120 } as const

const formats = new Set(["date-time", "date", "time"])

export const google: Dialect = {
  name: "google",
  accept: (document) =>
    Result.succeed(reduced(document) ?? { jsonSchema: withDefinitions(document), strict: false, shown: true })
}

const reduced = (document: SchemaDocument) => {
  const { definitions, schema } = document
  if (requiresItself(document)) return undefined
  const hasBounds = isSmall(document)
  const unsupported = [schema, ...Object.values(definitions)].some(hasUnsupported)
  return unsupported ? undefined : {
    jsonSchema: withDefinitions({
      schema: rewrite(schema, hasBounds),
      definitions: Object.fromEntries(
        Object.entries(definitions).map(([name, node]) => [name, rewrite(node, hasBounds)])
      )
    }),
    strict: true
  }
}

const rewrite = (node: Node, hasBounds: boolean): Node => {
  const below = (child: unknown): Node => rewrite(isNode(child) ? child : {}, hasBounds)
  if (node["$ref"] !== undefined) return { $ref: node["$ref"] }
  if (node["const"] !== undefined) return literals(node, [node["const"]])
  if (Array.isArray(node["enum"])) return literals(node, node["enum"])
  if (Array.isArray(node["anyOf"])) return annotated({ anyOf: node["anyOf"].map(below) }, node)
  switch (node["type"]) {
    case "object":
      return annotated(object(node, below), node)
    case "array": {
      const { items, maxItems, minItems, prefixItems } = node
      return annotated(
        {
          type: "array",
          ...(Array.isArray(prefixItems) && { prefixItems: prefixItems.map(below) }),
          ...(isNode(items) && { items: below(items) }),
          ...(hasBounds && minItems !== undefined && { minItems }),
          ...(hasBounds && maxItems !== undefined && { maxItems })
        },
        node
      )
    }
    default:
      return annotated(scalar(node, hasBounds), node, formatOf(node))
  }
}

const object = (node: Node, below: (child: unknown) => Node): Node => {
  const { additionalProperties, patternProperties } = node
  const properties = isNode(node["properties"]) ? Object.entries(node["properties"]) : []
  const required = Array.isArray(node["required"]) ? node["required"] : []
  const values = isNode(patternProperties) ? Object.values(patternProperties) : []
  const others = values.length > 0 ? values[0] : additionalProperties
  return {
    type: "object",
    ...(properties.length > 0 && {
      properties: Object.fromEntries(
        properties.map(([name, child]) => [name, required.includes(name) ? below(child) : present(below(child))])
      )
    }),
    ...(required.length > 0 && { required }),
    // Without it, required properties come before the others.
    ...(required.length > 0 && required.length < properties.length && {
      propertyOrdering: properties.map(([name]) => name)
    }),
    ...(others !== undefined && { additionalProperties: isNode(others) ? below(others) : others })
  }
}

/** Literals of one type, or a union of those of each type. Only texts and numbers can be listed. */
const literals = (node: Node, values: ReadonlyArray<unknown>): Node => {
  const byType = Arr.groupBy(values, (value) => value === null ? "null" : typeof value)
  const members = Object.entries(byType).map(([type, values]): Node =>
    type === "string" || type === "number" ? { type, enum: values } : { type }
  )
  const note = values.length === 1 && Predicate.isBoolean(values[0]) ? `always ${String(values[0])}` : ""
  return annotated(members.length === 1 ? members[0]! : { anyOf: members }, node, note)
}

const scalar = (node: Node, hasBounds: boolean): Node => {
  const { format, maximum, minimum, type } = node
  return {
    ...(type !== undefined && { type }),
    ...(Predicate.isString(format) && formats.has(format) && { format }),
    ...(hasBounds && minimum !== undefined && { minimum }),
    ...(hasBounds && maximum !== undefined && { maximum })
  }
}

/** The format that has no keyword. */
const formatOf = ({ format }: Node): string =>
  Predicate.isString(format) && !formats.has(format) ? `in the format ${format}` : ""

const childrenOf = (node: Node): ReadonlyArray<Node> =>
  [
    ...Object.values(isNode(node["properties"]) ? node["properties"] : {}),
    ...Object.values(isNode(node["patternProperties"]) ? node["patternProperties"] : {}),
    ...(Array.isArray(node["anyOf"]) ? node["anyOf"] : []),
    ...(Array.isArray(node["prefixItems"]) ? node["prefixItems"] : []),
    node["items"],
    node["additionalProperties"]
  ].filter(isNode)

const withoutForm = ["not", "if", "then", "else", "dependentSchemas", "dependentRequired"]

/** Whether a schema needs a keyword that says more than its description can, or lists objects as literals. */
const hasUnsupported = (node: Node): boolean => {
  const values = Array.isArray(node["enum"]) ? node["enum"] : [node["const"]]
  return withoutForm.some((keyword) => node[keyword] !== undefined) ||
    values.some((value) => typeof value === "object" && value !== null) || childrenOf(node).some(hasUnsupported)
}

const isSmall = ({ definitions, schema }: SchemaDocument): boolean => {
  let properties = 0
  let enumValues = 0
  const visit = (node: Node): void => {
    if (isNode(node["properties"])) properties += Object.keys(node["properties"]).length
    if (Array.isArray(node["enum"])) enumValues += node["enum"].length
    childrenOf(node).forEach(visit)
  }
  visit(schema)
  Object.values(definitions).forEach(visit)
  return properties <= large.properties && enumValues <= large.enumValues
}

/** Whether a definition contains itself without an optional property in between, which Gemini does not accept. */
const requiresItself = ({ definitions }: SchemaDocument): boolean => {
  const reaches = (node: Node, start: string, seen: Set<string>): boolean => {
    const name = referenceOf(node, definitions)
    if (name === start) return true
    if (name !== undefined) {
      if (seen.has(name)) return false
      seen.add(name)
      return reaches(definitions[name]!, start, seen)
    }
    const required = Array.isArray(node["required"]) ? node["required"] : []
    const properties = Object.entries(isNode(node["properties"]) ? node["properties"] : {})
    const below = [
      ...properties.flatMap(([key, child]) => required.includes(key) && isNode(child) ? [child] : []),
      ...childrenOf({ ...node, properties: {} })
    ]
    return below.some((child) => reaches(child, start, seen))
  }
  return Object.keys(definitions).some((name) => reaches(definitions[name]!, name, new Set()))
}
