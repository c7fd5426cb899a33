/**
 * The subset of JSON Schema that Anthropic's structured output accepts, with its limits. A schema beyond it is not
 * refused: it is sent as a tool that is not strict, and the decoder checks the answer.
 *
 * Rules and limits: Anthropic's guide to structured outputs and the messages of its errors, as of 2026-11.
 */
import * as Result from "effect/Result"
import type { AcceptedSchema, Dialect, SchemaDocument, Unsupported } from "../Dialect.ts"
import { isNode, isRecursive, type Node, referenceOf, withDefinitions } from "../internal/jsonSchema.ts"
import * as StrictForm from "../internal/strictForm.ts"

/** Of all properties of a request: those that may be left out, and those with a union type. */
const limits = { optional: 24, unions: 16 } as const

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

const unsupportedPattern = /\(\?[=!<]|\\[1-9bB]|\\k<|\{\d{3,}/

const rules = (optional: StrictForm.OptionalForm): StrictForm.Rules => ({
  limits: {},
  hasFormat: (format) => formats.has(format),
  hasPattern: (pattern) => !unsupportedPattern.test(pattern),
  hasBounds: false,
  optional
})

/** The ways to share the optional properties between the two limits, best first. */
const strategies: ReadonlyArray<() => StrictForm.OptionalForm> = [
  () => (value) => StrictForm.hasNull(value) ? "nullable" : "absent",
  () => () => "absent",
  () => {
    let absent = 0
    return () => absent++ < limits.optional ? "absent" : "nullable"
  }
]

/** Claude models up to 4.5. Later ones refuse a request whose last message is their own. */
const prefilled = /claude-(?:2|3|instant|(?:opus|sonnet|haiku)-4-?(?:[0-5]\b|\d{8}\b))/

export const anthropic: Dialect = {
  name: "anthropic",
  continues: (model) => prefilled.test(model),
  accept: (document) => {
    const asTool = Result.succeed({ jsonSchema: withDefinitions(document), strict: false })
    return isRecursive(document.definitions) ? asTool : strict(document) ?? asTool
  }
}

/** The strict form within the limits, or why no value fits the schema. */
const strict = (document: SchemaDocument): Result.Result<AcceptedSchema, Unsupported> | undefined => {
  for (const strategy of strategies) {
    const form = StrictForm.accept(document, rules(strategy()))
    if (Result.isFailure(form) || form.success.strict && fits(form.success.jsonSchema)) return form
  }
  return undefined
}

interface Count {
  readonly optional: number
  readonly unions: number
}

const fits = (schema: Node): boolean => {
  const definitions = isNode(schema["$defs"]) ? schema["$defs"] as SchemaDocument["definitions"] : {}
  const { optional, unions } = count(schema, definitions, new Map())
  return optional <= limits.optional && unions <= limits.unions
}

/** A definition counts wherever it is referred to, because the grammar repeats it. */
const count = (node: Node, definitions: SchemaDocument["definitions"], known: Map<string, Count>): Count => {
  const name = referenceOf(node, definitions)
  if (name !== undefined) {
    const counted = known.get(name) ?? count(definitions[name]!, definitions, known)
    known.set(name, counted)
    return counted
  }
  const { anyOf, items, properties, required, type } = node
  const values = isNode(properties) ? Object.values(properties).filter(isNode) : []
  const names = Array.isArray(required) ? required.length : 0
  let optional = type === "object" ? values.length - names : 0
  let unions = Array.isArray(anyOf) || Array.isArray(type) ? 1 : 0
  const below = [...values, ...(isNode(items) ? [items] : []), ...(Array.isArray(anyOf) ? anyOf.filter(isNode) : [])]
  for (const child of below) {
    const counted = count(child, definitions, known)
    optional += counted.optional
    unions += counted.unions
  }
  return { optional, unions }
}
