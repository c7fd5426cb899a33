/** What is known to cost accuracy or money in a schema. `Extraction` exports the public part. */
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as Compiled from "../Compiled.ts"
import type { ExtractionError } from "../ExtractionError.ts"
import { type Extraction, resolve } from "./definition.ts"

/**
 * A remark about a schema.
 *
 * @category models
 * @since 0.1.0
 */
export interface LintIssue {
  /** The place in the schema: `$` is its root, `[]` the elements of a list. */
  readonly path: string
  readonly rule:
    | "unclear-name"
    | "missing-description"
    | "required-field"
    | "reasoning-last"
    | "deep-nesting"
    | "many-fields"
    | "large-union"
  readonly message: string
  /** Where it was measured or published. */
  readonly source: string
}

/**
 * Returns what is known to cost accuracy or money in a schema: names that do not explain, missing descriptions, fields that
 * a model must fill although a text may not state them, reasoning after the answer, deep nesting, very many fields. It is
 * advice; a schema with remarks works.
 *
 * **Example** (A name that does not explain)
 *
 * ```ts
 * import { Result, Schema } from "effect"
 * import { Extraction } from "effect-instructor"
 *
 * const Total = Schema.NullOr(Schema.Finite).annotate({ description: "the total to pay, in euros" })
 * const issues = Extraction.lint(Schema.Struct({ x1: Total }))
 *
 * Result.getOrThrow(issues).map(({ path, rule }) => [path, rule]) // => [["$.x1", "unclear-name"]]
 * ```
 *
 * @category converting
 * @since 0.1.0
 */
export const lint = <A, Input, R>(
  self: Extraction<A, Input, R> | Schema.ConstraintDecoder<A, R>
): Result.Result<ReadonlyArray<LintIssue>, ExtractionError> => {
  const extraction = resolve<A, Input, R, unknown>(self)
  return Result.map(
    Compiled.response(extraction.derivation?.base as typeof extraction | undefined ?? extraction),
    ({ jsonSchema }) => inspect(jsonSchema)
  )
}

const sources = {
  "unclear-name": "Instructor's blog: final_choice renamed to answer, 4.5 % to 95 %",
  "missing-description": "PARSE, arXiv 2510.08623: rewritten schemas, up to +64.7 % on SWDE",
  "required-field": "PARSE, arXiv 2510.08623; LangExtract: values that are not stated are invented",
  "reasoning-last": "Instructor's blog: a reasoning field before the answer, up to +60 % on GSM8k (2024)",
  "deep-nesting": "JSONSchemaBench, arXiv 2501.10868: fewer schemas are covered the harder they are",
  "many-fields": "extract-bench, arXiv 2602.12247: one-shot answers to 369 fields are never valid",
  "large-union": "JSONSchemaBench, arXiv 2501.10868"
} as const

const unclear =
  /^(?:[a-z]{1,2}\d*|x\d+|(?:field|value|item|data|info|prop|attr|param|misc|tmp|foo|bar|final_choice)_?\d*)$/i
const reasoning = /^(?:chain_?of_?thought|reason(?:ing)?|rationale|explanation|thoughts?|justification|analysis)$/i

const maxDepth = 5
const maxFields = 100
const maxMembers = 6

type Node = Readonly<Record<string, unknown>>

const inspect = (root: object): ReadonlyArray<LintIssue> => {
  const issues: Array<LintIssue> = []
  const definitions = (root as Node)["$defs"] as Readonly<Record<string, Node>> | undefined
  const report = (rule: LintIssue["rule"], path: string, message: string): void => {
    issues.push({ path, rule, message, source: sources[rule] })
  }
  let fields = 0
  const visit = (given: unknown, path: string, depth: number, open: ReadonlyArray<string>): void => {
    if (!Predicate.isObject(given)) return
    const node = given as Node
    const reference = typeof node["$ref"] === "string" ? node["$ref"].replace(/^.*\//, "") : undefined
    if (reference !== undefined) {
      if (!open.includes(reference)) visit(definitions?.[reference], path, depth, [...open, reference])
      return
    }
    if (depth === maxDepth + 1) report("deep-nesting", path, `is nested more than ${maxDepth} levels deep. Flatten it`)
    const members = (node["anyOf"] ?? node["oneOf"]) as ReadonlyArray<unknown> | undefined
    if (Array.isArray(members)) {
      if (members.length > maxMembers) {
        report("large-union", path, `has ${members.length} alternatives. Add a field that names the kind, or split it`)
      }
      for (const member of members) visit(member, path, depth, open)
    }
    if (node["items"] !== undefined) visit(node["items"], `${path}[]`, depth, open)
    if (Predicate.isObject(node["properties"])) visitObject(node, path, depth, open)
  }
  const visitObject = (node: Node, path: string, depth: number, open: ReadonlyArray<string>): void => {
    const properties = Object.entries(node["properties"] as Readonly<Record<string, Node>>)
    const required = new Set(node["required"] as ReadonlyArray<string> | undefined ?? [])
    fields += properties.length
    for (const [i, [name, property]] of properties.entries()) {
      const at = `${path}.${name}`
      if (unclear.test(name)) report("unclear-name", at, "has a name that does not say what it is. Rename it")
      if (!isDescribed(property, definitions)) report("missing-description", at, "has no description")
      if (required.has(name) && isInvitation(property)) {
        report(
          "required-field",
          at,
          "must be filled even if the text does not state it. Allow null unless every text does"
        )
      }
      if (reasoning.test(name) && i > 0) {
        report("reasoning-last", at, "comes after values that it should lead to. Put it first")
      }
      visit(property, at, depth + 1, open)
    }
  }
  visit(root, "$", 0, [])
  if (fields > maxFields) {
    report("many-fields", "$", `has ${fields} fields. Ask for groups of them with Extraction.split`)
  }
  return issues
}

const isDescribed = (property: Node, definitions: Readonly<Record<string, Node>> | undefined): boolean => {
  if (typeof property["description"] === "string") return true
  const reference = typeof property["$ref"] === "string" ? property["$ref"].replace(/^.*\//, "") : undefined
  if (reference !== undefined) return typeof definitions?.[reference]?.["description"] === "string"
  const members = property["anyOf"] ?? property["allOf"]
  return Array.isArray(members) &&
    members.some((member) => Predicate.isObject(member) && isDescribed(member, definitions))
}

/** A text or a number that cannot be null invites a model to invent one. */
const isInvitation = (property: Node): boolean =>
  property["enum"] === undefined && property["const"] === undefined &&
  (property["type"] === "string" || property["type"] === "number" || property["type"] === "integer")
