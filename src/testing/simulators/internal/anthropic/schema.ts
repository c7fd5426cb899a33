/**
 * Anthropic's check of a schema for structured output. It follows the documented rules and shares no code with the dialect
 * of this library, so that it detects where the two differ.
 */
import { list, type Node, object } from "../json.ts"

const keywords = new Set([
  "type",
  "enum",
  "const",
  "anyOf",
  "allOf",
  "properties",
  "required",
  "additionalProperties",
  "items",
  "minItems",
  "$ref",
  "$defs",
  "definitions",
  "title",
  "description",
  "default",
  "pattern",
  "format"
])

const formats = new Set([
  "date-time",
  "time",
  "date",
  "duration",
  "email",
  "hostname",
  "uri",
  "ipv4",
  "ipv6",
  "uuid"
])

interface Check {
  readonly root: Node
  readonly totals: { optional: number; unions: number }
}

/** The complaint about a schema, or `undefined` if it is accepted. */
export const complain = (root: Node | undefined): string | undefined => {
  if (root === undefined) return "schema: Input should be an object"
  const check: Check = { root, totals: { optional: 0, unions: 0 } }
  return visit(check, root, []) ?? complainOfTotals(check.totals)
}

const complainOfTotals = ({ optional, unions }: Check["totals"]): string | undefined => {
  if (unions > 16) {
    return `Schemas contains too many parameters with union types (${unions} parameters with type arrays or anyOf). ` +
      `This causes exponential compilation cost. Reduce the number of nullable or union-typed parameters ` +
      `(limit: 16 parameters with unions).`
  }
  return optional > 24
    ? `Schemas contains too many optional parameters (${optional}), which would make grammar compilation inefficient. ` +
      `Reduce the number of optional parameters in your tool schemas (limit: 24).`
    : undefined
}

/** `open` are the definitions that are being visited: a reference to one of them is a recursion. */
const visit = (check: Check, node: unknown, open: ReadonlyArray<string>): string | undefined => {
  const schema = object(node)
  if (schema === undefined) return "schema: every schema must be an object"
  const unknown = Object.keys(schema).find((key) => !keywords.has(key))
  if (unknown !== undefined) return `For '${String(schema["type"])}' type, property '${unknown}' is not supported`
  const ref = schema["$ref"]
  if (typeof ref === "string") {
    if (open.includes(ref)) return `Recursive schemas are not supported: ${ref}`
    const definition = object(object(check.root["$defs"])?.[ref.replace("#/$defs/", "")])
    return definition === undefined ? `Invalid $ref: ${ref}` : visit(check, definition, [...open, ref])
  }
  return visitNode(check, schema, open)
}

const visitNode = (check: Check, schema: Node, open: ReadonlyArray<string>): string | undefined => {
  const { anyOf, format, items, minItems, type } = schema
  if (Array.isArray(anyOf) || Array.isArray(type)) check.totals.unions++
  if (typeof format === "string" && !formats.has(format)) return `String format '${format}' is not supported`
  if (minItems !== undefined && minItems !== 0 && minItems !== 1) {
    return `For 'array' type, 'minItems' values other than 0 or 1 are not supported`
  }
  const below = [...list(anyOf), ...list(schema["allOf"]), ...(items === undefined ? [] : [items])]
  const types = Array.isArray(type) ? type : [type]
  if (types.includes("object")) {
    if (schema["additionalProperties"] !== false) {
      return "For 'object' type, 'additionalProperties' must be explicitly set to false"
    }
    const properties = object(schema["properties"]) ?? {}
    const required = list(schema["required"])
    check.totals.optional += Object.keys(properties).filter((name) => !required.includes(name)).length
    below.push(...Object.values(properties))
  }
  for (const child of below) {
    const complaint = visit(check, child, open)
    if (complaint !== undefined) return complaint
  }
  return undefined
}
