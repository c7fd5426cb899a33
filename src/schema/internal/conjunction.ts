/** One schema that says what two say, as far as one can: what it cannot say is left to the validator. */
import * as Predicate from "effect/Predicate"
import { annotated, isNode, type Node } from "./jsonSchema.ts"

const lower = new Set(["minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains"])
const upper = new Set(["maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains"])

/** The keywords that list what has to be true of a value in addition, and may occur more than once in `also`. */
const repeatable = new Set(["anyOf", "oneOf", "not", "if", "contains", "dependentRequired", "dependentSchemas"])

export const both = (a: Node, b: Node): Node => {
  let out: Record<string, unknown> = { ...objects(a, b), ...lists(a, b) }
  const also: Array<Node> = [...alsoOf(a), ...alsoOf(b)]
  for (const [key, value] of Object.entries(b)) {
    if (handled.has(key) || key === "also") continue
    const own = a[key]
    if (key === "if" || key === "then" || key === "else") continue
    if (own === undefined) out[key] = value
    else if (repeatable.has(key)) also.push({ [key]: value })
    else out[key] = stricter(key, own, value)
  }
  if (b["if"] !== undefined) {
    const conditional = pick(b, ["if", "then", "else"])
    if (a["if"] === undefined) out = { ...out, ...conditional }
    else also.push(conditional)
  }
  for (const [key, value] of Object.entries(a)) {
    if (!handled.has(key) && out[key] === undefined && key !== "also") out[key] = value
  }
  if (also.length > 0) out["also"] = also
  const literals = literalsOf(a, b)
  return annotated({ ...out, ...literals }, b)
}

const handled = new Set([
  "properties",
  "patternProperties",
  "additionalProperties",
  "required",
  "items",
  "prefixItems",
  "enum",
  "const",
  "description",
  "title"
])

export const pick = (node: Node, keys: ReadonlyArray<string>): Node =>
  Object.fromEntries(keys.flatMap((key) => node[key] === undefined ? [] : [[key, node[key]]]))

/** What was said more than once. */
export const alsoOf = (node: Node): ReadonlyArray<Node> =>
  Array.isArray(node["also"]) ? node["also"] as Array<Node> : []

const stricter = (key: string, own: unknown, value: unknown): unknown => {
  if (key === "type") return types(own, value)
  if (Predicate.isNumber(own) && Predicate.isNumber(value)) {
    if (lower.has(key)) return Math.max(own, value)
    if (upper.has(key)) return Math.min(own, value)
  }
  if (key === "propertyNames") return { allOf: [own, value] }
  return own
}

const types = (a: unknown, b: unknown): unknown => {
  const [left, right] = [a, b].map((type) => Array.isArray(type) ? type as Array<unknown> : [type])
  const common = left!.flatMap((type) =>
    right!.includes(type) || type === "integer" && right!.includes("number")
      ? [type]
      : type === "number" && right!.includes("integer")
      ? ["integer"]
      : []
  )
  return common.length === 1 ? common[0] : common
}

const literalsOf = (a: Node, b: Node): Node => {
  const listed = [a, b].flatMap((node) => {
    const values = node["const"] !== undefined ? [node["const"]] : node["enum"]
    return Array.isArray(values) ? [values as Array<unknown>] : []
  })
  const [first, second] = listed
  if (first === undefined) return {}
  if (second === undefined) return { enum: first }
  const allowed = new Set(second.map((value) => JSON.stringify(value)))
  return { enum: first.filter((value) => allowed.has(JSON.stringify(value))) }
}

const objects = (a: Node, b: Node): Node => {
  const required = [...new Set([...namesOf(a), ...namesOf(b)])]
  const patterns = { ...propertiesOf(a, "patternProperties"), ...propertiesOf(b, "patternProperties") }
  const others = conjunction(a["additionalProperties"], b["additionalProperties"])
  const properties: Record<string, unknown> = {}
  const [left, right] = [propertiesOf(a, "properties"), propertiesOf(b, "properties")]
  for (const name of new Set([...Object.keys(left), ...Object.keys(right)])) {
    const own = Object.hasOwn(left, name) ? left[name] : elsewhere(a, name)
    const other = Object.hasOwn(right, name) ? right[name] : elsewhere(b, name)
    const value = conjunction(own, other)
    // A property that one of the two does not allow is no property of both.
    if (isNode(value) && isNever(value) && !required.includes(name)) continue
    Object.defineProperty(properties, name, {
      value: value ?? {},
      enumerable: true,
      writable: true,
      configurable: true
    })
  }
  return {
    ...(Object.keys(properties).length > 0 && { properties }),
    ...(Object.keys(patterns).length > 0 && { patternProperties: patterns }),
    ...(others !== undefined && { additionalProperties: others }),
    ...(required.length > 0 && { required })
  }
}

/** What an object says of a property that it does not name. */
const elsewhere = (node: Node, name: string): unknown =>
  Object.entries(propertiesOf(node, "patternProperties")).find(([pattern]) => new RegExp(pattern).test(name))?.[1] ??
    node["additionalProperties"]

export const isNever = (node: Node): boolean => isNode(node["not"]) && Object.keys(node["not"]).length === 0

export const namesOf = (node: Node): ReadonlyArray<string> =>
  Array.isArray(node["required"]) ? node["required"] as Array<string> : []

export const propertiesOf = (node: Node, key: "properties" | "patternProperties"): Node =>
  isNode(node[key]) ? node[key] : {}

const lists = (a: Node, b: Node): Node => {
  const [left, right] = [a, b].map((node) =>
    Array.isArray(node["prefixItems"]) ? node["prefixItems"] as Array<unknown> : []
  )
  const length = Math.max(left!.length, right!.length)
  const items = conjunction(a["items"], b["items"])
  return {
    ...(length > 0 && {
      prefixItems: Array.from({ length }, (_, i) => conjunction(left![i] ?? a["items"], right![i] ?? b["items"]) ?? {})
    }),
    ...(items !== undefined && { items })
  }
}

const conjunction = (a: unknown, b: unknown): unknown => {
  if (a === undefined || b === undefined) return a ?? b
  if (isNode(a) && isNode(b)) {
    if (Object.keys(a).length === 0) return b
    if (Object.keys(b).length === 0) return a
    if (isNever(a) || isNever(b)) return { not: {} }
    return JSON.stringify(a) === JSON.stringify(b) ? a : { allOf: [a, b] }
  }
  return a
}
