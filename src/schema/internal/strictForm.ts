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
import type { AcceptedSchema, SchemaDocument, Unsupported } from "../Dialect.ts"
import type { Node } from "./jsonSchema.ts"
import { annotated, isNode, member, referenceOf, withDefinitions, without } from "./jsonSchema.ts"
import * as Limits from "./limits.ts"

/** The keys of an entry of a record. */
export const entryKeys = { key: "key", value: "value" } as const

/** The key of the elements of a tuple after its fixed positions. */
export const restKey = "rest"

/** How an optional property is written. */
export type OptionalForm = (value: Node) => "nullable" | "absent"

/** The rules in which providers differ. */
export interface Rules {
  readonly limits: Limits.Limits
  readonly hasFormat: (format: string) => boolean
  readonly hasPattern: (pattern: string) => boolean
  /**
   * Whether bounds of numbers and lists are keywords. The description states them in any case.
   *
   * @default true
   */
  readonly hasBounds?: boolean
  /**
   * The form of an optional property: one that is required and may be `null`, or one that may be left out.
   *
   * @default "nullable"
   */
  readonly optional?: OptionalForm
}

interface Rewriting {
  readonly definitions: SchemaDocument["definitions"]
  readonly rules: Rules
  /** The first place that has no strict form. */
  unsupported: Unsupported | undefined
  /** The first place that no value fits. */
  impossible: Unsupported | undefined
}

/**
 * The strict form within the limits or, if a schema has none, the schema as it is, which the provider does not enforce.
 * Fails where no value fits, and where a limit is exceeded.
 */
export const accept = (document: SchemaDocument, rules: Rules): Result.Result<AcceptedSchema, Unsupported> => {
  const state = begin(document, rules)
  const strict = rewriteAll(state, document)
  if (strict.schema === never) {
    return Result.fail(state.impossible ?? { path: "$", description: "no value fits it" })
  }
  const isStrict = state.unsupported === undefined
  const sent = isStrict ? strict : document
  const excess = Limits.excess(sent, rules.limits)
  return excess === undefined
    ? Result.succeed({ jsonSchema: withDefinitions(sent), strict: isStrict, ...(!isStrict && { shown: true }) })
    : Result.fail(excess)
}

/** The place that no value fits, because of which no value fits the whole. */
export const impossibility = (document: SchemaDocument): Unsupported | undefined => {
  const state = begin(document, { limits: {}, hasFormat: () => true, hasPattern: () => true })
  return rewriteAll(state, document).schema === never
    ? state.impossible ?? { path: "$", description: "no value fits it" }
    : undefined
}

const begin = ({ definitions }: SchemaDocument, rules: Rules): Rewriting => ({
  definitions,
  rules,
  unsupported: undefined,
  impossible: undefined
})

const rewriteAll = (state: Rewriting, { definitions, schema }: SchemaDocument): SchemaDocument => ({
  schema: rewrite(state, schema, "$"),
  definitions: Object.fromEntries(
    Object.entries(definitions).map(([name, definition]) => {
      const strict = rewrite(state, definition, name)
      return [name, strict === never ? noStrictForm(state, name, "no value fits it") : strict]
    })
  )
})

const noStrictForm = (state: Rewriting, path: string, description: string): Node => {
  state.unsupported ??= { path, description }
  return {}
}

/** What no value fits. */
const never: Node = { not: {} }

const impossible = (state: Rewriting, path: string, description: string): Node => {
  state.impossible ??= { path, description }
  return never
}

const isNever = (node: Node): boolean =>
  isNode(node["not"]) && Object.keys(node["not"]).length === 0 ||
  Array.isArray(node["enum"]) && node["enum"].length === 0 ||
  Array.isArray(node["anyOf"]) && node["anyOf"].length === 0

const withoutStrictForm = ["not", "if", "then", "else", "dependentSchemas", "dependentRequired"]

