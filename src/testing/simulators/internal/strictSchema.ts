/**
 * OpenAI's check of a strict schema, with the messages of its errors. It follows the documented rules and shares no code
 * with the dialect of this library, so that it detects where the two differ.
 */
import * as Predicate from "effect/Predicate"

type Node = { readonly [key: string]: unknown }

const keywords = new Set([
  "type",
  "enum",
  "const",
  "anyOf",
  "properties",
  "required",
  "additionalProperties",
  "items",
  "$ref",
  "$defs",
  "definitions",
  "title",
  "description",
  "pattern",
  "format",
  "multipleOf",
  "minimum",
  "maximum",
  "exclusiveMinimum",
  "exclusiveMaximum",
  "minItems",
  "maxItems"
])

const formats = new Set(["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"])

const types = new Set(["string", "number", "integer", "boolean", "null", "object", "array"])

interface Check {
  readonly root: Node
  readonly totals: { properties: number; characters: number; values: number }
}

type Path = ReadonlyArray<string>

/** OpenAI's complaint about a schema, or `undefined` if it accepts it. */
export const complain = (root: unknown): string | undefined => {
  if (!Predicate.isObject(root)) return "schema must be a JSON object"
  if (root["anyOf"] !== undefined) return "schema must not have 'anyOf' at the top level."
  if (root["type"] !== "object") {
    return `schema must be a JSON Schema of 'type: "object"', got 'type: ${JSON.stringify(root["type"] ?? null)}'.`
  }
  const check: Check = { root, totals: { properties: 0, characters: 0, values: 0 } }
  return visit(check, root, [], 0) ??
    first(["$defs", "definitions"], (key) => {
      const definitions = root[key]
      return first(
        Object.entries(Predicate.isObject(definitions) ? definitions : {}),
        ([name, child]) => visit(check, child, [key, name], 0)
      )
    }) ??
    complainOfTotals(check.totals)
}

const complainOfTotals = ({ characters, properties, values }: Check["totals"]): string | undefined => {
  if (properties > 5000) return "the schema has more than 5000 properties."
  if (values > 1000) return "the schema has more than 1000 enum values."
  return characters > 120_000 ? "names and enum values have more than 120,000 characters." : undefined
}

const at = (path: Path, message: string): string =>
  `In context=(${path.map((key) => `'${key}'`).join(", ")}${path.length === 1 ? "," : ""}), ${message}`

const visit = (check: Check, node: unknown, path: Path, depth: number): string | undefined => {
  if (!Predicate.isObject(node)) return at(path, "schema must be an object.")
  const unknown = Object.keys(node).find((key) => !keywords.has(key) && !(node === check.root && key === "$schema"))
  if (unknown !== undefined) return at(path, `'${unknown}' is not permitted.`)
  if (node["$ref"] !== undefined) return visitReference(check, node, path)
  const { anyOf } = node
  if (Array.isArray(anyOf)) {
    return anyOf.length === 0
      ? at(path, "'anyOf' must not be empty.")
      : first(anyOf, (member, i) => visit(check, member, [...path, "anyOf", String(i)], depth))
  }
  return visitLiterals(check, node, path) ?? visitTyped(check, node, path, depth)
}

const visitReference = ({ root }: Check, node: Node, path: Path): string | undefined => {
  const ref = node["$ref"]
  if (!Predicate.isString(ref) || !resolves(root, ref)) {
    return at(path, `reference to ${JSON.stringify(ref)} not found.`)
  }
  const sibling = Object.keys(node).find((key) => key !== "$ref")
  return sibling === undefined ? undefined : at(path, `$ref cannot have keywords {'${sibling}'}.`)
}

const visitLiterals = ({ totals }: Check, node: Node, path: Path): string | undefined => {
  const literals = node["enum"] ?? (node["const"] === undefined ? undefined : [node["const"]])
  if (literals === undefined) return undefined
  if (!Array.isArray(literals) || literals.length === 0) return at(path, "'enum' must be a non-empty array.")
  const characters = literals.reduce<number>((sum, value) => sum + String(value).length, 0)
  totals.values += literals.length
  totals.characters += characters
  return literals.length > 250 && characters > 15_000
    ? at(path, "an enum of more than 250 values must have at most 15,000 characters.")
    : undefined
}

const visitTyped = (check: Check, node: Node, path: Path, depth: number): string | undefined => {
  const { format, items, pattern, type } = node
  if (type === undefined) return at(path, "schema must have a 'type' key.")
  const all: ReadonlyArray<unknown> = Array.isArray(type) ? type : [type]
  const bad = all.find((type) => !Predicate.isString(type) || !types.has(type))
  if (bad !== undefined || all.length === 0) return at(path, `${JSON.stringify(bad)} is not a valid type.`)
  if (format !== undefined && !(Predicate.isString(format) && formats.has(format))) {
    return at(path, `${JSON.stringify(format)} is not a valid format.`)
  }
  if (Predicate.isString(pattern) && /\(\?[=!<]/.test(pattern)) {
    return at(path, "'pattern' uses look-around, which is not supported.")
  }
  if (all.includes("array")) {
    if (items === undefined) return at(path, "array schema missing items.")
    const complaint = visit(check, items, [...path, "items"], depth)
    if (complaint !== undefined) return complaint
  }
  return all.includes("object") ? visitObject(check, node, path, depth + 1) : undefined
}

const visitObject = (check: Check, node: Node, path: Path, depth: number): string | undefined => {
  if (depth > 10) return at(path, "the schema is nested more than 10 levels deep.")
  if (node["additionalProperties"] !== false) {
    return at(path, "'additionalProperties' is required to be supplied and to be false.")
  }
  const properties = Predicate.isObject(node["properties"]) ? Object.entries(node["properties"]) : []
  const required = Array.isArray(node["required"]) ? node["required"] : []
  check.totals.properties += properties.length
  check.totals.characters += properties.reduce((sum, [name]) => sum + name.length, 0)
  const missing = properties.find(([name]) => !required.includes(name))
  if (missing !== undefined) {
    return at(
      path,
      "'required' is required to be supplied and to be an array including every key in properties. " +
        `Missing '${missing[0]}'.`
    )
  }
  const extra = required.find((name) => !properties.some(([property]) => property === name))
  if (extra !== undefined) return at(path, `Extra required key '${String(extra)}' supplied.`)
  return first(properties, ([name, child]) => visit(check, child, [...path, "properties", name], depth))
}

const resolves = (root: Node, ref: string): boolean => {
  if (ref === "#") return true
  if (!ref.startsWith("#/")) return false
  let node: unknown = root
  for (const token of ref.slice(2).split("/")) {
    const key = decodeURIComponent(token).replaceAll("~1", "/").replaceAll("~0", "~")
    if (!Predicate.isObject(node) || !Object.hasOwn(node, key)) return false
    node = node[key]
  }
  return Predicate.isObject(node)
}

const first = <A>(
  values: ReadonlyArray<A>,
  complain: (value: A, index: number) => string | undefined
): string | undefined => {
  for (const [i, value] of values.entries()) {
    const complaint = complain(value, i)
    if (complaint !== undefined) return complaint
  }
  return undefined
}
