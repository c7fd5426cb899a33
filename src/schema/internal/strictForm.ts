/**
 * The strict form of a JSON Schema, which strict structured output requires: every key is required (optional ones may be
 * `null`), every key is named (a record is a list of `{ key, value }` entries), there are no tuples (a tuple is an object
 * whose keys are the positions), and every node has a type. `lenient.ts` decodes it.
 *
 * Written by hand: `effect/ai/OpenAiStructuredOutput` accepts no root that is not an object, leaves out most patterns,
 * throws errors without the path of the unsupported place, and emits many definitions twice.
 */
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type { SchemaDocument, Unsupported } from "../Dialect.ts"
import type { Node } from "./jsonSchema.ts"
import { annotated, isNode, referenceOf, without } from "./jsonSchema.ts"

/** The keys of an entry of a record. */
export const entryKeys = { key: "key", value: "value" } as const

/** The key of the elements of a tuple after its fixed positions. */
export const restKey = "rest"

/** The rules in which providers differ. */
export interface Rules {
  /** The maximum nesting of objects. */
  readonly maxDepth: number
  readonly hasFormat: (format: string) => boolean
  readonly hasPattern: (pattern: string) => boolean
  /** Whether bounds of numbers and lists are keywords. The description states them in any case. */
  readonly hasBounds: boolean
  /** The form of an optional property: one that is required and may be `null`, or one that may be left out. */
  readonly optional: (value: Node) => "nullable" | "absent"
}

/** The size of a schema, which providers limit. */
export interface Size {
  readonly properties: number
  readonly enumValues: number
  /** The characters of property names and literal values. */
  readonly characters: number
}

interface Rewriting {
  readonly definitions: SchemaDocument["definitions"]
  readonly rules: Rules
  readonly size: { -readonly [Key in keyof Size]: number }
  unsupported: Unsupported | undefined
}

/** Converts a schema, or reports the first place that has no strict form. */
export const make = (
  { definitions, schema }: SchemaDocument,
  rules: Rules
): Result.Result<SchemaDocument & { readonly size: Size }, Unsupported> => {
  const state: Rewriting = {
    definitions,
    rules,
    size: { properties: 0, characters: 0, enumValues: 0 },
    unsupported: undefined
  }
  const strict = {
    schema: rewrite(state, schema, "$", 0),
    definitions: Object.fromEntries(
      Object.entries(definitions).map(([name, definition]) => [name, rewrite(state, definition, name, 0)])
    )
  }
  return state.unsupported === undefined
    ? Result.succeed({ ...strict, size: state.size })
    : Result.fail(state.unsupported)
}

const fail = (state: Rewriting, path: string, description: string): Node => {
  state.unsupported ??= { path, description }
  return {}
}

const withoutStrictForm = ["not", "if", "then", "else", "dependentSchemas", "dependentRequired"]

const rewrite = (state: Rewriting, node: Node, path: string, depth: number): Node => {
  const name = referenceOf(node, state.definitions)
  if (name !== undefined) return { $ref: node["$ref"] }
  if (node["$ref"] !== undefined) {
    return fail(state, path, `it refers to ${JSON.stringify(node["$ref"])}, which is not part of the schema`)
  }
  const keyword = withoutStrictForm.find((keyword) => node[keyword] !== undefined)
  if (keyword !== undefined) return fail(state, path, `"${keyword}" has no strict form`)
  if (Array.isArray(node["anyOf"])) return union(state, node, node["anyOf"], path, depth)
  if (node["const"] !== undefined) return enumeration(state, node, [node["const"]], path)
  if (Array.isArray(node["enum"])) return enumeration(state, node, node["enum"], path)
  const type = node["type"]
  if (Array.isArray(type)) {
    return union(state, node, type.map((type) => ({ ...without(node, "description"), type })), path, depth)
  }
  switch (type) {
    case "object":
      return object(state, node, path, depth + 1)
    case "array":
      return Array.isArray(node["prefixItems"])
        ? positions(state, node, node["prefixItems"], path, depth + 1)
        : array(state, node, path, depth)
    case "string":
    case "number":
    case "integer":
    case "boolean":
    case "null":
      return scalar(state.rules, node, type)
    default:
      return fail(
        state,
        path,
        `it accepts any value (as Schema.Unknown, Schema.Any and Schema.Json do), and strict output needs a type ` +
          `everywhere. Give it a type, or use mode "json" or "markdown"`
      )
  }
}

