/**
 * The shape of a schema, as answers are compared with it: which forms a value may be written in, and how
 * well a value fits.
 */
import { entryKeys, restKey } from "./strictForm.ts"

export type Kind = "null" | "boolean" | "number" | "string" | "list" | "object"

export const kindOf = (json: unknown): Kind =>
  json === null
    ? "null"
    : Array.isArray(json)
    ? "list"
    : typeof json === "object"
    ? "object"
    : typeof json as "boolean" | "number" | "string"

export type JsonObject = Readonly<Record<string, unknown>>

export type Shape = Anything | Literals | Scalar | List | Tuple | Struct | Union

/** Accepts any JSON, or is only known to the decoder. */
interface Anything {
  readonly _tag: "Anything"
}

export interface Literals {
  readonly _tag: "Literals"
  readonly values: ReadonlyArray<string | number | boolean | null>
}

export interface Scalar {
  readonly _tag: "Scalar"
  readonly kind: "string" | "number" | "boolean"
  /** Whether the checks of the schema accept a value of this kind. */
  readonly accepts: (json: unknown) => boolean
}

export interface List {
  readonly _tag: "List"
  readonly element: () => Shape
}

export interface Tuple {
  readonly _tag: "Tuple"
  readonly elements: ReadonlyArray<{ readonly shape: () => Shape; readonly isOptional: boolean }>
  readonly rest: (() => Shape) | undefined
}

export interface Property {
  readonly name: string
  readonly shape: () => Shape
  readonly isOptional: boolean
  /** Whether `null` can only mean that an optional value is missing. */
  readonly nullIsMissing: boolean
}

export interface Struct {
  readonly _tag: "Struct"
  readonly properties: ReadonlyMap<string, Property>
  /** The same, for loops. */
  readonly list: ReadonlyArray<Property>
  /** Whether it allows other keys, which then are a part of the value. */
  readonly isOpen: boolean
  /** Whether a property has the name of a member of every object. */
  readonly hasInheritedNames: boolean
  /** The values of keys that are not properties. */
  readonly others: (() => Shape) | undefined
}

export interface Union {
  readonly _tag: "Union"
  readonly members: ReadonlyArray<Shape>
  /** The members that take each kind of value. */
  readonly byKind: Readonly<Record<Kind, ReadonlyArray<Shape>>>
}

export const anything: Shape = { _tag: "Anything" }

export const struct = (list: ReadonlyArray<Property>, others: Struct["others"], isOpen = false): Struct => ({
  _tag: "Struct",
  properties: new Map(list.map((property) => [property.name, property])),
  list,
  isOpen,
  hasInheritedNames: list.some(({ name }) => name in Object.prototype),
  others
})

/** Unions in unions are one union, and so are all literals of one. */
export const union = (members: ReadonlyArray<Shape>): Shape => {
  const flat = members.flatMap((member) => member._tag === "Union" ? member.members : [member])
  const literals = flat.flatMap((member) => member._tag === "Literals" ? member.values : [])
  const others = flat.filter((member) => member._tag !== "Literals")
  const all = literals.length === 0 ? others : [{ _tag: "Literals" as const, values: literals }, ...others]
  if (all.length === 1) return all[0]!
  const taking = (kind: Kind): ReadonlyArray<Shape> => all.filter((member) => takesKind(member, kind))
  return {
    _tag: "Union",
    members: all,
    byKind: {
      null: taking("null"),
      boolean: taking("boolean"),
      number: taking("number"),
      string: taking("string"),
      list: taking("list"),
      object: taking("object")
    }
  }
}

/** Whether a value of this kind can have the shape, in the ordinary form or in the strict one. */
export const takesKind = (shape: Shape, kind: Kind): boolean => {
  switch (shape._tag) {
    case "Anything":
      return true
    case "Literals":
      return shape.values.some((value) => kindOf(value) === kind)
    case "Scalar":
      return shape.kind === kind
    case "List":
      return kind === "list"
    case "Tuple":
      return kind === "list" || kind === "object"
    case "Struct":
      return kind === "object" || kind === "list" && shape.others !== undefined
    case "Union":
      return shape.members.some((member) => takesKind(member, kind))
  }
}

/** Whether a value of this kind has the shape in its ordinary form, if it has the shape at all. */
export const isOrdinaryKind = (shape: Shape, kind: Kind): boolean =>
  !(shape._tag === "Struct" && kind === "list" || shape._tag === "Tuple" && kind === "object")

/**
 * How well a value fits a shape: -1 if it does not, otherwise the number of its keys and scalars that the shape knows.
 * Checks of lists and objects are left to the decoder.
 */
