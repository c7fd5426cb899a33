/**
 * Schemas that fit on a command line, as JSON Schema: `{ name, age: int, tags: string[], email?: string, kind: "a" | "b" }`.
 * A field without a type is a string; one with a question mark may be absent.
 */
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"

type Document = { readonly [key: string]: Schema.Json }

const types: Readonly<Record<string, Document>> = {
  string: { type: "string" },
  text: { type: "string" },
  int: { type: "integer" },
  integer: { type: "integer" },
  number: { type: "number" },
  float: { type: "number" },
  bool: { type: "boolean" },
  boolean: { type: "boolean" },
  date: { type: "string", format: "date" },
  datetime: { type: "string", format: "date-time" },
  null: { type: "null" }
}

/** Whether `--schema` is a schema itself, and not the name of a file. */
export const isInline = (specifier: string): boolean => /^\s*[{[]/.test(specifier)

/** A JSON Schema document, from one written as JSON or from the short form. */
export const parse = (source: string): Result.Result<unknown, string> => {
  const json = Result.try((): unknown => JSON.parse(source))
  return Result.isSuccess(json) && Predicate.isObject(json.success) && Object.keys(json.success).length > 0
    ? Result.succeed(json.success)
    : Result.flatMap(tokenize(source), parseTokens)
}

interface Token {
  readonly text: string
  /** The position in the source, from 1. */
  readonly at: number
}

const pattern = /\s+|[A-Za-z_$][\w$-]*|"(?:[^"\\]|\\.)*"|'[^'\\]*'|-?\d+(?:\.\d+)?|[{}[\](),;:?|]/y

const tokenize = (source: string): Result.Result<ReadonlyArray<Token>, string> => {
  const tokens: Array<Token> = []
  pattern.lastIndex = 0
  for (let at = 0; at < source.length; at = pattern.lastIndex) {
    const match = pattern.exec(source)
    if (match === null) return Result.fail(`it has ${JSON.stringify(source[at])} at ${at + 1}`)
    if (match[0].trim() !== "") tokens.push({ text: match[0], at: at + 1 })
  }
  return Result.succeed(tokens)
}

/** Deeper schemas belong into a file. */
const maxDepth = 20

const parseTokens = (tokens: ReadonlyArray<Token>): Result.Result<Document, string> => {
  let next = 0
  let depth = 0

  const peek = (): string | undefined => tokens[next]?.text
  const take = (text: string): boolean => {
    if (peek() !== text) return false
    next++
    return true
  }
  const fail = <A = never>(expected: string): Result.Result<A, string> => {
    const token = tokens[next]
    return Result.fail(
      `expected ${expected}, got ${token === undefined ? "its end" : `${JSON.stringify(token.text)} at ${token.at}`}`
    )
  }

  const union = (): Result.Result<Document, string> => {
    if (++depth > maxDepth) return Result.fail("it is nested too deeply")
    const members: Array<Document> = []
    do {
      const member = list()
      if (Result.isFailure(member)) return member
      members.push(member.success)
    } while (take("|"))
    depth--
    return Result.succeed(unite(members))
  }

  const list = (): Result.Result<Document, string> => {
    let inner = single()
    while (Result.isSuccess(inner) && take("[")) {
      if (!take("]")) return fail("]")
      inner = Result.succeed({ type: "array", items: inner.success })
    }
    return inner
  }

  const single = (): Result.Result<Document, string> => {
    const text = peek()
    if (text === undefined) return fail("a type")
    if (take("{")) return object()
    if (take("(")) return Result.filterOrFail(union(), () => take(")"), () => "a ( has no )")
    if (take("[")) {
      const items = union()
      return Result.isFailure(items)
        ? items
        : take("]")
        ? Result.succeed({ type: "array", items: items.success })
        : fail("]")
    }
    const literal = literalOf(text)
    if (literal !== undefined) {
      next++
      return Result.succeed({ enum: [literal] })
    }
    if (!Object.hasOwn(types, text)) {
      return fail(`a type (${Object.keys(types).join(", ")}, "a literal", { … } or type[])`)
    }
    next++
    return Result.succeed(types[text]!)
  }

  const object = (): Result.Result<Document, string> => {
    const properties = new Map<string, Document>()
    const required: Array<string> = []
    while (!take("}")) {
      const name = nameOf(peek())
      if (name === undefined) return fail("the name of a field or }")
      if (properties.has(name)) return Result.fail(`it has the field ${JSON.stringify(name)} twice`)
      next++
      if (!take("?")) required.push(name)
      const type = take(":") ? union() : Result.succeed(types["string"]!)
      if (Result.isFailure(type)) return type
      properties.set(name, type.success)
      if (!take(",") && !take(";") && peek() !== "}") return fail(", or }")
    }
    return properties.size === 0
      ? Result.fail("it has no fields")
      : Result.succeed({ type: "object", properties: Object.fromEntries(properties), required })
  }

  const document = union()
  return Result.isSuccess(document) && next < tokens.length ? fail("its end") : document
}

const nameOf = (text: string | undefined): string | undefined =>
  text === undefined
    ? undefined
    : /^[A-Za-z_$]/.test(text)
    ? text
    : /^["']/.test(text)
    ? String(literalOf(text))
    : undefined

const literalOf = (text: string): string | number | boolean | undefined =>
  text.startsWith("\"")
    ? Result.getOrElse(Result.try(() => JSON.parse(text) as string), () => text.slice(1, -1))
    : text.startsWith("'")
    ? text.slice(1, -1)
    : /^-?\d/.test(text)
    ? Number(text)
    : text === "true" || text === "false"
    ? text === "true"
    : undefined

/** Literals become one list. */
const unite = (members: ReadonlyArray<Document>): Document => {
  if (members.length === 1) return members[0]!
  const literals = members.flatMap(({ enum: values }) => Array.isArray(values) ? values : [])
  const others = members.filter((member) => member["enum"] === undefined)
  const all: ReadonlyArray<Document> = literals.length > 0 ? [{ enum: literals }, ...others] : others
  return all.length === 1 ? all[0]! : { anyOf: all }
}
