/**
 * What a model is asked for: a document without the keywords that only combine others, and without those that no provider
 * takes, which its descriptions tell. Objects that list their properties are closed, because what a schema does not ask
 * for is not extracted. Answers are checked against the document itself.
 */
import type { SchemaDocument } from "../Dialect.ts"
import { alsoOf, both, isNever, namesOf, pick, propertiesOf } from "./conjunction.ts"
import { annotated, isNode, type Node, without } from "./jsonSchema.ts"
import * as Keywords from "./keywords.ts"
import { noteOf, notesOf } from "./notes.ts"

interface Asking {
  readonly definitions: SchemaDocument["definitions"]
  /** Definitions that are being put in place of their references. */
  readonly inside: ReadonlyArray<string>
}

/** More members of a union than this are told and not spelt out. */
const maxMembers = 64

export const make = ({ definitions, schema }: SchemaDocument): SchemaDocument => {
  const asking: Asking = { definitions, inside: [] }
  return {
    schema: ask(asking, schema),
    definitions: Object.fromEntries(
      Object.entries(definitions).map(([name, node]) => [name, ask({ ...asking, inside: [name] }, node)])
    )
  }
}

const targetOf = (node: Node): string => String(node["$ref"]).slice("#/$defs/".length)

const ask = (asking: Asking, node: Node): Node => {
  if (isBareReference(node)) return node
  if (isNever(node)) return { not: {} }
  const inside = new Set(asking.inside)
  const flat = flatten(asking.definitions, inside, node)
  return flat["$ref"] !== undefined ? flat : alternatives({ ...asking, inside: [...inside] }, flat)
}

/** A reference that only notes stand beside. */
const isBareReference = (node: Node): boolean =>
  node["$ref"] !== undefined &&
  Object.keys(node).every((key) => key === "$ref" || key === "description" || key === "title")

/** References with siblings, and `allOf`, put in place. `inside` gets the definitions that were. */
const flatten = (definitions: Asking["definitions"], inside: Set<string>, node: Node): Node => {
  const { $ref, allOf, ...own } = node
  const parts = [...($ref === undefined ? [] : [{ $ref }]), ...(Array.isArray(allOf) ? allOf as Array<Node> : [])]
  // A definition inside of itself cannot be put in place. It stays a reference, and what stands beside it is told.
  const recursive = parts.find((part) => part["$ref"] !== undefined && inside.has(targetOf(part)))
  if (recursive !== undefined) {
    const others = [...parts.filter((part) => part !== recursive), without(own, "description")]
      .filter((part) => Object.keys(part).length > 0)
    return annotated({ $ref: recursive["$ref"] }, own, ...others.map((part) => noteOf("anyOf", [part])))
  }
  let out: Node = own
  for (const part of parts) {
    if (part["$ref"] === undefined) {
      out = both(out, flatten(definitions, inside, part))
      continue
    }
    const name = targetOf(part)
    const definition = both(definitions[name] ?? {}, without(part, "$ref"))
    const within = new Set([...inside, name])
    out = both(out, flatten(definitions, within, definition))
    for (const one of within) inside.add(one)
  }
  return out
}

/** `anyOf`, `oneOf` and `if` beside other keywords: a union of all that each alternative asks for. */
const alternatives = (asking: Asking, node: Node): Node => {
  const unions: Array<ReadonlyArray<Node>> = []
  const told: Array<string> = []
  let base: Node = without(node, "also")
  for (const { anyOf, oneOf, ...rest } of [node, ...alsoOf(node)]) {
    for (const [key, members] of [["anyOf", anyOf], ["oneOf", oneOf]] as const) {
      if (!Array.isArray(members)) continue
      if (members.every(isCondition)) told.push(noteOf(key, members))
      else unions.push(members as Array<Node>)
    }
    const { conditional, told: note } = conditionOf(node, rest)
    if (conditional !== undefined) unions.push(conditional)
    if (note !== undefined) told.push(note)
  }
  for (const key of ["anyOf", "oneOf", "if", "then", "else"]) base = without(base, key)
  for (const also of alsoOf(node)) told.push(...notesOf(also))
  let members: ReadonlyArray<Node> = [base]
  for (const union of unions) {
    if (members.length * union.length > maxMembers) told.push(noteOf("anyOf", union))
    else {
      members = union.flatMap((member) =>
        members.map((one) =>
          Object.keys(one).every((key) => isAnnotation(key)) ? { ...one, ...member } : both(one, member)
        )
      )
    }
  }
  const notes = (out: Node): Node => told.length === 0 ? out : annotated(out, {}, ...told)
  if (unions.length === 0) return notes(typed(asking, base))
  const isFlat = members.length === 1
  const asked = members.map((member) =>
    isBareReference(member) || !hasCombination(member) ? leafOf(asking, member) : ask(asking, member)
  )
  const possible = asked.filter((member) => !isNever(member))
  const about = Keywords.annotationsOf(node)
  return possible.length === 0
    ? { not: {} }
    : notes(isFlat ? possible[0]! : { ...about, anyOf: possible.map((member) => withoutSame(member, about)) })
}

const leafOf = (asking: Asking, member: Node): Node => isBareReference(member) ? member : typed(asking, member)

const hasCombination = (node: Node): boolean =>
  ["allOf", "anyOf", "oneOf", "if", "$ref", "also"].some((key) => node[key] !== undefined)

const withoutSame = (member: Node, about: Node): Node =>
  Object.fromEntries(Object.entries(member).filter(([key, value]) => about[key] === undefined || about[key] !== value))

const isAnnotation = (key: string): boolean => key === "title" || key === "description"

