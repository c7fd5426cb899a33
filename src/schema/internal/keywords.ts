/** The keywords of JSON Schema 2020-12, and what older drafts call them. */
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import { isNode, type Node } from "./jsonSchema.ts"

/** What the value of a keyword must be. */
type Kind =
  | "schema"
  | "schemas"
  | "named"
  | "text"
  | "pattern"
  | "number"
  | "count"
  | "flag"
  | "names"
  | "lists"
  | "type"
  | "any"
  | "list"

export const kinds: ReadonlyMap<string, Kind> = new Map<string, Kind>([
  ...pairs("schema", ["items", "additionalProperties", "propertyNames", "not", "if", "then", "else", "contains"]),
  ...pairs("schema", ["unevaluatedProperties", "unevaluatedItems"]),
  ...pairs("schemas", ["allOf", "anyOf", "oneOf", "prefixItems"]),
  ...pairs("named", ["properties", "patternProperties", "dependentSchemas"]),
  ...pairs("text", ["title", "description", "format"]),
  ...pairs("pattern", ["pattern"]),
  ...pairs("number", ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]),
  ...pairs("count", ["minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"]),
  ...pairs("count", ["minContains", "maxContains"]),
  ...pairs("flag", ["uniqueItems"]),
  ...pairs("names", ["required"]),
  ...pairs("lists", ["dependentRequired"]),
  ...pairs("type", ["type"]),
  ...pairs("any", ["const"]),
  ...pairs("list", ["enum", "examples"])
])

function pairs(kind: Kind, keys: ReadonlyArray<string>): ReadonlyArray<readonly [string, Kind]> {
  return keys.map((key) => [key, kind] as const)
}

const types = new Set(["string", "number", "integer", "boolean", "null", "object", "array"])

/** Why the value of a keyword is not what it must be. */
export const problem = (kind: Kind, key: string, value: unknown): string | undefined => {
  switch (kind) {
    case "text":
      return Predicate.isString(value) ? undefined : `"${key}" is not a text`
    case "pattern":
      return Predicate.isString(value) && isPattern(value)
        ? undefined
        : `${JSON.stringify(value)} is not a regular expression`
    case "number":
      return Predicate.isNumber(value) && (key !== "multipleOf" || value > 0) ? undefined : `"${key}" is not a number`
    case "count":
      return Number.isInteger(value) && (value as number) >= 0 ? undefined : `"${key}" is not a count`
    case "flag":
      return Predicate.isBoolean(value) ? undefined : `"${key}" is neither true nor false`
    case "names":
      return isNames(value) ? undefined : `"${key}" is not a list of names`
    case "lists":
      return isNode(value) && Object.values(value).every(isNames)
        ? undefined
        : `"${key}" is not an object of lists of names`
    case "type": {
      const all = Array.isArray(value) ? value : [value]
      const unknown = all.find((type) => !types.has(type as string))
      return all.length > 0 && unknown === undefined ? undefined : `${JSON.stringify(unknown ?? value)} is not a type`
    }
    case "list":
      return Array.isArray(value) ? undefined : `"${key}" is not a list`
    default:
      return undefined
  }
}

const isNames = (value: unknown): boolean => Array.isArray(value) && value.every(Predicate.isString)

/** A regular expression, with the `u` flag as JSON Schema asks for, or without it as many documents are written. */
export const toRegExp = (pattern: string): RegExp =>
  Result.getOrElse(Result.try(() => new RegExp(pattern, "u")), () => new RegExp(pattern))

export const isPattern = (pattern: string): boolean => Result.isSuccess(Result.try(() => toRegExp(pattern)))

export const annotationsOf = ({ description, title }: Node): Node => ({
  ...(Predicate.isString(title) && { title }),
  ...(Predicate.isString(description) && { description })
})

/** The path of a schema below a keyword. */
export const pathOf = (path: string, key: string): string =>
  key === "items" || key === "contains" || key === "unevaluatedItems"
    ? `${path}[]`
    : key === "additionalProperties" || key === "unevaluatedProperties"
    ? `${path}{}`
    : path

/** A schema with the keywords of 2020-12 instead of those of older drafts. */
export const modern = (schema: Node): Node => {
  const {
    additionalItems,
    dependencies,
    exclusiveMaximum,
    exclusiveMinimum,
    items,
    maximum,
    minimum,
    nullable,
    required,
    ...rest
  } = schema
  const type = rest["type"]
  return {
    ...withoutMalformedTexts(rest),
    // Draft 4 has `exclusiveMinimum: true` beside `minimum`, where later drafts have one number.
    ...bound("minimum", "exclusiveMinimum", minimum, exclusiveMinimum),
    ...bound("maximum", "exclusiveMaximum", maximum, exclusiveMaximum),
    ...(Array.isArray(items)
      ? { prefixItems: items, ...(additionalItems !== undefined && { items: additionalItems }) }
      : items !== undefined && { items }),
    // Draft 3 has `required: true` on the property.
    ...(required !== undefined && !Predicate.isBoolean(required) && { required }),
    ...(isNode(dependencies) && dependenciesOf(dependencies)),
    // OpenAPI 3.0.
    ...(nullable === true && Predicate.isString(type) && { type: [type, "null"] })
  }
}

/** A description that is not a text describes nothing, and changes nothing. */
const withoutMalformedTexts = (node: Node): Node =>
  Object.fromEntries(
    Object.entries(node).filter(([key, value]) =>
      key === "title" || key === "description" ? Predicate.isString(value) : key !== "examples" || Array.isArray(value)
    )
  )

const bound = (inclusive: string, exclusive: string, limit: unknown, flag: unknown): Node => ({
  ...(limit !== undefined && { [flag === true ? exclusive : inclusive]: limit }),
  ...(flag !== undefined && !Predicate.isBoolean(flag) && { [exclusive]: flag })
})

const dependenciesOf = (dependencies: Node): Node => {
  const entries = Object.entries(dependencies)
  const lists = entries.filter(([, value]) => Array.isArray(value))
  const schemas = entries.filter(([, value]) => !Array.isArray(value))
  return {
    ...(lists.length > 0 && { dependentRequired: Object.fromEntries(lists) }),
    ...(schemas.length > 0 && { dependentSchemas: Object.fromEntries(schemas) })
  }
}