export const fit = (shape: Shape, json: unknown): number => {
  switch (shape._tag) {
    case "Anything":
      return 1
    case "Literals":
      return shape.values.includes(json as string) ? 1 : -1
    case "Scalar":
      return shape.accepts(json) ? 1 : -1
    case "List":
      return Array.isArray(json) ? fitAll(json, shape.element()) : -1
    case "Tuple":
      return fitTuple(shape, json)
    case "Struct":
      return Array.isArray(json) ? fitEntries(shape, json) : isObject(json) ? fitObject(shape, json) : -1
    case "Union":
      return shape.members.reduce((best, member) => Math.max(best, fit(member, json)), -1)
  }
}

/** Whether a shape knows a key of an object. One that knows none would drop all of it. */
export const knowsSome = (shape: Shape, json: unknown): boolean =>
  shape._tag !== "Struct" || !isObject(json) || shape.others !== undefined ||
  Object.keys(json).some((key) => shape.properties.has(key))

/** Whether an object that a shape may be has one of the keys of a value. */
export const describesSome = (shape: Shape, json: JsonObject): boolean =>
  shape._tag === "Union"
    ? shape.members.some((member) => describesSome(member, json))
    : shape._tag === "Struct" && knowsSome(shape, json)

export const isObject = (json: unknown): json is JsonObject =>
  typeof json === "object" && json !== null && !Array.isArray(json)

const fitAll = (list: ReadonlyArray<unknown>, element: Shape): number => {
  let sum = 0
  for (const json of list) {
    const one = fit(element, json)
    if (one === -1) return -1
    sum += one
  }
  return sum
}

const fitTuple = ({ elements, rest }: Tuple, json: unknown): number => {
  const list = Array.isArray(json) ? json : isObject(json) ? fromPositions(json, elements.length) : undefined
  if (list === undefined || list.length > elements.length && rest === undefined) return -1
  let sum = 0
  for (let i = 0; i < Math.max(elements.length, list.length); i++) {
    const element = elements[i]
    if (i >= list.length) {
      if (!element!.isOptional) return -1
      continue
    }
    if (element?.isOptional === true && list[i] === null) continue
    const one = fit(element === undefined ? rest!() : element.shape(), list[i])
    if (one === -1) return -1
    sum += one
  }
  return sum
}

/** The list that an object of positions stands for, unless it is another object. */
export const fromPositions = (json: JsonObject, length: number): ReadonlyArray<unknown> | undefined => {
  const out: Array<unknown> = []
  const keys = Object.keys(json)
  for (let i = 0; i < length && Object.hasOwn(json, String(i)); i++) out.push(json[i])
  if (out.length === 0 && length > 0) return undefined
  const rest = Object.hasOwn(json, restKey) ? json[restKey] : undefined
  if (keys.length !== out.length + (rest === undefined ? 0 : 1)) return undefined
  return Array.isArray(rest) ? [...out, ...rest] : rest === undefined || rest === null ? out : undefined
}

const fitEntries = (shape: Struct, json: ReadonlyArray<unknown>): number => {
  const object = shape.others === undefined ? undefined : fromEntries(json)
  return object === undefined ? -1 : fitObject(shape, object)
}

/** The object that a list of entries stands for, unless it is another list or a key occurs twice. */
export const fromEntries = (list: ReadonlyArray<unknown>): JsonObject | undefined => {
  const object: Record<string, unknown> = Object.create(null)
  for (const entry of list) {
    if (!isObject(entry) || Object.keys(entry).length !== 2) return undefined
    const key = Object.hasOwn(entry, entryKeys.key) ? entry[entryKeys.key] : undefined
    if (typeof key !== "string" || !Object.hasOwn(entry, entryKeys.value) || Object.hasOwn(object, key)) {
      return undefined
    }
    object[key] = entry[entryKeys.value]
  }
  return object
}

const fitObject = ({ others, properties }: Struct, json: JsonObject): number => {
  let sum = 0
  let known = 0
  for (const [name, property] of properties) {
    if (!Object.hasOwn(json, name)) {
      if (!property.isOptional) return -1
      continue
    }
    known++
    const value = json[name]
    if (value === null && property.nullIsMissing) continue
    const one = fit(property.shape(), value)
    if (one === -1) return -1
    sum += one + 1
  }
  const keys = Object.keys(json)
  if (others === undefined) return known === 0 && keys.length > 0 ? -1 : sum
  for (const key of keys) {
    if (properties.has(key)) continue
    const one = fit(others(), json[key])
    if (one === -1) return -1
    sum += one + 1
  }
  return sum
}
