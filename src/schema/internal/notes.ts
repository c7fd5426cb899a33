/** The keywords that no provider takes, in words for the model. */
import * as Predicate from "effect/Predicate"
import { isNode, type Node } from "./jsonSchema.ts"

const maxLength = 400

const quoted = (value: unknown): string => {
  const text = JSON.stringify(value)
  return text.length > maxLength ? `${text.slice(0, maxLength)}…` : text
}

/** A combination that is not spelt out. */
export const noteOf = (key: "anyOf" | "oneOf" | "if", ...schemas: ReadonlyArray<unknown>): string => {
  if (key === "if") {
    const [condition, then, otherwise] = schemas
    return [
      `if it matches ${quoted(condition)}`,
      ...(isEmpty(then) ? [] : [`it must match ${quoted(then)}`]),
      ...(isEmpty(otherwise) ? [] : [`otherwise it must match ${quoted(otherwise)}`])
    ].join(", ")
  }
  return `it must match ${key === "anyOf" ? "at least" : "exactly"} one of ${
    (schemas[0] as ReadonlyArray<unknown>).map(quoted).join(", ")
  }`
}

const isEmpty = (schema: unknown): boolean => isNode(schema) && Object.keys(schema).length === 0

export const notesOf = (node: Node): ReadonlyArray<string> => [
  ...range(node, "minLength", "maxLength", "characters"),
  ...range(node, "minProperties", "maxProperties", "keys"),
  ...(node["uniqueItems"] === true ? ["all elements are different"] : []),
  ...(node["contains"] === undefined ? [] : [`it contains an element that matches ${quoted(node["contains"])}`]),
  ...(isNode(node["not"]) ? [`it must not match ${quoted(node["not"])}`] : []),
  ...(isNode(node["dependentRequired"])
    ? Object.entries(node["dependentRequired"]).map(([key, keys]) =>
      `with ${key} it needs ${(keys as Array<string>).join(", ")}`
    )
    : []),
  ...(isNode(node["dependentSchemas"])
    ? Object.entries(node["dependentSchemas"]).map(([key, schema]) => `with ${key} it must match ${quoted(schema)}`)
    : []),
  ...(Array.isArray(node["examples"]) && node["examples"].length > 0
    ? [`for example ${node["examples"].map(quoted).join(", ")}`]
    : [])
]

const range = (node: Node, min: string, max: string, unit: string): ReadonlyArray<string> => {
  const { [max]: most, [min]: least } = node
  const isLow = Predicate.isNumber(least) && least > 0
  if (isLow && least === most) return [`exactly ${least} ${unit}`]
  return [
    ...(isLow ? [`at least ${least} ${unit}`] : []),
    ...(Predicate.isNumber(most) ? [`at most ${most} ${unit}`] : [])
  ]
}
