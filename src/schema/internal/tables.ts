/**
 * Lists of objects as tables: the names of the keys once, then rows of values. Models write fewer tokens so. A list of
 * which two objects would have the same table stays as it is, and so does every list of a recursive schema.
 */
import { memoize } from "effect/Function"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import type { SchemaDocument } from "../Dialect.ts"
import { isNode, isRecursive, type Node, referenceOf } from "./jsonSchema.ts"
import { hasNull } from "./strictForm.ts"

/** The keys of a table. */
const keys = { columns: "columns", rows: "rows" } as const

type Path = ReadonlyArray<string | number>

/** A table that cannot be read. */
interface Problem {
  readonly path: Path
  readonly message: string
}

interface Tables {
  readonly document: SchemaDocument
  /** The answer with lists instead of its tables. Lists that the model wrote as such stay as they are. */
  readonly expand: (answer: unknown) => Result.Result<unknown, Problem>
  /** The opposite of `expand`. */
  readonly collapse: (json: Schema.Json) => Schema.Json
}

/** Where a value has tables. The parts are found when they are needed, because schemas may be recursive. */
type Plan =
  | { readonly _tag: "None" }
  | { readonly _tag: "Object"; readonly of: (key: string) => Plan }
  | { readonly _tag: "List"; readonly items: () => Plan }
  | { readonly _tag: "Table"; readonly columns: ReadonlyArray<Column>; readonly row: Plan }

const none: Plan = { _tag: "None" }

interface Column {
  readonly name: string
  /** Whether an object may lack it, so that a null stands for nothing. */
  readonly isOptional: boolean
}

/** The tables of a document, or `undefined` if it has no list that can be one. */
export const make = ({ definitions, schema }: SchemaDocument): Tables | undefined => {
  if (isRecursive(definitions)) return undefined
  const resolve = (node: Node): Node => definitions[referenceOf(node, definitions) ?? ""] ?? node
  let found = false

  const columnsOf = (list: Node): ReadonlyArray<Column> | undefined => {
    const item = isNode(list["items"]) ? resolve(list["items"]) : undefined
    const properties = item?.["properties"]
    if (list["type"] !== "array" || item?.["type"] !== "object" || !isNode(properties)) return undefined
    if (!hasOnly(list, listKeywords) || !hasOnly(item, itemKeywords) || isNode(item["additionalProperties"])) {
      return undefined
    }
    const required = Array.isArray(item["required"]) ? item["required"] : []
    const columns = Object.keys(properties).map((name) => ({ name, isOptional: !required.includes(name) }))
    const isAmbiguous = columns.some(({ isOptional, name }) =>
      isOptional && takesNull(resolve(properties[name] as Node), resolve)
    )
    return columns.length < 2 || isAmbiguous ? undefined : columns
  }

  const planOf = memoize((node: Node): Plan => {
    const at = resolve(node)
    const [only, ...others] = Array.isArray(at["anyOf"]) ? at["anyOf"].filter((one) => one["type"] !== "null") : []
    if (isNode(only)) return others.length === 0 ? planOf(only) : none
    if (at["type"] === "object" && isNode(at["properties"])) return objectOf(at["properties"])
    if (at["type"] !== "array" || !isNode(at["items"])) return none
    const items = at["items"]
    const columns = columnsOf(at)
    return columns === undefined
      ? { _tag: "List", items: () => planOf(items) }
      : { _tag: "Table", columns, row: objectOf(resolve(items)["properties"] as Node) }
  })

  const objectOf = (properties: Node): Plan => ({
    _tag: "Object",
    of: (key) => isNode(properties[key]) ? planOf(properties[key]) : none
  })

  const rewritten = memoize((node: Node): Node => {
    const columns = columnsOf(node)
    if (columns !== undefined) {
      found = true
      return tableOf(node, resolve(node["items"] as Node), columns)
    }
    const { anyOf, items, properties } = node
    return {
      ...node,
      ...(isNode(properties) && { properties: mapped(properties) }),
      ...(isNode(items) && { items: rewritten(items) }),
      // A union of several forms is not looked into.
      ...(Array.isArray(anyOf) && anyOf.filter((one) => one["type"] !== "null").length === 1 &&
        { anyOf: anyOf.map((one) => rewritten(one)) })
    }
  })

  const mapped = (nodes: Node): Node =>
    Object.fromEntries(Object.entries(nodes).map(([name, node]) => [name, isNode(node) ? rewritten(node) : node]))

  const tableOf = (list: Node, item: Node, columns: ReadonlyArray<Column>): Node => {
    const properties = item["properties"] as Readonly<Record<string, Node>>
    const { items: _, maxItems, minItems, type: __, ...rest } = list
    const meanings = columns.flatMap(({ name }) => {
      const description = properties[name]!["description"] ?? resolve(properties[name]!)["description"]
      return Predicate.isString(description) ? [`${name}: ${description}`] : []
    })
    const said = [list["description"] ?? item["description"], explanation].filter(Predicate.isString).join(". ")
    const cells = [
      ...columns.flatMap(({ name }) => membersOf(rewritten(properties[name]!))),
      ...(columns.some(({ isOptional }) => isOptional) ? [{ type: "null" }] : [])
    ]
    const distinct = Array.from(new Map(cells.map((cell) => [JSON.stringify(cell), cell])).values())
    return {
      ...rest,
      type: "object",
      description: said,
      properties: {
        [keys.columns]: {
          type: "array",
          items: { type: "string", enum: columns.map(({ name }) => name) },
          ...(meanings.length > 0 && { description: meanings.join("; ") })
        },
        [keys.rows]: {
          type: "array",
          items: { type: "array", items: distinct.length === 1 ? distinct[0] : { anyOf: distinct } },
          ...(minItems !== undefined && { minItems }),
          ...(maxItems !== undefined && { maxItems })
        }
      },
      required: [keys.columns, keys.rows],
      additionalProperties: false
    }
  }

  const root = rewritten(schema)
  const document = { schema: root, definitions: used(root, mapped(definitions) as SchemaDocument["definitions"]) }
  if (!found) return undefined
  return {
    document,
    expand: (answer) => expand(planOf(schema), answer, []),
    collapse: (json) => collapse(planOf(schema), json)
  }
}