const conditions = new Set(["required", "not", "title", "description", "dependentRequired", "minProperties"])

/** Whether a member of a union asks for nothing that is not asked for already. */
const isCondition = (member: unknown): boolean =>
  isNode(member) && Object.keys(member).every((key) => conditions.has(key))

const conditionOf = (node: Node, rest: Node): {
  readonly conditional?: ReadonlyArray<Node>
  readonly told?: string
} => {
  if (!isNode(rest["if"])) return {}
  const then = isNode(rest["then"]) ? rest["then"] : {}
  const otherwise = isNode(rest["else"]) ? rest["else"] : {}
  const known = propertiesOf(node, "properties")
  const isNew = [then, otherwise].some((branch) =>
    [...Object.keys(propertiesOf(branch, "properties")), ...namesOf(branch)].some((name) => !Object.hasOwn(known, name))
  )
  const told = noteOf("if", rest["if"], then, otherwise)
  return isNew ? { conditional: [both(rest["if"], then), otherwise], told } : { told }
}

const families = {
  object: [
    "properties",
    "required",
    "additionalProperties",
    "patternProperties",
    "propertyNames",
    "minProperties",
    "maxProperties",
    "dependentRequired",
    "dependentSchemas"
  ],
  array: ["items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains"],
  string: ["pattern", "minLength", "maxLength", "format"],
  number: ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]
} as const

/** A node without combinations, with its type, and with what is below it. */
const typed = (asking: Asking, node: Node): Node => {
  if (Array.isArray(node["enum"]) || node["const"] !== undefined) return literals(node)
  const type = node["type"] ?? inferred(node)
  const named = { ...node, ...(type !== undefined && { type }) }
  const types: ReadonlyArray<unknown> = Array.isArray(type) ? type : [type]
  const out: Node = {
    ...pick(named, ["type", "title", "description", ...families.string, ...families.number, "minItems", "maxItems"]),
    ...(types.includes("object") && object(asking, named)),
    ...(types.includes("array") && array(asking, named))
  }
  return types.length === 0 ? { not: {} } : annotated(out, {}, ...notesOf(node))
}

const inferred = (node: Node): unknown => {
  const found = Object.entries(families).flatMap(([type, keys]) =>
    keys.some((key) => node[key] !== undefined) ? [type] : []
  )
  return found.length === 0 ? undefined : found.length === 1 ? found[0] : found
}

/** Values of another type than the node's are no values of it. */
const literals = (node: Node): Node => {
  const all = Array.isArray(node["enum"]) ? node["enum"] as Array<unknown> : [node["const"]]
  const type = node["type"]
  const types = type === undefined ? undefined : Array.isArray(type) ? type as Array<unknown> : [type]
  const values = types === undefined ? all : all.filter((value) => types.some((type) => isOfType(value, type)))
  return values.length === 0 ? { not: {} } : { ...Keywords.annotationsOf(node), enum: Array.from(new Set(values)) }
}

const isOfType = (value: unknown, type: unknown): boolean => {
  switch (type) {
    case "null":
      return value === null
    case "array":
      return Array.isArray(value)
    case "object":
      return isNode(value)
    case "integer":
      return Number.isInteger(value)
    default:
      return typeof value === type
  }
}

const object = (asking: Asking, node: Node): Node => {
  const patterns = Object.entries(propertiesOf(node, "patternProperties"))
  const others = node["additionalProperties"]
  const inherited = isNode(node["dependentSchemas"])
    ? Object.values(node["dependentSchemas"]).flatMap((schema) =>
      isNode(schema) ? Object.entries(propertiesOf(schema, "properties")) : []
    )
    : []
  const properties = new Map<string, unknown>([...inherited, ...Object.entries(propertiesOf(node, "properties"))])
  for (const name of namesOf(node)) {
    if (properties.has(name)) continue
    const pattern = patterns.find(([pattern]) => Keywords.toRegExp(pattern).test(name))
    properties.set(name, pattern?.[1] ?? others ?? {})
  }
  const required = new Set(namesOf(node))
  const child = (value: unknown): Node => ask(asking, isNode(value) ? value : {})
  const isOpen = others === undefined || isNode(others) && Object.keys(others).length === 0
  const isClosed = isOpen && properties.size > 0 && patterns.length === 0
  const names = isNode(node["propertyNames"]) ? ask(asking, node["propertyNames"]) : undefined
  return {
    ...(properties.size > 0 && {
      properties: Object.fromEntries(
        Array.from(properties, ([name, value]) => [name, child(value)] as const)
          .filter(([name, value]) => !isNever(value) || required.has(name))
      )
    }),
    ...pick(node, ["required"]),
    ...(patterns.length > 0 && {
      patternProperties: Object.fromEntries(patterns.map(([pattern, value]) => [pattern, child(value)]))
    }),
    ...(names !== undefined && { propertyNames: names }),
    ...(isClosed || isNode(others) && isNever(others)
      ? { additionalProperties: false }
      : !isOpen && { additionalProperties: child(others) })
  }
}

const array = (asking: Asking, node: Node): Node => {
  const { items, prefixItems } = node
  const positions = Array.isArray(prefixItems) ? prefixItems as Array<unknown> : []
  // Without `items` of its own, what a list must contain is the best description of its elements.
  const element = items ?? (positions.length === 0 ? node["contains"] : undefined)
  return {
    ...(positions.length > 0 && { prefixItems: positions.map((one) => ask(asking, isNode(one) ? one : {})) }),
    ...(isNode(element) && (isNever(element) ? { items: false } : { items: ask(asking, element) })),
    ...(isNode(element) && isNever(element) && positions.length === 0 && { maxItems: 0 })
  }
}
