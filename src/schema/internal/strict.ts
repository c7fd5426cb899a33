/**
 * JSON Schema → the subset that strict structured output accepts: every key required (an optional one may be `null`),
 * no keys that are not named (a record is a list of `{ key, value }` entries), no tuples (an object whose keys are the
 * positions), a type on every node.
 *
 * Rules and limits: OpenAI's guide to structured outputs, as of 2026-02.
 */
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type { Document, Node } from "./jsonSchema.ts"
import { annotated, isNode, referenceOf, without } from "./jsonSchema.ts"

/** Why a schema has no strict form, and where in it. */
export interface Unsupported {
  readonly path: string
  readonly description: string
}

/** Keys of the object that stands for an entry of a record. */
export const entryKeys = { key: "key", value: "value" } as const

/** Key of the elements of a tuple after its fixed positions. */
export const restKey = "rest"

const limits = { properties: 5000, depth: 10, characters: 120_000, enumValues: 1000 } as const

export const toStrict = (document: Document): Result.Result<Node, Unsupported> => {
  const found: Array<Unsupported> = []
  const totals = { properties: 0, characters: 0, enumValues: 0 }
  const fail = (path: string, description: string): Node => {
    found.push({ path, description })
    return {}
  }

  const rewrite = (node: Node, path: string, depth: number): Node => {
    const name = referenceOf(node, document.definitions)
    if (name !== undefined) return { $ref: node["$ref"] }
    if (node["$ref"] !== undefined) {
      return fail(path, `it refers to ${JSON.stringify(node["$ref"])}, which is not part of the schema`)
    }
    for (const keyword of ["not", "if", "then", "else", "dependentSchemas", "dependentRequired"]) {
      if (node[keyword] !== undefined) return fail(path, `"${keyword}" has no strict form`)
    }
    if (Array.isArray(node["anyOf"])) return union(node, node["anyOf"], path, depth)
    if (node["const"] !== undefined) return enumeration(node, [node["const"]], path)
    if (Array.isArray(node["enum"])) return enumeration(node, node["enum"], path)
    const type = node["type"]
    if (Array.isArray(type)) {
      return union(node, type.map((type) => ({ ...without(node, "description"), type })), path, depth)
    }
    switch (type) {
      case "object":
        return object(node, path, depth + 1)
      case "array":
        return Array.isArray(node["prefixItems"])
          ? positions(node, node["prefixItems"], path, depth + 1)
          : array(node, path, depth)
      case "string":
      case "number":
      case "integer":
      case "boolean":
      case "null":
        return keep(node, type)
      default:
        return fail(
          path,
          `it accepts any value (as Schema.Unknown, Schema.Any and Schema.Json do), and strict output needs a type ` +
            `everywhere. Give it a type, or use mode "json" or "markdown"`
        )
    }
  }

  const union = (node: Node, members: ReadonlyArray<unknown>, path: string, depth: number): Node =>
    annotated(anyOf(members.map((member, i) => rewrite(isNode(member) ? member : {}, `${path}(${i})`, depth))), node)

  const enumeration = (node: Node, values: ReadonlyArray<unknown>, path: string): Node => {
    totals.enumValues += values.length
    totals.characters += values.reduce<number>((sum, value) => sum + String(value).length, 0)
    const byType = new Map<string, Array<unknown>>()
    for (const value of values) {
      const type = value === null ? "null" : typeof value
      if (type === "object") return fail(path, `it lists an object or array as a literal value`)
      byType.set(type, [...(byType.get(type) ?? []), value])
    }
    return annotated(
      anyOf(Array.from(byType, ([type, values]) => type === "null" ? { type } : { type, enum: values })),
      node
    )
  }

  const object = (node: Node, path: string, depth: number): Node => {
    if (depth > limits.depth) return fail(path, `it is nested more than ${limits.depth} objects deep`)
    const properties = isNode(node["properties"]) ? Object.entries(node["properties"]) : []
    const patterns = isNode(node["patternProperties"]) ? Object.entries(node["patternProperties"]) : []
    const others = node["additionalProperties"]
    if (patterns.length > 0 || isNode(others)) return entries(node, properties, patterns, others, path, depth)
    if (properties.length === 0 && others !== false) {
      return fail(path, `it accepts objects with any keys, and strict output needs them named`)
    }
    const required = new Set(Array.isArray(node["required"]) ? node["required"] : [])
    totals.properties += properties.length
    totals.characters += properties.reduce((sum, [name]) => sum + name.length, 0)
    return annotated(
      closed(properties.map(([name, child]) => {
        const value = rewrite(isNode(child) ? child : {}, member(path, name), depth)
        return [name, required.has(name) ? value : nullable(value)]
      })),
      node
    )
  }

  const entries = (
    node: Node,
    properties: ReadonlyArray<[string, unknown]>,
    patterns: ReadonlyArray<[string, unknown]>,
    others: unknown,
    path: string,
    depth: number
  ): Node => {
    const values = [...properties, ...patterns, ...(isNode(others) ? [["*", others] as const] : [])]
    const open = patterns.length > 0 || others !== false
    const names = isNode(node["propertyNames"]) ? node["propertyNames"] : undefined
    const key = open
      ? keep({ ...names, ...(patterns.length === 1 && { pattern: patterns[0]![0] }) }, "string")
      : { type: "string", enum: properties.map(([name]) => name) }
    const value = anyOf(values.map(([name, child]) => rewrite(isNode(child) ? child : {}, `${path}{${name}}`, depth)))
    totals.properties += 2
    return annotated(
      { type: "array", items: closed([[entryKeys.key, key], [entryKeys.value, value]]) },
      node,
      "a map, as the list of its entries"
    )
  }

  const array = (node: Node, path: string, depth: number): Node => {
    const { items } = node
    if (!isNode(items)) return fail(`${path}[]`, `it accepts elements of any kind, and strict output needs a type`)
    const { maxItems, minItems } = node
    return annotated({
      type: "array",
      items: rewrite(items, `${path}[]`, depth),
      ...(minItems !== undefined && { minItems }),
      ...(maxItems !== undefined && { maxItems })
    }, node)
  }

  const positions = (node: Node, elements: ReadonlyArray<unknown>, path: string, depth: number): Node => {
    const least = Predicate.isNumber(node["minItems"]) ? node["minItems"] : 0
    const at = (element: unknown, i: number) => rewrite(isNode(element) ? element : {}, `${path}[${i}]`, depth)
    totals.properties += elements.length
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

  const schema = rewrite(document.schema, "$", 0)
  const definitions = Object.entries(document.definitions).map(
    ([name, definition]) => [name, rewrite(definition, name, 0)] as const
  )
  if (found.length === 0) {
    if (totals.properties > limits.properties) fail("$", `it has more than ${limits.properties} properties`)
    if (totals.enumValues > limits.enumValues) fail("$", `it lists more than ${limits.enumValues} literal values`)
    if (totals.characters > limits.characters) {
      fail("$", `its names and literal values have more than ${limits.characters} characters`)
    }
  }
  return found.length > 0
    ? Result.fail(found[0]!)
    : Result.succeed(definitions.length === 0 ? schema : { ...schema, $defs: Object.fromEntries(definitions) })
}

const member = (path: string, name: string): string =>
  /^[A-Za-z_$][\w$]*$/.test(name) ? `${path}.${name}` : `${path}[${JSON.stringify(name)}]`

const closed = (properties: ReadonlyArray<readonly [string, Node]>): Node => ({
  type: "object",
  properties: Object.fromEntries(properties),
  required: properties.map(([name]) => name),
  additionalProperties: false
})

const anyOf = (members: ReadonlyArray<Node>): Node => {
  const flat = members.flatMap((node) =>
    Array.isArray(node["anyOf"]) && node["description"] === undefined ? node["anyOf"] as Array<Node> : [node]
  )
  const unique = Array.from(new Map(flat.map((node) => [JSON.stringify(node), node])).values())
  return unique.length === 1 ? unique[0]! : { anyOf: unique }
}

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

const formats = new Set([
  "date-time",
  "time",
  "date",
  "duration",
  "email",
  "hostname",
  "ipv4",
  "ipv6",
  "uuid"
])

// Look-around, back references and named groups are refused by the grammar engines behind strict output.
const unsupportedPattern = /\(\?[=!<]|\\[1-9]|\\k</

/** Keeps the keywords a scalar may have in strict output; the decoder checks what is left out. */
const keep = (node: Node, type: string): Node => {
  const numeric = type === "number" || type === "integer"
  const { exclusiveMaximum, exclusiveMinimum, format, maximum, minimum, multipleOf, pattern } = node
  const unknownFormat = type === "string" && Predicate.isString(format) && !formats.has(format)
  return annotated(
    {
      type,
      ...(type === "string" && Predicate.isString(pattern) && !unsupportedPattern.test(pattern) && { pattern }),
      ...(type === "string" && Predicate.isString(format) && formats.has(format) && { format }),
      ...(numeric && multipleOf !== undefined && { multipleOf }),
      ...(numeric && minimum !== undefined && { minimum }),
      ...(numeric && exclusiveMinimum !== undefined && { exclusiveMinimum }),
      ...(numeric && maximum !== undefined && { maximum }),
      ...(numeric && exclusiveMaximum !== undefined && { exclusiveMaximum })
    },
    node,
    unknownFormat ? `in the format ${format}` : ""
  )
}