const explanation = "A table: each row has one cell for each column, in the order of the columns; null for none"

const annotations = ["title", "description", "default", "examples", "$id", "$comment"]
const listKeywords = new Set([...annotations, "type", "items", "minItems", "maxItems"])
const itemKeywords = new Set([...annotations, "type", "properties", "required", "additionalProperties", "$defs"])

const hasOnly = (node: Node, keywords: ReadonlySet<string>): boolean =>
  Object.keys(node).every((keyword) => keywords.has(keyword))

const takesNull = (node: Node, resolve: (node: Node) => Node): boolean =>
  node["type"] === undefined && node["anyOf"] === undefined && node["enum"] === undefined || hasNull(node) ||
  Array.isArray(node["type"]) && node["type"].includes("null") ||
  Array.isArray(node["enum"]) && node["enum"].includes(null) ||
  Array.isArray(node["anyOf"]) && node["anyOf"].some((one) => takesNull(resolve(one), resolve))

/** The forms of a cell, without what the header says. */
const membersOf = (node: Node): ReadonlyArray<Node> => {
  const { anyOf, description: _, title: __, ...rest } = node
  return Array.isArray(anyOf) && Object.keys(rest).length === 0 ? anyOf.flatMap(membersOf) : [
    anyOf === undefined ? rest : { ...rest, anyOf }
  ]
}