const rewrite = (state: Rewriting, node: Node, path: string): Node => {
  const name = referenceOf(node, state.definitions)
  if (name !== undefined) return { $ref: node["$ref"] }
  if (node["$ref"] !== undefined) {
    return noStrictForm(state, path, `it refers to ${JSON.stringify(node["$ref"])}, which is not part of the schema`)
  }
  if (isNever(node)) return impossible(state, path, "no value fits it")
  const keyword = withoutStrictForm.find((keyword) => node[keyword] !== undefined)
  if (keyword !== undefined) return noStrictForm(state, path, `"${keyword}" has no strict form`)
  if (Array.isArray(node["anyOf"])) return union(state, node, node["anyOf"], path)
  if (node["const"] !== undefined) return enumeration(state, node, [node["const"]], path)
  if (Array.isArray(node["enum"])) return enumeration(state, node, node["enum"], path)
  const type = node["type"]
  if (Array.isArray(type)) {
    return union(state, node, type.map((type) => ({ ...without(node, "description"), type })), path)
  }
  switch (type) {
    case "object":
      return object(state, node, path)
    case "array":
      return Array.isArray(node["prefixItems"])
        ? positions(state, node, node["prefixItems"], path)
        : array(state, node, path)
    case "string":
    case "number":
    case "integer":
    case "boolean":
    case "null":
      return scalar(state.rules, node, type)
    default:
      return noStrictForm(
        state,
        path,
        "it accepts any value (as Schema.Unknown, Schema.Any and Schema.Json do), and strict output needs a type everywhere"
      )
  }
}

const child = (state: Rewriting, node: unknown, path: string): Node => rewrite(state, isNode(node) ? node : {}, path)

const union = (
  state: Rewriting,
  node: Node,
  members: ReadonlyArray<unknown>,
  path: string
): Node => {
  const possible = members.map((member, i) => child(state, member, `${path}(${i})`)).filter((node) => node !== never)
  return possible.length === 0 ? never : annotated(anyOf(possible), node)
}

const enumeration = (state: Rewriting, node: Node, values: ReadonlyArray<unknown>, path: string): Node => {
  const byType = new Map<string, Array<unknown>>()
  for (const value of values) {
    const type = value === null ? "null" : typeof value
    if (type === "object") return noStrictForm(state, path, `it lists an object or array as a literal value`)
    const same = byType.get(type)
    if (same === undefined) byType.set(type, [value])
    else same.push(value)
  }
  return annotated(
    anyOf(Array.from(byType, ([type, values]) => type === "null" ? { type } : { type, enum: values })),
    node
  )
}

const object = (state: Rewriting, node: Node, path: string): Node => {
  const properties = isNode(node["properties"]) ? Object.entries(node["properties"]) : []
  const patterns = isNode(node["patternProperties"]) ? Object.entries(node["patternProperties"]) : []
  const others = node["additionalProperties"]
  if (patterns.length > 0 || isNode(others)) return entries(state, node, { properties, patterns, others }, path)
  if (properties.length === 0 && others !== false) {
    return noStrictForm(state, path, `it accepts objects with any keys, and strict output needs them named`)
  }
  const required = new Set(Array.isArray(node["required"]) ? node["required"] : [])
  const { optional = () => "nullable" } = state.rules
  const named = properties.flatMap(([name, property]): ReadonlyArray<Property> => {
    const value = child(state, property, member(path, name))
    if (required.has(name)) return [[name, value]]
    if (value === never) return []
    return [optional(value) === "nullable" ? [name, nullable(value)] : [name, present(value), "absent"]]
  })
  return named.some(([, value]) => value === never) ? never : annotated(closed(named), node)
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
  path: string
): Node => {
  const values = [...properties, ...patterns, ...(isNode(others) ? [["*", others] as const] : [])]
  const open = patterns.length > 0 || others !== false
  const names = isNode(node["propertyNames"]) ? node["propertyNames"] : undefined
  const key = open
    ? scalar(state.rules, { ...names, ...(patterns.length === 1 && { pattern: patterns[0]![0] }) }, "string")
    : { type: "string", enum: properties.map(([name]) => name) }
  const possible = values.map(([name, property]) => child(state, property, `${path}{${name}}`))
    .filter((value) => value !== never)
  const value = anyOf(possible.length === 0 ? [{ type: "null" }] : possible)
  return annotated(
    { type: "array", items: closed([[entryKeys.key, key], [entryKeys.value, value]]) },
    node,
    "a map, as the list of its entries"
  )
}

