/**
 * Brings an answer into the ordinary form of its schema's encoded side: strict forms into records and tuples, `null`
 * into a missing key and, where exactly one reading exists, values written in another way. What it cannot read it leaves
 * to the decoder, whose issues then say why.
 */
import type { Coercion } from "../Coercion.ts"
import * as Shape from "./shape.ts"

type Path = Array<string | number>

export interface Normalized {
  readonly json: unknown
  readonly coercions: ReadonlyArray<Coercion>
  /** Objects with none of the keys that the schema knows: they are other objects, and not this one left empty. */
  readonly foreign: ReadonlyArray<ReadonlyArray<string | number>>
  /** Whether the answer is such an object, but one that its schema allows. */
  readonly isStrange: boolean
}

interface Reading {
  readonly coerces: boolean
  readonly path: Path
  readonly coercions: Array<Coercion>
  readonly foreign: Array<ReadonlyArray<string | number>>
  isStrange: boolean
}

const none: ReadonlyArray<never> = []

export const normalize = (shape: Shape.Shape, json: unknown, coerces: boolean): Normalized => {
  const reading: Reading = { coerces, path: [], coercions: [], foreign: [], isStrange: false }
  const natural = read(shape, json, reading)
  const { coercions, foreign, isStrange } = reading
  return { json: natural, coercions, foreign: foreign.length === 0 ? none : foreign, isStrange }
}

const coerced = (reading: Reading, kind: Coercion["kind"]): void => {
  reading.coercions.push({ path: [...reading.path], kind })
}

const at = (reading: Reading, key: string | number, shape: Shape.Shape, json: unknown): unknown => {
  reading.path.push(key)
  const natural = read(shape, json, reading)
  reading.path.pop()
  return natural
}

const read = (shape: Shape.Shape, json: unknown, reading: Reading): unknown => {
  switch (shape._tag) {
    case "Anything":
      return json
    case "Literals":
      return shape.values.includes(json as string) ? json : readLiteral(shape, json, reading)
    case "Scalar":
      return typeof json === shape.kind ? json : readScalar(shape, json, reading)
    case "List":
      return readList(shape, json, reading)
    case "Tuple":
      return readTuple(shape, json, reading)
    case "Struct":
      return readStruct(shape, json, reading)
    case "Union":
      return readUnion(shape, json, reading)
  }
}

/** A literal in another case, in quotes, or written as text: the only one that it can be. */
const readLiteral = ({ values }: Shape.Literals, json: unknown, reading: Reading): unknown => {
  if (!reading.coerces || !isScalar(json)) return json
  const text = foldLiteral(String(json))
  const matching = values.filter((value) => foldLiteral(String(value)) === text)
  if (matching.length !== 1) return json
  coerced(reading, "literal")
  return matching[0]
}

const isScalar = (json: unknown): json is string | number | boolean =>
  typeof json === "string" || typeof json === "number" || typeof json === "boolean"

