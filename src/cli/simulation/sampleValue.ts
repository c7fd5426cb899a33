/** A value that matches a JSON Schema, made of the words and numbers of a text where possible. */
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

export type Node = { readonly [key: string]: unknown }

/** Below this depth, optional properties are left out. */
const maxDepth = 6

interface Sampler {
  readonly root: Node
  readonly words: ReadonlyArray<string>
  readonly numbers: ReadonlyArray<number>
  /** A pseudo-random number from 0 up to, but not including, a bound. */
  readonly next: (below: number) => number
}

export const make = (root: Node, text: string): Schema.Json => {
  const sampler: Sampler = {
    root,
    words: wordsOf(text),
    numbers: (text.match(/\d+(?:\.\d+)?/g) ?? []).map(Number),
    next: xorshift(hash(text))
  }
  return valueOf(sampler, root, 0)
}

/** Small, and the same on every machine. */
const xorshift = (seed: number): Sampler["next"] => {
  let state = seed
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

const resolve = ({ root }: Sampler, node: unknown): Node => {
  let current = asNode(node)
  for (let hops = 0; Predicate.isString(current["$ref"]) && hops < 32; hops++) {
    const path = current["$ref"].replace(/^#\/?/, "").split("/").filter((part) => part !== "")
    current = asNode(
      path.reduce(
        (inner: unknown, key) => asNode(inner)[decodeURIComponent(key).replace(/~1/g, "/").replace(/~0/g, "~")],
        root
      )
    )
  }
  return current
}

const valueOf = (sampler: Sampler, unresolved: unknown, depth: number): Schema.Json => {
  const { next } = sampler
  const node = merged(sampler, resolve(sampler, unresolved))
  if ("const" in node) return node["const"] as Schema.Json
  const choices = node["enum"]
  if (Array.isArray(choices) && choices.length > 0) return choices[next(choices.length)] as Schema.Json
  const branches = node["anyOf"] ?? node["oneOf"]
  if (Array.isArray(branches) && branches.length > 0) return branch(sampler, branches, depth)
  const types = Array.isArray(node["type"]) ? node["type"] : [node["type"]]
  const type = types.find((type) => type !== "null") ?? types[0]
  switch (type) {
    case "object":
      return object(sampler, node, depth)
    case "array":
      return array(sampler, node, depth)
    case "string":
      return string(sampler, node)
    case "integer":
    case "number":
      return number(sampler, node, type === "integer")
    case "boolean":
      return next(2) === 1
    case "null":
      return null
    default:
      return "properties" in node
        ? object(sampler, node, depth)
        : "items" in node
        ? array(sampler, node, depth)
        : string(sampler, node)
  }
}

const merged = (sampler: Sampler, node: Node): Node => {
  const parts = node["allOf"]
  if (!Array.isArray(parts)) return node
  const all = [node, ...parts.map((part) => merged(sampler, resolve(sampler, part)))]
  return {
    ...Object.assign({}, ...all),
    allOf: undefined,
    properties: Object.assign({}, ...all.map(({ properties }) => asNode(properties))),
    required: all.flatMap(({ required }) => asList(required))
  }
}

/** Prefers values to null and, far down, scalars to containers. */
const branch = (sampler: Sampler, branches: ReadonlyArray<unknown>, depth: number): Schema.Json => {
  const { next } = sampler
  const typeOf = (node: unknown): unknown => resolve(sampler, node)["type"]
  const some = branches.filter((node) => typeOf(node) !== "null")
  const scalars = branches.filter((node) => !["object", "array", undefined].includes(typeOf(node) as string))
  if (depth >= maxDepth && scalars.length > 0) return valueOf(sampler, scalars[next(scalars.length)], depth + 1)
  return valueOf(sampler, some.length === 0 ? branches[0] : some[next(some.length)], depth + 1)
}

const object = (sampler: Sampler, node: Node, depth: number): Schema.Json => {
  const required = asList(node["required"])
  return Object.fromEntries(
    Object.entries(asNode(node["properties"]))
      .filter(([key]) => depth < maxDepth || required.includes(key))
      .map(([key, property]) => [key, valueOf(sampler, property, depth + 1)])
  )
}

const array = (sampler: Sampler, node: Node, depth: number): Schema.Json => {
  const prefix = asList(node["prefixItems"])
  const least = toNumber(node["minItems"]) ?? 0
  const most = toNumber(node["maxItems"]) ?? Infinity
  const count = Math.min(most, Math.max(least, depth >= maxDepth ? 0 : 1 + sampler.next(2), prefix.length))
  const items = Array.from({ length: count }, (_, i) => valueOf(sampler, prefix[i] ?? node["items"], depth + 1))
  return items.filter((item, i) => i < least || !items.slice(0, i).some((other) => isSameEntry(item, other)))
}

/** Records are lists of entries in a strict schema, and their keys differ. */
const isSameEntry = (a: Schema.Json, b: Schema.Json): boolean =>
  Predicate.isObject(a) && Predicate.isObject(b) && "key" in a && "key" in b && a["key"] === b["key"]

const string = ({ next, words }: Sampler, node: Node): string => {
  if (Predicate.isString(node["pattern"])) return ofPattern(next, node["pattern"])
  // Schemas of dates say so in their description, because strict schemas have no formats.
  const isDate = Predicate.isString(node["description"]) && node["description"].includes("ISO 8601")
  const known = formats[isDate ? "date-time" : String(node["format"])]
  if (known !== undefined) return known(next)
  const word = (): string => words.length === 0 ? "sample" : words[next(words.length)]!
  const least = toNumber(node["minLength"]) ?? 0
  const most = toNumber(node["maxLength"]) ?? Infinity
  let text = word()
  while (text.length < least) text += ` ${word()}`
  return text.slice(0, most)
}

const ofPattern = (next: Sampler["next"], pattern: string): string => {
  const sample = Result.try(() => Schema.String.check(Schema.isPattern(new RegExp(pattern, "u")))).pipe(
    Result.getSuccess,
    Option.flatMap((schema) =>
      Effect.runSync(
        Effect.option(Arbitrary.sampleEffect(Arbitrary.schema(schema), { size: 1, seed: next(2 ** 31) }))
      )
    )
  )
  return Option.match(sample, { onNone: () => "sample", onSome: ([text]) => text ?? "sample" })
}

const number = ({ next, numbers }: Sampler, node: Node, isInteger: boolean): number => {
  const step = toNumber(node["multipleOf"]) ?? (isInteger ? 1 : 0.01)
  const above = toNumber(node["exclusiveMinimum"])
  const below = toNumber(node["exclusiveMaximum"])
  const least = toNumber(node["minimum"]) ?? (above === undefined ? undefined : above + step)
  const most = toNumber(node["maximum"]) ?? (below === undefined ? undefined : below - step)
  const lowest = least ?? Math.min(0, most ?? 0)
  const highest = most ?? Math.max(100, lowest + 100)
  const fits = numbers.filter((n) => n >= lowest && n <= highest && isMultiple(n, step))
  if (fits.length > 0) return fits[next(fits.length)]!
  const first = Math.ceil(lowest / step)
  const last = Math.floor(highest / step)
  const multiple = first + next(Math.max(1, Math.min(last - first + 1, 2 ** 31)))
  return isInteger ? multiple * step : Number((multiple * step).toFixed(6))
}

const formats: Readonly<Record<string, (next: (below: number) => number) => string>> = {
  "date": (next) => `20${two(next(30))}-${two(1 + next(12))}-${two(1 + next(28))}`,
  "time": (next) => `${two(next(24))}:${two(next(60))}:${two(next(60))}Z`,
  "date-time": (next) => `${formats["date"]!(next)}T${formats["time"]!(next)}`,
  "duration": (next) => `PT${1 + next(59)}M`,
  "email": (next) => `someone${next(100)}@example.com`,
  "hostname": (next) => `host${next(100)}.example.com`,
  "ipv4": (next) => `192.0.2.${next(256)}`,
  "ipv6": (next) => `2001:db8::${next(10_000)}`,
  "uri": (next) => `https://example.com/${next(1000)}`,
  "uuid": (next) => `00000000-0000-4000-8000-${String(next(2 ** 31)).padStart(12, "0")}`
}

/** The names in a text, or all its words without any. */
const wordsOf = (text: string): ReadonlyArray<string> => {
  const all = text.match(/\p{L}[\p{L}\p{M}\p{N}'’-]*/gu) ?? []
  const names = all.filter((word) => /^\p{Lu}\p{Ll}{2}/u.test(word))
  return names.length > 0 ? names : all
}

const two = (n: number): string => String(n).padStart(2, "0")

const isMultiple = (n: number, step: number): boolean => Math.abs(n / step - Math.round(n / step)) < 1e-9

const toNumber = (value: unknown): number | undefined => Predicate.isNumber(value) ? value : undefined

const asNode = (value: unknown): Node => Predicate.isObject(value) ? value : {}

const asList = (value: unknown): ReadonlyArray<unknown> => Array.isArray(value) ? value : []

/** FNV-1a, but never zero, from which xorshift only makes zeros. */
const hash = (text: string): number => {
  let value = 0x811c9dc5
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193)
  return value === 0 ? 1 : value
}