/** The definitions that are still referred to. */
const used = (root: Node, definitions: SchemaDocument["definitions"]): SchemaDocument["definitions"] => {
  const names = new Set<string>()
  const visit = (node: unknown): void => {
    if (Array.isArray(node)) node.forEach(visit)
    else if (isNode(node)) {
      const name = referenceOf(node, definitions)
      if (name !== undefined && !names.has(name)) {
        names.add(name)
        visit(definitions[name])
      }
      Object.values(node).forEach(visit)
    }
  }
  visit(root)
  return Object.fromEntries(Object.entries(definitions).filter(([name]) => names.has(name)))
}

type Expanded = Result.Result<unknown, Problem>

const fail = (path: Path, message: string): Expanded => Result.fail({ path, message })

const expandAll = (
  values: ReadonlyArray<readonly [string | number, unknown]>,
  planOf: (key: string | number) => Plan,
  path: Path
): Result.Result<ReadonlyArray<readonly [string | number, unknown]>, Problem> => {
  const out: Array<readonly [string | number, unknown]> = []
  for (const [key, value] of values) {
    const expanded = expand(planOf(key), value, [...path, key])
    if (Result.isFailure(expanded)) return Result.fail(expanded.failure)
    out.push([key, expanded.success])
  }
  return Result.succeed(out)
}

const expand = (plan: Plan, value: unknown, path: Path): Expanded => {
  if (Array.isArray(value)) {
    const items = plan._tag === "Table" ? plan.row : plan._tag === "List" ? plan.items() : none
    return Result.map(expandAll(Array.from(value.entries()), () => items, path), (all) => all.map(([, one]) => one))
  }
  if (!isNode(value)) return Result.succeed(value)
  if (plan._tag === "Table") return expandTable(plan.columns, plan.row, value, path)
  return plan._tag === "Object"
    ? Result.map(expandAll(Object.entries(value), (key) => plan.of(String(key)), path), Object.fromEntries)
    : Result.succeed(value)
}

const expandTable = (columns: ReadonlyArray<Column>, row: Plan, value: Node, path: Path): Expanded => {
  const { columns: header, rows } = value
  if (!Array.isArray(header) || !Array.isArray(rows)) {
    return fail(path, "Expected a table with the columns and the rows")
  }
  const optional = new Map(columns.map(({ isOptional, name }) => [name, isOptional]))
  const strange = header.findIndex((name) => !optional.has(name))
  if (strange !== -1) return fail([...path, keys.columns, strange], "Expected the name of a column")
  if (new Set(header).size !== header.length) return fail([...path, keys.columns], "Expected each column once")
  const objects: Array<unknown> = []
  for (const [i, cells] of rows.entries()) {
    const at = [...path, keys.rows, i]
    if (!Array.isArray(cells)) return fail(at, "Expected a row of cells")
    if (cells.length !== header.length) {
      return fail(at, `Expected ${header.length} cells, one for each column, and not ${cells.length}`)
    }
    const members = header.flatMap((name: string, j): ReadonlyArray<readonly [string, unknown]> =>
      cells[j] === null && optional.get(name) === true ? [] : [[name, cells[j]]]
    )
    const expanded = expand(row, Object.fromEntries(members), at)
    if (Result.isFailure(expanded)) return expanded
    objects.push(expanded.success)
  }
  return Result.succeed(objects)
}

const isList = (json: Schema.Json): json is ReadonlyArray<Schema.Json> => Array.isArray(json)

const collapse = (plan: Plan, value: Schema.Json): Schema.Json => {
  if (isList(value)) {
    if (plan._tag === "Object" || plan._tag === "None") return value
    const items = plan._tag === "List" ? plan.items() : plan.row
    const collapsed = value.map((one) => collapse(items, one))
    if (plan._tag === "List") return collapsed
    const names = plan.columns.map(({ name }) => name)
    return {
      [keys.columns]: names,
      [keys.rows]: collapsed.map((one) => names.map((name) => (one as Schema.JsonObject)[name] ?? null))
    }
  }
  return plan._tag === "Object" && isNode(value)
    ? Object.fromEntries(Object.entries(value).map(([key, one]) => [key, collapse(plan.of(key), one)]))
    : value
}
