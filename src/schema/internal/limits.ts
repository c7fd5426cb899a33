/**
 * The limits of providers on the size of a schema. Checked before anything is sent, because a provider's own error names
 * no place and comes after the request.
 */
import type { SchemaDocument, Unsupported } from "../Dialect.ts"
import { isNode, member, type Node } from "./jsonSchema.ts"

export interface Limits {
  /** Properties of all objects together. */
  readonly properties?: number | undefined
  /** Objects inside of one another. */
  readonly depth?: number | undefined
  /** Literal values of all enums together. */
  readonly enumValues?: number | undefined
  /** An enum with more than `values` values may have at most `characters` characters. */
  readonly largeEnum?: { readonly values: number; readonly characters: number } | undefined
  /** The names of properties and definitions, and the literal values, together. */
  readonly characters?: number | undefined
}

interface Measuring {
  readonly limits: Limits
  properties: number
  enumValues: number
  characters: number
}

/** The first place where a schema, in the form in which it is sent, exceeds a limit. */
export const excess = ({ definitions, schema }: SchemaDocument, limits: Limits): Unsupported | undefined => {
  const state: Measuring = { limits, properties: 0, enumValues: 0, characters: 0 }
  return visit(state, schema, "$", 0) ??
    first(
      Object.entries(definitions),
      ([name, definition]) => counted(state, name, name.length) ?? visit(state, definition, name, 0)
    )
}

const visit = (state: Measuring, node: unknown, path: string, depth: number): Unsupported | undefined => {
  if (!isNode(node)) return undefined
  return literals(state, node, path) ??
    object(state, node, path, depth) ??
    first(
      branches,
      (key) =>
        Array.isArray(node[key]) ? first(node[key], (one, i) => visit(state, one, `${path}(${i})`, depth)) : undefined
    ) ??
    first(
      Array.isArray(node["prefixItems"]) ? node["prefixItems"] : [],
      (one, i) => visit(state, one, `${path}[${i}]`, depth)
    ) ??
    visit(state, node["items"], `${path}[]`, depth)
}

const branches = ["anyOf", "oneOf", "allOf"]

const literals = (state: Measuring, node: Node, path: string): Unsupported | undefined => {
  const values = Array.isArray(node["enum"]) ? node["enum"] : node["const"] === undefined ? [] : [node["const"]]
  const { limits } = state
  state.enumValues += values.length
  if (state.enumValues > (limits.enumValues ?? Infinity)) {
    return { path, description: `it lists more than ${limits.enumValues} literal values in all` }
  }
  const characters = values.reduce<number>((sum, value) => sum + String(value).length, 0)
  const { largeEnum } = limits
  if (largeEnum !== undefined && values.length > largeEnum.values && characters > largeEnum.characters) {
    return {
      path,
      description:
        `it lists more than ${largeEnum.values} literal values with more than ${largeEnum.characters} characters together`
    }
  }
  return counted(state, path, characters)
}

const counted = (state: Measuring, path: string, characters: number): Unsupported | undefined => {
  state.characters += characters
  const { characters: limit = Infinity } = state.limits
  return state.characters <= limit
    ? undefined
    : { path, description: `the names and literal values up to here have more than ${limit} characters` }
}

const object = (state: Measuring, node: Node, path: string, depth: number): Unsupported | undefined => {
  const properties = isNode(node["properties"]) ? Object.entries(node["properties"]) : []
  const { depth: maxDepth = Infinity, properties: most = Infinity } = state.limits
  const isObject = properties.length > 0 || node["type"] === "object" ||
    Array.isArray(node["type"]) && node["type"].includes("object")
  const inside = isObject ? depth + 1 : depth
  if (inside > maxDepth) return { path, description: `it is nested more than ${maxDepth} objects deep` }
  state.properties += properties.length
  if (state.properties > most) return { path, description: `it has more than ${most} properties in all` }
  const patterns = isNode(node["patternProperties"]) ? Object.entries(node["patternProperties"]) : []
  return counted(state, path, properties.reduce((sum, [name]) => sum + name.length, 0)) ??
    first(properties, ([name, property]) => visit(state, property, member(path, name), inside)) ??
    first(patterns, ([name, property]) => visit(state, property, `${path}{${name}}`, inside)) ??
    visit(state, node["additionalProperties"], `${path}{}`, inside)
}

const first = <A>(
  values: ReadonlyArray<A>,
  f: (value: A, index: number) => Unsupported | undefined
): Unsupported | undefined => {
  for (let i = 0; i < values.length; i++) {
    const found = f(values[i]!, i)
    if (found !== undefined) return found
  }
  return undefined
}
