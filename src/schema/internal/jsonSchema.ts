/**
 * Simplifies the JSON Schema documents that Effect generates: one description for each node, no empty wrappers, and
 * definitions only where they save something. The meaning is the same, and the model reads fewer tokens.
 */
import type * as JsonSchema from "effect/JsonSchema"
import * as Predicate from "effect/Predicate"
import type { SchemaDocument } from "../Dialect.ts"

export type Node = JsonSchema.JsonSchema

export const isNode = (u: unknown): u is Node => Predicate.isObject(u) && !Array.isArray(u)

/** The path of a property, as dialects report it. */
export const member = (path: string, name: string): string =>
  /^[A-Za-z_$][\w$]*$/.test(name) ? `${path}.${name}` : `${path}[${JSON.stringify(name)}]`

/** Applies `f` to the schemas directly below a node. */
const mapChildren = (
  node: Node,
  f: (child: Node, key: string, at: string | number | undefined) => unknown
): Node => {
  const out: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(node)) out[key] = mapKeyword(key, value, f)
  return out
}

const mapKeyword = (
  key: string,
  value: unknown,
  f: (child: Node, key: string, at: string | number | undefined) => unknown
): unknown => {
  switch (key) {
    case "properties":
    case "patternProperties":
    case "$defs":
    case "definitions":
      return isNode(value)
        ? Object.fromEntries(
          Object.entries(value).map(([name, child]) => [name, isNode(child) ? f(child, key, name) : child])
        )
        : value
    case "prefixItems":
    case "anyOf":
    case "oneOf":
    case "allOf":
      return Array.isArray(value) ? value.map((child, i) => isNode(child) ? f(child, key, i) : child) : value
    case "items":
    case "additionalProperties":
    case "propertyNames":
    case "not":
      return isNode(value) ? f(value, key, undefined) : value
    default:
      return value
  }
}

/** Joins descriptions without repeating them. */
const sentences = (...parts: ReadonlyArray<unknown>): string =>
  parts.filter(Predicate.isString).reduce(
    (said, part) => part === "" || said.includes(part) ? said : said === "" ? part : `${said}; ${part}`,
    ""
  )

/** Adds the title and the description of `from` to a node. */
export const annotated = (node: Node, from: Node, ...more: ReadonlyArray<string>): Node => {
  const description = sentences(node["description"], from["description"], ...more)
  const title = node["title"] ?? from["title"]
  return { ...node, ...(title !== undefined && { title }), ...(description !== "" && { description }) }
}

/** A document with its definitions inside, as providers expect it. */
export const withDefinitions = ({ definitions, schema }: SchemaDocument): Node =>
  Object.keys(definitions).length === 0 ? schema : { ...annotated(schema, {}), $defs: definitions }

export const plainDocument = (document: SchemaDocument): SchemaDocument => {
  const { definitions, schema } = hoisted(document)
  return inlined(
    plainNode(schema),
    Object.fromEntries(Object.entries(definitions).map(([name, node]) => [name, plainNode(node)]))
  )
}

/** Brings the definitions of documents inside of a document to its own, under names that are free. */
const hoisted = ({ definitions, schema }: SchemaDocument): SchemaDocument => {
  const all: Record<string, Node> = { ...definitions }
  const known = new Map<string, string>()
  const visit = (node: Node): Node => {
    const { $defs: inner, ...rest } = node
    if (!isNode(inner)) return mapChildren(node, visit)
    const fresh: Array<string> = []
    const names = new Map(
      Object.entries(inner).map(([name, definition]) => {
        const same = `${name} ${JSON.stringify(definition)}`
        let free = known.get(same) ?? name
        if (!known.has(same)) {
          for (let i = 2; Object.hasOwn(all, free); i++) free = `${name}_${i}`
          known.set(same, free)
          all[free] = definition as Node
          fresh.push(free)
        }
        return [name, free]
      })
    )
    const renamed = (node: Node): Node => {
      const name = definitionName(node)
      const out = mapChildren(node, renamed)
      return name === undefined || !names.has(name) ? out : { ...out, $ref: `#/$defs/${names.get(name)}` }
    }
    for (const free of fresh) all[free] = renamed(all[free]!)
    return renamed(rest)
  }
  const visited = visit(schema)
  const outer = Object.entries(definitions).map(([name, definition]) => [name, visit(definition)] as const)
  return { schema: visited, definitions: { ...all, ...Object.fromEntries(outer) } }
}

const plainNode = (node: Node): Node => {
  const { allOf, examples: _, ...rest } = mapChildren(node, plainNode)
  let out: Node = rest
  if (Array.isArray(allOf)) { for (const member of allOf) out = merged(out, member) }
  if (out["type"] === "integer") out = withoutSafeBounds(out)
  return Array.isArray(out["anyOf"]) || Array.isArray(out["oneOf"]) ? plainUnion(out) : out
}

const withoutSafeBounds = ({ maximum, minimum, ...rest }: Node): Node => ({
  ...rest,
  ...(minimum === undefined || minimum === Number.MIN_SAFE_INTEGER ? {} : { minimum }),
  ...(maximum === undefined || maximum === Number.MAX_SAFE_INTEGER ? {} : { maximum })
})

