/**
 * JSON Schema documents of any draft, rewritten with the keywords of 2020-12: every reference leads to a definition of the
 * document itself, and what is not a keyword is left out. The meaning is the same.
 *
 * Written by hand: Effect's importer covers a part of the keywords, and `ajv` reads each draft with another class and
 * leaves documents as they are.
 */
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type { SchemaDocument, Unsupported } from "../Dialect.ts"
import { isNode, member, type Node } from "./jsonSchema.ts"
import * as Keywords from "./keywords.ts"

interface Reading {
  readonly root: Node
  /** Whether keywords beside a reference say nothing, as in all drafts before 2019-09. */
  readonly ignoresSiblings: boolean
  /** The schemas that an `$id` or an anchor names. */
  readonly named: ReadonlyMap<string, unknown>
  readonly names: Map<unknown, string>
  readonly definitions: Record<string, Node>
  readonly waiting: Array<() => void>
  unsupported: Unsupported | undefined
}

export const make = (document: Node): Result.Result<SchemaDocument, Unsupported> => {
  const dialect = document["$schema"]
  const reading: Reading = {
    root: document,
    ignoresSiblings: Predicate.isString(dialect) && /draft-0[3467]/.test(dialect),
    named: namesIn(document),
    names: new Map(),
    definitions: {},
    waiting: [],
    unsupported: undefined
  }
  const schema = schemaOf(reading, document, "$", document)
  for (let next = reading.waiting.pop(); next !== undefined; next = reading.waiting.pop()) next()
  const { definitions, unsupported } = reading
  if (unsupported !== undefined) return Result.fail(unsupported)
  const endless = endlessDefinition(definitions)
  return endless === undefined
    ? Result.succeed({ schema, definitions })
    : Result.fail({ path: endless, description: "it refers to itself without a value in between" })
}

/** Nesting at which documents are refused. No real document has it. */
const maxDepth = 200

const fail = (reading: Reading, path: string, description: string): Node => {
  reading.unsupported ??= { path, description }
  return {}
}

/** `base` is the schema that pointers start from: the root, or the nearest one with an `$id` of its own. */
const schemaOf = (reading: Reading, schema: unknown, path: string, base: Node, depth = 0): Node => {
  if (schema === true) return {}
  if (schema === false) return { not: {} }
  if (!isNode(schema)) return fail(reading, path, "it is not a schema, which is an object or a boolean")
  if (depth > maxDepth) return fail(reading, path, `it is nested more than ${maxDepth} levels deep`)
  const start = schema !== reading.root && Predicate.isString(schema["$id"] ?? schema["id"]) ? schema : base
  const ref = schema["$ref"] ?? schema["$recursiveRef"] ?? schema["$dynamicRef"]
  const reference = ref === undefined ? {} : referenceOf(reading, ref, path, start)
  if (ref !== undefined && reading.ignoresSiblings) {
    return { ...reference, ...Keywords.annotationsOf(schema) }
  }
  const out: Record<string, unknown> = { ...reference }
  const child = (value: unknown, place: string): Node => schemaOf(reading, value, place, start, depth + 1)
  for (const [key, value] of Object.entries(Keywords.modern(schema))) {
    const kind = Keywords.kinds.get(key)
    if (kind === undefined) continue
    switch (kind) {
      case "schema":
        out[key] = child(value, Keywords.pathOf(path, key))
        break
      case "schemas":
        if (!Array.isArray(value)) return fail(reading, path, `"${key}" is not a list of schemas`)
        out[key] = value.map((one, i) => child(one, key === "prefixItems" ? `${path}[${i}]` : `${path}(${i})`))
        break
      case "named":
        if (!isNode(value)) return fail(reading, path, `"${key}" is not an object of schemas`)
        out[key] = Object.fromEntries(
          Object.entries(value).map(([name, one]) => [name, child(one, member(path, name))])
        )
        break
      default: {
        const problem = Keywords.problem(kind, key, value)
        if (problem !== undefined) return fail(reading, path, problem)
        out[key] = value
      }
    }
  }
  if (isNode(out["patternProperties"])) {
    const bad = Object.keys(out["patternProperties"]).find((pattern) => !Keywords.isPattern(pattern))
    if (bad !== undefined) return fail(reading, path, `${JSON.stringify(bad)} is not a regular expression`)
  }
  return out
}

const referenceOf = (reading: Reading, ref: unknown, path: string, base: Node): Node => {
  if (!Predicate.isString(ref)) return fail(reading, path, "\"$ref\" is not a text")
  const target = resolve(reading, ref, base)
  if (target === undefined) {
    return fail(
      reading,
      path,
      `it refers to ${
        JSON.stringify(ref)
      }, which is not part of the document. References to other documents are not fetched`
    )
  }
  const known = reading.names.get(target.schema)
  if (known !== undefined) return { $ref: `#/$defs/${known}` }
  const name = freeName(reading, ref)
  reading.names.set(target.schema, name)
  reading.definitions[name] = {}
  reading.waiting.push(() => {
    reading.definitions[name] = schemaOf(
      reading,
      target.schema,
      target.schema === reading.root ? "$" : name,
      target.base
    )
  })
  return { $ref: `#/$defs/${name}` }
}