const array = (state: Rewriting, node: Node, path: string): Node => {
  const { items, maxItems, minItems } = node
  if (!isNode(items)) {
    return noStrictForm(state, `${path}[]`, `it accepts elements of any kind, and strict output needs a type`)
  }
  const { hasBounds = true } = state.rules
  const element = rewrite(state, items, `${path}[]`)
  if (element === never) {
    return Predicate.isNumber(minItems) && minItems > 0
      ? never
      : annotated({ type: "array", items: { type: "null" }, ...(hasBounds && { maxItems: 0 }) }, node)
  }
  return annotated({
    type: "array",
    items: element,
    ...(minItems !== undefined && (hasBounds || minItems === 1) && { minItems }),
    ...(maxItems !== undefined && hasBounds && { maxItems })
  }, node)
}

const positions = (
  state: Rewriting,
  node: Node,
  elements: ReadonlyArray<unknown>,
  path: string
): Node => {
  const least = Predicate.isNumber(node["minItems"]) ? node["minItems"] : 0
  const at = (element: unknown, i: number) => child(state, element, `${path}[${i}]`)
  const named = elements.map((element, i): [string, Node] => {
    const value = at(element, i)
    return [String(i), i < least ? value : value === never ? { type: "null" } : nullable(value)]
  })
  if (named.some(([, value]) => value === never)) return never
  const rest = isNode(node["items"]) ? at(node["items"], elements.length) : never
  const tail = least - elements.length
  return annotated(
    closed([
      ...named,
      ...(rest === never
        ? []
        : [[restKey, { type: "array", items: rest, ...(tail > 0 && { minItems: tail }) }] as [string, Node]])
    ]),
    node,
    "a list with fixed positions, numbered from 0"
  )
}

/** Keeps the keywords that strict output supports for scalars. The decoder checks the others. */
const scalar = (rules: Rules, node: Node, type: string): Node => {
  const numeric = rules.hasBounds !== false && (type === "number" || type === "integer")
  const { exclusiveMaximum, exclusiveMinimum, format, maximum, minimum, multipleOf, pattern } = node
  const named = type === "string" && Predicate.isString(format) ? format : undefined
  const matched = type === "string" && Predicate.isString(pattern) ? pattern : undefined
  const hasFormat = named !== undefined && rules.hasFormat(named)
  return annotated(
    {
      type,
      ...(matched !== undefined && rules.hasPattern(matched) && { pattern: matched }),
      ...(hasFormat && { format }),
      ...(numeric && multipleOf !== undefined && { multipleOf }),
      ...(numeric && minimum !== undefined && { minimum }),
      ...(numeric && exclusiveMinimum !== undefined && { exclusiveMinimum }),
      ...(numeric && maximum !== undefined && { maximum }),
      ...(numeric && exclusiveMaximum !== undefined && { exclusiveMaximum })
    },
    node,
    named !== undefined && !hasFormat ? `in the format ${named}` : "",
    matched !== undefined && !rules.hasPattern(matched) && !String(node["description"]).includes(matched)
      ? `matching the regular expression ${matched}`
      : ""
  )
}

/** A property, and whether it may be left out. */
type Property = readonly [name: string, node: Node, absent?: "absent"]

const closed = (properties: ReadonlyArray<Property>): Node => ({
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