const lower = new Set(["minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"])
const upper = new Set(["maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"])

// Effect writes checks that have the same keyword as `allOf`. Bounds are tightened. Of two values for another keyword the
// first is kept, and the decoder checks the other.
const merged = (node: Node, member: unknown): Node => {
  if (!isNode(member)) return node
  let out: Node = { ...node }
  for (const [key, value] of Object.entries(member)) {
    const own = out[key]
    if (key === "description") out = annotated(out, { description: value })
    else if (own === undefined) out[key] = value
    else if (Predicate.isNumber(own) && Predicate.isNumber(value)) {
      if (lower.has(key)) out[key] = Math.max(own, value)
      else if (upper.has(key)) out[key] = Math.min(own, value)
    }
  }
  return out
}

const plainUnion = ({ anyOf, oneOf, ...rest }: Node): Node => {
  const members = [...(Array.isArray(anyOf) ? anyOf : []), ...(Array.isArray(oneOf) ? oneOf : [])].flatMap(
    (member) =>
      isNode(member) && Array.isArray(member["anyOf"]) && Object.keys(member).length === 1
        ? member["anyOf"] as Array<Node>
        : [member as Node]
  )
  const distinct = new Map(members.map((member) => [JSON.stringify(member), member]))
  const unique = Array.from(distinct.values())
  return unique.length === 1 && isNode(unique[0])
    ? annotated({ ...without(rest, "description"), ...unique[0] }, rest)
    : { ...rest, anyOf: unique }
}

export const without = (node: Node, key: string): Node => {
  const { [key]: _, ...rest } = node
  return rest
}

const definitionName = (node: Node): string | undefined => {
  const ref = node["$ref"]
  return Predicate.isString(ref) && ref.startsWith("#/$defs/")
    ? decodeURIComponent(ref.slice("#/$defs/".length)).replaceAll("~1", "/").replaceAll("~0", "~")
    : undefined
}

/** The name of the definition that a node refers to. */
export const referenceOf = (node: Node, definitions: SchemaDocument["definitions"]): string | undefined => {
  const name = definitionName(node)
  return name !== undefined && Object.hasOwn(definitions, name) ? name : undefined
}

// A definition that is used once is shorter in place. One whose reference has a description must be in place, because
// "$ref" may have no siblings. Recursive definitions cannot be inlined.
const inlined = (root: Node, aliased: SchemaDocument["definitions"]): SchemaDocument => {
  const definitions = withoutAliases(aliased)
  const recursive = new Set(Object.keys(definitions).filter((name) => reaches(definitions, name, name)))
  const uses = new Map<string, number>()
  const count = (node: Node): Node => {
    const name = referenceOf(node, definitions)
    if (name !== undefined) uses.set(name, (uses.get(name) ?? 0) + 1)
    return mapChildren(node, count)
  }
  count(root)
  Object.values(definitions).forEach(count)

  const kept = new Map<string, Node>()
  const go = (node: Node): Node => {
    const name = referenceOf(node, definitions)
    if (name === undefined) return mapChildren(node, go)
    const definition = definitions[name]!
    const siblings = Object.keys(node).length > 1
    if (!recursive.has(name) && (siblings || uses.get(name) === 1)) {
      return annotated({ ...go(definition), ...without(without(node, "$ref"), "description") }, node)
    }
    if (!kept.has(name)) {
      kept.set(name, {})
      kept.set(name, mapChildren(definition, go))
    }
    return { $ref: node["$ref"] }
  }
  const name = referenceOf(root, definitions)
  const schema = name === undefined ? go(root) : mapChildren({ ...definitions[name], ...without(root, "$ref") }, go)
  return { schema, definitions: Object.fromEntries(kept) }
}

/** A definition that is only a reference to another one is the other one. */
const withoutAliases = (definitions: SchemaDocument["definitions"]): SchemaDocument["definitions"] => {
  const target = (node: Node, seen: ReadonlySet<string>): Node => {
    const name = referenceOf(node, definitions)
    if (name === undefined) return node
    return seen.has(name)
      ? { not: {} }
      : annotated({ ...target(definitions[name]!, new Set([...seen, name])), ...without(node, "$ref") }, node)
  }
  return Object.fromEntries(
    Object.entries(definitions).map(([name, definition]) => [name, target(definition, new Set([name]))])
  )
}

/** Whether a definition contains a reference to itself. */
export const isRecursive = (definitions: SchemaDocument["definitions"]): boolean =>
  Object.keys(definitions).some((name) => reaches(definitions, name, name))

const reaches = (definitions: SchemaDocument["definitions"], from: string, to: string): boolean => {
  const seen = new Set<string>()
  let found = false
  const visit = (node: Node): Node => {
    const name = referenceOf(node, definitions)
    if (name === to) found = true
    if (name !== undefined && !seen.has(name)) {
      seen.add(name)
      visit(definitions[name]!)
    }
    return found ? node : mapChildren(node, visit)
  }
  visit(definitions[from]!)
  return found
}