const foldLiteral = (text: string): string => text.trim().replace(/^(["'`])(.*)\1$/s, "$2").trim().toLowerCase()

const readScalar = ({ accepts, kind }: Shape.Scalar, json: unknown, reading: Reading): unknown => {
  if (!reading.coerces || typeof json !== "string" || kind === "string") return json
  const value = kind === "boolean" ? toBoolean(json) : toNumber(json)
  if (value === undefined || !accepts(value)) return json
  coerced(reading, kind)
  return value
}

const toBoolean = (text: string): boolean | undefined => {
  switch (text.trim().toLowerCase()) {
    case "true":
      return true
    case "false":
      return false
    default:
      return undefined
  }
}

const plainNumber = /^[-+]?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?$/
/** One separator before three digits may be either of the two kinds; several groups, or both kinds, leave no doubt. */
const groupedWithCommas = /^[-+]?[1-9]\d{0,2}(?:(?:,\d{3}){2,}|(?:,\d{3})+\.\d+)$/
const groupedWithPoints = /^[-+]?[1-9]\d{0,2}(?:(?:\.\d{3}){2,}|(?:\.\d{3})+,\d+)$/
const groupedWithSpaces = /^[-+]?[1-9]\d{0,2}(?:[ \u00A0\u202F'’_]\d{3})+(?:\.\d+)?$/

const toNumber = (text: string): number | undefined => {
  const trimmed = text.trim()
  const plain = plainNumber.test(trimmed)
    ? trimmed
    : groupedWithCommas.test(trimmed)
    ? trimmed.replaceAll(",", "")
    : groupedWithPoints.test(trimmed)
    ? trimmed.replaceAll(".", "").replace(",", ".")
    : groupedWithSpaces.test(trimmed)
    ? trimmed.replace(/[ \u00A0\u202F'’_]/g, "")
    : undefined
  const value = plain === undefined ? undefined : Number(plain)
  return value === undefined || !Number.isFinite(value) || isInexact(plain!, value) ? undefined : value
}

/** Whether a whole number has more digits than a double holds. */
const isInexact = (text: string, value: number): boolean =>
  Number.isInteger(value) && !Number.isSafeInteger(value) &&
  !/[eE.]/.test(text)

const readList = ({ element }: Shape.List, json: unknown, reading: Reading): unknown => {
  if (Array.isArray(json)) return mapList(json, (one, i) => at(reading, i, element(), one))
  if (!reading.coerces || json === null || json === undefined || Shape.fit(element(), json) === -1) return json
  coerced(reading, "list")
  return [at(reading, 0, element(), json)]
}

const mapList = (list: ReadonlyArray<unknown>, f: (json: unknown, i: number) => unknown): ReadonlyArray<unknown> => {
  let out: Array<unknown> | undefined
  for (let i = 0; i < list.length; i++) {
    const natural = f(list[i], i)
    if (natural !== list[i]) out ??= [...list]
    if (out !== undefined) out[i] = natural
  }
  return out ?? list
}

const readTuple = ({ elements, rest }: Shape.Tuple, json: unknown, reading: Reading): unknown => {
  const list = Array.isArray(json)
    ? json
    : Shape.isObject(json)
    ? withoutMissing(Shape.fromPositions(json, elements.length), elements)
    : undefined
  if (list === undefined) return json
  return mapList(list, (one, i) => {
    const element = elements[i]
    return element === undefined && rest === undefined
      ? one
      : at(reading, i, element === undefined ? rest!() : element.shape(), one)
  })
}

/** In the strict form an optional element at the end is `null` when it is missing. */
const withoutMissing = (
  list: ReadonlyArray<unknown> | undefined,
  elements: Shape.Tuple["elements"]
): ReadonlyArray<unknown> | undefined => {
  if (list === undefined || list.length > elements.length) return list
  let length = list.length
  while (length > 0 && list[length - 1] === null && elements[length - 1]!.isOptional) length--
  return length === list.length ? list : list.slice(0, length)
}

const readStruct = (shape: Shape.Struct, json: unknown, reading: Reading): unknown => {
  if (Shape.isObject(json)) return readObject(shape, json, reading)
  const object = Array.isArray(json) && shape.others !== undefined ? Shape.fromEntries(json) : undefined
  return object === undefined ? json : readObject(shape, object, reading)
}

const readObject = (shape: Shape.Struct, json: Shape.JsonObject, reading: Reading): Shape.JsonObject => {
  const { others, properties } = shape
  let out: Record<string, unknown> | undefined
  let known = 0
  const change = (key: string, value: unknown): void => {
    // Without a prototype, whose members the decoder would take for keys.
    out ??= Object.assign(Object.create(null), json) as Record<string, unknown>
    if (value === undefined) delete out[key]
    else out[key] = value
  }
  for (const [name, property] of properties) {
    if (!Object.hasOwn(json, name)) {
      if (name in json) change(name, undefined)
      continue
    }
    known++
    const value = json[name]
    if (value === null && property.nullIsMissing && (reading.coerces || !shape.isOpen || saysMore(shape, json))) {
      change(name, undefined)
    } else {
      const natural = at(reading, name, property.shape(), value)
      if (natural !== value) change(name, natural)
    }
  }
  const count = Object.keys(json).length
  if (known === count) return out ?? json
  if (others !== undefined) {
    for (const key of Object.keys(json)) {
      if (properties.has(key)) continue
      const natural = at(reading, key, others(), json[key])
      if (natural !== json[key]) change(key, natural)
    }
    return out ?? json
  }
  if (reading.coerces && known < properties.size && renameKeys(shape, json, reading, change)) return out!
  if (known === 0 && properties.size > 0) {
    if (!shape.isOpen) reading.foreign.push([...reading.path])
    else if (reading.path.length === 0) reading.isStrange = true
  }
  return out ?? json
}

/**
 * Whether an object with a `null` says something else, or is in the strict form, in which exactly the known keys are.
 * Where it is neither, the `null` is what the answer says, and the object without it would be another value.
 */
const saysMore = ({ list }: Shape.Struct, json: Shape.JsonObject): boolean => {
  const known = list.filter(({ name }) => Object.hasOwn(json, name))
  return known.some(({ name }) => json[name] !== null) ||
    known.length === list.length && Object.keys(json).length === known.length
}

/** Gives keys in another case their names, where only one key can be meant. */
const renameKeys = (
  { isOpen, properties }: Shape.Struct,
  json: Shape.JsonObject,
  reading: Reading,
  change: (key: string, value: unknown) => void
): boolean => {
  const unknown = Object.keys(json).filter((key) => !properties.has(key))
  const missing = Array.from(properties.keys()).filter((name) =>
    !Object.hasOwn(json, name) && !(isOpen && properties.get(name)!.isOptional)
  )
  const renamed = missing.flatMap((name) => {
    const folded = foldKey(name)
    const matching = unknown.filter((key) => foldKey(key) === folded)
    const rivals = missing.filter((other) => foldKey(other) === folded)
    return matching.length === 1 && rivals.length === 1 ? [[name, matching[0]!] as const] : []
  })
  for (const [name, key] of renamed) {
    change(key, undefined)
    const property = properties.get(name)!
    const value = json[key]
    if (value === null && property.nullIsMissing) continue
    reading.path.push(name)
    coerced(reading, "key")
    reading.path.pop()
    change(name, at(reading, name, property.shape(), value))
  }
  return renamed.length > 0
}

const foldKey = (key: string): string => key.toLowerCase().replace(/[\s_-]/g, "")

const readUnion = ({ byKind, members }: Shape.Union, json: unknown, reading: Reading): unknown => {
  const candidates = byKind[Shape.kindOf(json)]
  if (candidates.length === 1 && candidates[0]!._tag !== "Literals") {
    const [member] = candidates
    if (!reading.coerces || Shape.fit(member!, json) >= 0 || members.length === 1) return read(member!, json, reading)
  }
  const best = bestOf(candidates, json)
  if (best !== undefined) return read(best, json, reading)
  return reading.coerces ? readOnlyReading(members, json, reading) : json
}

/** The member that uses most of a value; the first of equal ones. */
const bestOf = (members: ReadonlyArray<Shape.Shape>, json: unknown): Shape.Shape | undefined => {
  let best: Shape.Shape | undefined
  let most = -1
  // A value in the ordinary form of one member is not one in the strict form of another.
  const kind = Shape.kindOf(json)
  const natural = members.filter((member) => Shape.isOrdinaryKind(member, kind) && Shape.fit(member, json) >= 0)
  for (const member of natural.length === 0 ? members : natural) {
    const used = Shape.fit(member, json)
    if (used > most) {
      most = used
      best = member
    }
  }
  return best
}

/** Coerces a value to the one member that it can be coerced to. With two of them either could be meant. */
const readOnlyReading = (members: ReadonlyArray<Shape.Shape>, json: unknown, reading: Reading): unknown => {
  const readings = members.flatMap((member) => {
    const trial: Reading = { ...reading, path: [...reading.path], coercions: [], foreign: [] }
    const natural = read(member, json, trial)
    return trial.foreign.length === 0 && Shape.fit(member, natural) >= 0 ? [{ natural, trial }] : []
  })
  if (readings.length !== 1) return json
  const [{ natural, trial }] = readings as [typeof readings[number]]
  reading.coercions.push(...trial.coercions)
  return natural
}
