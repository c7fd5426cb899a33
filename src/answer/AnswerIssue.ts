/** Issues of an answer, with their paths. The public part is exported by `ExtractionError`. */
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import { lessFitting } from "../schema/ResponseSchema.ts"

/**
 * The schema of `AnswerIssue`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const AnswerIssue = Schema.Struct({
  path: Schema.Array(Schema.Union([Schema.String, Schema.Natural])),
  message: Schema.String
})

/**
 * One issue of an answer: the path to the value that has it, and what is wrong there.
 *
 * @category models
 * @since 0.1.0
 */
export interface AnswerIssue extends Schema.Schema.Type<typeof AnswerIssue> {}

const standard = SchemaIssue.makeFormatterStandardSchemaV1()

/** Every leaf of a decoder's issue. */
export const fromSchemaIssue = (issue: SchemaIssue.Issue): ReadonlyArray<AnswerIssue> => {
  const all = standard(issue).issues.map(({ message, path }) => ({
    message,
    path: (path ?? []).map((segment) => {
      const key = Predicate.isObject(segment) ? segment.key : segment
      return Predicate.isNumber(key) ? key : String(key)
    })
  }))
  const reported = all.filter(({ message }) => message !== lessFitting)
  return reported.length === 0 ? all : reported
}

/**
 * An issue as one line, for logs and messages: `address.lines[0]: Expected string`.
 *
 * **Example** (A path and a message)
 *
 * ```ts
 * import { ExtractionError } from "effect-instructor"
 *
 * ExtractionError.formatIssue({ path: ["lines", 0, "sku"], message: "Expected string" }) // => "lines[0].sku: Expected string"
 * ```
 *
 * @category formatting
 * @since 0.1.0
 */
export const format = (issue: AnswerIssue): string =>
  issue.path.length === 0 ? issue.message : `${formatPath(issue.path)}: ${issue.message}`

const formatPath = (path: AnswerIssue["path"]): string =>
  path.reduce<string>((text, key) =>
    Predicate.isNumber(key)
      ? `${text}[${key}]`
      : /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(key)
      ? text === "" ? key : `${text}.${key}`
      : `${text}[${JSON.stringify(key)}]`, "")