const child = (state: Rewriting, node: unknown, path: string, depth: number): Node =>
  rewrite(state, isNode(node) ? node : {}, path, depth)

const union = (
  state: Rewriting,
  node: Node,
  members: ReadonlyArray<unknown>,
  path: string,
  depth: number
): Node => annotated(anyOf(members.map((member, i) => child(state, member, `${path}(${i})`, depth))), node)

const enumeration = (state: Rewriting, node: Node, values: ReadonlyArray<unknown>, path: string): Node => {
  state.size.enumValues += values.length
  state.size.characters += values.reduce<number>((sum, value) => sum + String(value).length, 0)
  const byType = new Map<string, Array<unknown>>()
  for (const value of values) {
    const type = value === null ? "null" : typeof value
    if (type === "object") return fail(state, path, `it lists an object or array as a literal value`)
    const same = byType.get(type)
    if (same === undefined) byType.set(type, [value])
    else same.push(value)
  }
  return annotated(
    anyOf(Array.from(byType, ([type, values]) => type === "null" ? { type } : { type, enum: values })),
    node
  )
}

const object = (state: Rewriting, node: Node, path: string, depth: number): Node => {
  const { maxDepth } = state.rules
  if (depth > maxDepth) return fail(state, path, `it is nested more than ${maxDepth} objects deep`)
  const properties = isNode(node["properties"]) ? Object.entries(node["properties"]) : []
  const patterns = isNode(node["patternProperties"]) ? Object.entries(node["patternProperties"]) : []
  const others = node["additionalProperties"]
  if (patterns.length > 0 || isNode(others)) return entries(state, node, { properties, patterns, others }, path, depth)
  if (properties.length === 0 && others !== false) {
    return fail(state, path, `it accepts objects with any keys, and strict output needs them named`)
  }
  const required = new Set(Array.isArray(node["required"]) ? node["required"] : [])
  state.size.properties += properties.length
  state.size.characters += properties.reduce((sum, [name]) => sum + name.length, 0)
  return annotated(
    closed(properties.map(([name, property]) => {
      const value = child(state, property, member(path, name), depth)
      if (required.has(name)) return [name, value]
      return state.rules.optional(value) === "nullable" ? [name, nullable(value)] : [name, present(value), "absent"]
    })),
    node
  )
}

interface Keys {
  readonly properties: ReadonlyArray<[string, unknown]>
  readonly patterns: ReadonlyArray<[string, unknown]>
  readonly others: unknown
}

const entries = (
  state: Rewriting,
  node: Node,
  { others, patterns, properties }: Keys,
  path: string,
  depth: number
): Node => {
  const values = [...properties, ...patterns, ...(isNode(others) ? [["*", others] as const] : [])]
  const open = patterns.length > 0 || others !== false
  const names = isNode(node["propertyNames"]) ? node["propertyNames"] : undefined
  const key = open
    ? scalar(state.rules, { ...names, ...(patterns.length === 1 && { pattern: patterns[0]![0] }) }, "string")
    : { type: "string", enum: properties.map(([name]) => name) }
  const value = anyOf(values.map(([name, property]) => child(state, property, `${path}{${name}}`, depth)))
  state.size.properties += 2
  return annotated(
    { type: "array", items: closed([[entryKeys.key, key], [entryKeys.value, value]]) },
    node,
    "a map, as the list of its entries"
  )
}

const array = (state: Rewriting, node: Node, path: string, depth: number): Node => {
  const { items, maxItems, minItems } = node
  if (!isNode(items)) {
    return fail(state, `${path}[]`, `it accepts elements of any kind, and strict output needs a type`)
  }
  const { hasBounds } = state.rules
  return annotated(
    {
      type: "array",
      items: rewrite(state, items, `${path}[]`, depth),
      ...(minItems !== undefined && (hasBounds || minItems === 1) && { minItems }),
      ...(maxItems !== undefined && hasBounds && { maxItems })
    },
    node
  )
}

