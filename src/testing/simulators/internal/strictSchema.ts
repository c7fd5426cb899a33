/**
 * The check that OpenAI makes of a strict schema, with the words it refuses one in. Written against the documented
 * rules and not against what this library sends, so that it can tell the two apart.
 */
import * as Predicate from "effect/Predicate"

type Node = { readonly [key: string]: unknown }

const isNode = (u: unknown): u is Node => Predicate.isObject(u) && !Array.isArray(u)

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

/** What OpenAI would say against a schema, or `undefined` when it takes it. */
export const complain = (root: unknown): string | undefined => {
  if (!isNode(root)) return "schema must be a JSON object"
  if (root["anyOf"] !== undefined) return "schema must not have 'anyOf' at the top level."
  if (root["type"] !== "object") {
    return `schema must be a JSON Schema of 'type: "object"', got 'type: ${JSON.stringify(root["type"] ?? null)}'.`
  }
  const totals = { properties: 0, characters: 0, values: 0 }

  const at = (context: ReadonlyArray<string>, message: string): string =>
    `In context=(${context.map((key) => `'${key}'`).join(", ")}${context.length === 1 ? "," : ""}), ${message}`

  const visit = (node: unknown, context: ReadonlyArray<string>, depth: number): string | undefined => {
    if (!isNode(node)) return at(context, "schema must be an object.")
    const unknown = Object.keys(node).find((key) => !keywords.has(key))
    if (unknown !== undefined) return at(context, `'${unknown}' is not permitted.`)
    const ref = node["$ref"]
    if (ref !== undefined) {
      if (!Predicate.isString(ref) || !resolves(root, ref)) {
        return at(context, `reference to ${JSON.stringify(ref)} not found.`)
      }
      const sibling = Object.keys(node).find((key) => key !== "$ref")
      return sibling === undefined ? undefined : at(context, `$ref cannot have keywords {'${sibling}'}.`)
    }
    if (Array.isArray(node["anyOf"])) {
      if (node["anyOf"].length === 0) return at(context, "'anyOf' must not be empty.")
      return first(node["anyOf"], (member, i) => visit(member, [...context, "anyOf", String(i)], depth))
    }
    const literals = node["enum"] ?? (node["const"] === undefined ? undefined : [node["const"]])
    if (literals !== undefined) {
      if (!Array.isArray(literals) || literals.length === 0) return at(context, "'enum' must be a non-empty array.")
      totals.values += literals.length
      const characters = literals.reduce<number>((sum, value) => sum + String(value).length, 0)
      totals.characters += characters
      if (literals.length > 250 && characters > 15_000) {
        return at(context, "an enum of more than 250 values must have at most 15,000 characters.")
      }
    }
    const declared = node["type"]
    if (declared === undefined) return at(context, "schema must have a 'type' key.")
    const all = Array.isArray(declared) ? declared : [declared]
    const bad = all.find((type) => !types.has(type))
    if (bad !== undefined || all.length === 0) return at(context, `${JSON.stringify(bad)} is not a valid type.`)
    const format = node["format"]
    if (format !== undefined && !(Predicate.isString(format) && formats.has(format))) {
      return at(context, `${JSON.stringify(format)} is not a valid format.`)
    }
    if (Predicate.isString(node["pattern"]) && /\(\?[=!<]/.test(node["pattern"])) {
      return at(context, "'pattern' uses look-around, which is not supported.")
    }
    if (all.includes("array")) {
      if (node["items"] === undefined) return at(context, "array schema missing items.")
      const complaint = visit(node["items"], [...context, "items"], depth)
      if (complaint !== undefined) return complaint
    }
    return all.includes("object") ? object(node, context, depth + 1) : undefined
  }

  const object = (node: Node, context: ReadonlyArray<string>, depth: number): string | undefined => {
    if (depth > 10) return at(context, "the schema is nested more than 10 levels deep.")
    if (node["additionalProperties"] !== false) {
      return at(context, "'additionalProperties' is required to be supplied and to be false.")
    }
    const properties = isNode(node["properties"]) ? Object.entries(node["properties"]) : []
    const required = Array.isArray(node["required"]) ? node["required"] : []
    totals.properties += properties.length
    totals.characters += properties.reduce((sum, [name]) => sum + name.length, 0)
    const missing = properties.find(([name]) => !required.includes(name))
    if (missing !== undefined) {
      return at(
        context,
        "'required' is required to be supplied and to be an array including every key in properties. " +
          `Missing '${missing[0]}'.`
      )
    }
    const extra = required.find((name) => !properties.some(([property]) => property === name))
    if (extra !== undefined) return at(context, `Extra required key '${String(extra)}' supplied.`)
    return first(properties, ([name, child]) => visit(child, [...context, "properties", name], depth))
  }

  const complaint = visit(root, [], 0) ??
    first(
      Object.entries(isNode(root["$defs"]) ? root["$defs"] : {}),
      ([name, child]) => visit(child, ["$defs", name], 0)
    )
  if (complaint !== undefined) return complaint
  if (totals.properties > 5000) return "the schema has more than 5000 properties."
  if (totals.values > 1000) return "the schema has more than 1000 enum values."
  return totals.characters > 120_000 ? "names and enum values have more than 120,000 characters." : undefined
}

const resolves = (root: Node, ref: string): boolean => {
  if (ref === "#") return true
  if (!ref.startsWith("#/")) return false
  let node: unknown = root
  for (const token of ref.slice(2).split("/")) {
    const key = decodeURIComponent(token).replaceAll("~1", "/").replaceAll("~0", "~")
    if (!isNode(node) || !Object.hasOwn(node, key)) return false
    node = node[key]
  }
  return isNode(node)
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