const freeName = ({ definitions }: Reading, ref: string): string => {
  const last = decode(ref.slice(Math.max(ref.lastIndexOf("/"), ref.lastIndexOf("#")) + 1)) ?? ""
  const plain = last.replace(/[^\w.-]+/g, "_").slice(0, 60)
  const wanted = plain === "" || plain === "__proto__" ? "Root" : plain
  let name = wanted
  for (let i = 2; Object.hasOwn(definitions, name); i++) name = `${wanted}_${i}`
  return name
}

interface Target {
  readonly schema: unknown
  readonly base: Node
}

const resolve = (reading: Reading, ref: string, base: Node): Target | undefined => {
  const { named, root } = reading
  const hash = ref.indexOf("#")
  const [document, fragment] = hash === -1 ? [ref, ""] : [ref.slice(0, hash), ref.slice(hash + 1)]
  if (document === "" && fragment !== "" && !fragment.startsWith("/")) {
    const schema = named.get(`#${fragment}`)
    return schema === undefined ? undefined : { schema, base }
  }
  const whole = named.get(ref)
  if (whole !== undefined) return { schema: whole, base: isNode(whole) ? whole : base }
  const starts = document === "" ? [base, root] : [named.get(document)]
  for (const start of starts) {
    const schema = isNode(start) ? at(start, fragment) : undefined
    if (schema !== undefined) return { schema, base: start as Node }
  }
  return undefined
}

/** What a JSON pointer leads to. */
const at = (start: Node, pointer: string): unknown => {
  let value: unknown = start
  for (const token of pointer.split("/").slice(1)) {
    const key = decode(token)?.replaceAll("~1", "/").replaceAll("~0", "~")
    if (key === undefined || typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined
    value = (value as Record<string, unknown>)[key]
  }
  return isNode(value) || Predicate.isBoolean(value) ? value : undefined
}

const decode = (text: string): string | undefined =>
  Result.getOrElse(Result.try(() => decodeURIComponent(text)), () => undefined)

const namesIn = (root: Node): ReadonlyMap<string, unknown> => {
  const named = new Map<string, unknown>()
  const visit = (value: unknown, depth: number): void => {
    if (typeof value !== "object" || value === null || depth > maxDepth) return
    if (isNode(value)) {
      for (const key of ["$id", "id"]) {
        const id = value[key]
        if (!Predicate.isString(id) || id === "") continue
        const plain = id.endsWith("#") ? id.slice(0, -1) : id
        if (!named.has(plain)) named.set(plain, value)
        const file = plain.slice(plain.lastIndexOf("/") + 1)
        if (file !== "" && !named.has(file)) named.set(file, value)
      }
      for (const key of ["$anchor", "$dynamicAnchor"]) {
        if (Predicate.isString(value[key])) named.set(`#${value[key]}`, value)
      }
    }
    for (const [key, inner] of Object.entries(value)) {
      if (key !== "enum" && key !== "const" && key !== "default" && key !== "examples") visit(inner, depth + 1)
    }
  }
  visit(root, 0)
  return named
}

/** A definition that no value could be checked against, because checking it never ends. */
const endlessDefinition = (definitions: Readonly<Record<string, Node>>): string | undefined => {
  const inPlace = (node: Node): ReadonlyArray<string> => [
    ...(Predicate.isString(node["$ref"]) ? [node["$ref"].slice("#/$defs/".length)] : []),
    ...["not", "if", "then", "else"].flatMap((key) => isNode(node[key]) ? inPlace(node[key]) : []),
    ...["allOf", "anyOf", "oneOf"].flatMap((key) => Array.isArray(node[key]) ? node[key].flatMap(inPlace) : []),
    ...(isNode(node["dependentSchemas"])
      ? Object.values(node["dependentSchemas"]).flatMap((one) => inPlace(one as Node))
      : [])
  ]
  const state = new Map<string, "open" | "done">()
  const visit = (name: string): string | undefined => {
    if (state.get(name) === "open") return name
    if (state.get(name) === "done") return undefined
    state.set(name, "open")
    for (const next of inPlace(definitions[name] ?? {})) {
      const found = visit(next)
      if (found !== undefined) return found
    }
    state.set(name, "done")
    return undefined
  }
  for (const name of Object.keys(definitions)) {
    const found = visit(name)
    if (found !== undefined) return found
  }
  return undefined
}
