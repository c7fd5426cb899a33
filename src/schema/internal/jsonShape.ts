/** The shape of a JSON Schema document, as answers are compared with it. */
import * as Predicate from "effect/Predicate"
import type { SchemaDocument } from "../Dialect.ts"
import { isNode, type Node, referenceOf } from "./jsonSchema.ts"
import * as Keywords from "./keywords.ts"
import * as Shape from "./shape.ts"

interface Building {
  readonly definitions: SchemaDocument["definitions"]
  readonly later: (node: Node) => () => Shape.Shape
}

export const make = ({ definitions, schema }: SchemaDocument): Shape.Shape => {
  const done = new Map<Node, Shape.Shape>()
  const later: Building["later"] = (node) => () => {
    const known = done.get(node)
    if (known !== undefined) return known
    const name = referenceOf(node, definitions)
    const shape = name === undefined ? shapeOf(node, { definitions, later }) : later(definitions[name]!)()
    done.set(node, shape)
    return shape
  }
  return later(schema)()
}

const shapeOf = (node: Node, building: Building): Shape.Shape => {
  const { later } = building
  const { anyOf, enum: values, type } = node
  if (Array.isArray(anyOf)) return Shape.union((anyOf as Array<Node>).map((member) => later(member)()))
  if (Array.isArray(values)) return literals(values as Array<unknown>)
  if (Array.isArray(type)) {
    return Shape.union(
      (type as Array<string>).map((type) => typed({ ...node, type }, type, building))
    )
  }
  return Predicate.isString(type) ? typed(node, type, building) : Shape.anything
}

const literals = (values: ReadonlyArray<unknown>): Shape.Shape =>
  values.every((value) => typeof value !== "object" || value === null)
    ? { _tag: "Literals", values: values as Shape.Literals["values"] }
    : Shape.anything

const typed = (node: Node, type: string, building: Building): Shape.Shape => {
  switch (type) {
    case "null":
      return { _tag: "Literals", values: [null] }
    case "boolean":
      return { _tag: "Scalar", kind: "boolean", accepts: Predicate.isBoolean }
    case "string":
      return { _tag: "Scalar", kind: "string", accepts: text(node) }
    case "number":
    case "integer":
      return { _tag: "Scalar", kind: "number", accepts: number(node, type === "integer") }
    case "array":
      return list(node, building)
    case "object":
      return object(node, building)
    default:
      return Shape.anything
  }
}

const text = ({ maxLength, minLength, pattern }: Node) => {
  const regExp = Predicate.isString(pattern) ? Keywords.toRegExp(pattern) : undefined
  return (json: unknown): boolean =>
    Predicate.isString(json) && (regExp?.test(json) ?? true) &&
    !(Predicate.isNumber(minLength) && json.length < minLength) &&
    !(Predicate.isNumber(maxLength) && Array.from(json).length > maxLength)
}

const number = (
  { exclusiveMaximum, exclusiveMinimum, maximum, minimum }: Node,
  isInteger: boolean
) =>
(json: unknown): boolean =>
  Predicate.isNumber(json) && (!isInteger || Number.isInteger(json)) &&
  !(Predicate.isNumber(minimum) && json < minimum) && !(Predicate.isNumber(maximum) && json > maximum) &&
  !(Predicate.isNumber(exclusiveMinimum) && json <= exclusiveMinimum) &&
  !(Predicate.isNumber(exclusiveMaximum) && json >= exclusiveMaximum)

const list = ({ items, minItems, prefixItems }: Node, { later }: Building): Shape.Shape => {
  const rest = isNode(items) ? later(items) : () => Shape.anything
  if (!Array.isArray(prefixItems)) return { _tag: "List", element: rest }
  const least = Predicate.isNumber(minItems) ? minItems : 0
  return {
    _tag: "Tuple",
    elements: (prefixItems as Array<Node>).map((element, i) => ({ shape: later(element), isOptional: i >= least })),
    rest: items === false ? undefined : rest
  }
}

const object = (node: Node, { definitions, later }: Building): Shape.Shape => {
  const { additionalProperties, patternProperties, properties } = node
  const patterns = isNode(patternProperties) ? Object.values(patternProperties) as Array<Node> : []
  const named = isNode(properties) ? Object.entries(properties) as Array<[string, Node]> : []
  const required = new Set(Array.isArray(node["required"]) ? node["required"] as Array<unknown> : [])
  if (named.length === 0 && patterns.length === 0 && !isNode(additionalProperties)) return Shape.anything
  const values = [...patterns, ...(isNode(additionalProperties) ? [additionalProperties] : [])]
  // Keys that no pattern matches are allowed where nothing else is said of them.
  const isOpen = patterns.length > 0 && additionalProperties === undefined
  return Shape.struct(
    named.map(([name, property]) => ({
      name,
      shape: later(property),
      isOptional: !required.has(name),
      nullIsMissing: !required.has(name) && !acceptsNull(property, definitions, new Set())
    })),
    values.length === 0
      ? undefined
      : () => isOpen ? Shape.anything : Shape.union(values.map((value) => later(value)())),
    true
  )
}

const acceptsNull = (node: Node, definitions: SchemaDocument["definitions"], seen: Set<Node>): boolean => {
  if (seen.has(node)) return false
  seen.add(node)
  const name = referenceOf(node, definitions)
  if (name !== undefined) return acceptsNull(definitions[name]!, definitions, seen)
  const { anyOf, enum: values, type } = node
  if (Array.isArray(anyOf)) return (anyOf as Array<Node>).some((member) => acceptsNull(member, definitions, seen))
  if (Array.isArray(values)) return values.includes(null)
  return type === undefined ? node["not"] === undefined : [type].flat().includes("null")
}