const positions = (
  state: Rewriting,
  node: Node,
  elements: ReadonlyArray<unknown>,
  path: string,
  depth: number
): Node => {
  const least = Predicate.isNumber(node["minItems"]) ? node["minItems"] : 0
  const at = (element: unknown, i: number) => child(state, element, `${path}[${i}]`, depth)
  state.size.properties += elements.length
  return annotated(
    closed([
      ...elements.map((element, i): [string, Node] => [
        String(i),
        i < least ? at(element, i) : nullable(at(element, i))
      ]),
      ...(isNode(node["items"])
        ? [[restKey, { type: "array", items: at(node["items"], elements.length) }] as [string, Node]]
        : [])
    ]),
    node,
    "a list with fixed positions, numbered from 0"
  )
}

/** Keeps the keywords that strict output supports for scalars. The decoder checks the others. */
const scalar = (rules: Rules, node: Node, type: string): Node => {
  const numeric = rules.hasBounds && (type === "number" || type === "integer")
  const { exclusiveMaximum, exclusiveMinimum, format, maximum, minimum, multipleOf, pattern } = node
  const named = type === "string" && Predicate.isString(format) ? format : undefined
  const hasFormat = named !== undefined && rules.hasFormat(named)
  return annotated(
    {
      type,
      ...(type === "string" && Predicate.isString(pattern) && rules.hasPattern(pattern) && { pattern }),
      ...(hasFormat && { format }),
      ...(numeric && multipleOf !== undefined && { multipleOf }),
      ...(numeric && minimum !== undefined && { minimum }),
      ...(numeric && exclusiveMinimum !== undefined && { exclusiveMinimum }),
      ...(numeric && maximum !== undefined && { maximum }),
      ...(numeric && exclusiveMaximum !== undefined && { exclusiveMaximum })
    },
    node,
    named !== undefined && !hasFormat ? `in the format ${named}` : ""
  )
}

const member = (path: string, name: string): string =>
  /^[A-Za-z_$][\w$]*$/.test(name) ? `${path}.${name}` : `${path}[${JSON.stringify(name)}]`

const closed = (properties: ReadonlyArray<readonly [string, Node, "absent"?]>): Node => ({
  type: "object",
  properties: Object.fromEntries(properties.map(([name, node]) => [name, node])),
  required: properties.flatMap(([name, , absent]) => absent === undefined ? [name] : []),
  additionalProperties: false
})

const anyOf = (members: ReadonlyArray<Node>): Node => {
  const flat = members.flatMap((node) =>
    Array.isArray(node["anyOf"]) && node["description"] === undefined ? node["anyOf"] as Array<Node> : [node]
  )
  const unique = Array.from(new Map(flat.map((node) => [JSON.stringify(node), node])).values())
  return unique.length === 1 ? unique[0]! : { anyOf: unique }
}

const isNull = (member: unknown): boolean => isNode(member) && member["type"] === "null"

/** Whether a value may be `null`. */
export const hasNull = ({ anyOf, type }: Node): boolean =>
  Array.isArray(anyOf) && anyOf.some(isNull) || Array.isArray(type) && type.includes("null")

/** A value without `null`, which an optional property does not need. */
export const present = (node: Node): Node => {
  if (!hasNull(node)) return node
  const { anyOf, type, ...rest } = node
  const members = Array.isArray(anyOf) ? anyOf.filter((member) => !isNull(member)) : []
  const types = Array.isArray(type) ? type.filter((type) => type !== "null") : []
  if (members.length + types.length === 0) return node
  if (types.length > 0) return { ...rest, type: types.length === 1 ? types[0] : types }
  return members.length === 1 ? withNotes(members[0], rest) : { ...rest, anyOf: members }
}

/** A reference must stand alone. */
const withNotes = (node: Node, notes: Node): Node => node["$ref"] === undefined ? annotated(node, notes) : node

const nullable = (node: Node): Node => {
  if (node["type"] === "null") return node
  if (Array.isArray(node["anyOf"])) {
    return node["anyOf"].some((member) => member.type === "null")
      ? node
      : { ...node, anyOf: [...node["anyOf"], { type: "null" }] }
  }
  return Predicate.isString(node["type"]) && node["enum"] === undefined && node["type"] !== "object" &&
      node["type"] !== "array"
    ? { ...node, type: [node["type"], "null"] }
    : { anyOf: [node, { type: "null" }] }
}
