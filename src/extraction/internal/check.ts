/** Checks of a decoded value. `Extraction` exports the public part. */
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Predicate from "effect/Predicate"
import type * as Schema from "effect/Schema"
import type { AnswerIssue } from "../../answer/AnswerIssue.ts"
import { type ExtractionError, isExtractionError } from "../ExtractionError.ts"
import { type Extraction, isExtraction, make, type PromptInput, resolve } from "./definition.ts"

/**
 * An issue that a check finds: a message about the whole value, or about the part at a path.
 *
 * @category models
 * @since 0.1.0
 */
export type CheckIssue = string | { readonly path: ReadonlyArray<string | number>; readonly message: string }

/**
 * What a check returns: `true` or nothing for a value that passes, and otherwise `false`, an issue or several.
 *
 * @category models
 * @since 0.1.0
 */
export type CheckOutput = boolean | undefined | void | CheckIssue | ReadonlyArray<CheckIssue>

/**
 * What a check knows besides the value.
 *
 * @category models
 * @since 0.1.0
 */
export interface CheckContext {
  /** The text that the value was extracted from. */
  readonly source: string
  /** The JSON that the value was decoded from. */
  readonly json: Schema.Json
}

/**
 * A check of a value: a predicate, or an effect that may need services. A failure of the effect that is an issue counts as
 * an issue, and one that is an `ExtractionError` fails the extraction.
 *
 * @category models
 * @since 0.1.0
 */
export type Check<in A, out R = never> = (
  value: A,
  context: CheckContext
) => CheckOutput | Effect.Effect<CheckOutput, CheckIssue | ReadonlyArray<CheckIssue> | ExtractionError, R>

/**
 * The options of `check`.
 *
 * @category models
 * @since 0.1.0
 */
export interface CheckOptions {
  /** What the model reads when the check returns `false`. */
  readonly message?: string | undefined
  /** The path of issues that have none. */
  readonly path?: ReadonlyArray<string | number> | undefined
}

/** A check without the type of its value, so that an extraction stays covariant in it. */
export interface AnyCheck<out R> {
  readonly run: (value: never, context: CheckContext) => ReturnType<Check<never, R>>
  readonly options: CheckOptions
}

type Issues = ReadonlyArray<AnswerIssue>

const isIssues = (output: unknown): output is CheckIssue | ReadonlyArray<CheckIssue> =>
  typeof output === "string" || Array.isArray(output) ||
  Predicate.hasProperty(output, "message") && Predicate.hasProperty(output, "path")

const toIssues = (output: CheckOutput, { message, path = [] }: CheckOptions): Issues => {
  if (output === undefined || output === true) return []
  if (output === false) return [{ path, message: message ?? "The value does not pass a check" }]
  const list = Array.isArray(output) ? output as ReadonlyArray<CheckIssue> : [output as CheckIssue]
  return list.map((issue) => typeof issue === "string" ? { path, message: issue } : issue)
}

type Outcome<R> = Effect.Effect<CheckOutput, CheckIssue | ReadonlyArray<CheckIssue> | ExtractionError, R>

const thrown = (defect: unknown): CheckIssue => `A check threw: ${String(defect)}`

/** A check that throws fails its own item, and not a batch around it. */
const runOne = <R>(
  { options, run }: AnyCheck<R>,
  value: unknown,
  context: CheckContext
): Effect.Effect<Issues, ExtractionError, R> =>
  Effect.suspend((): Outcome<R> => {
    const output = run(value as never, context)
    return Effect.isEffect(output) ? output as Outcome<R> : Effect.succeed(output)
  }).pipe(
    Effect.catchDefect((defect) => Effect.succeed<CheckOutput>(thrown(defect))),
    Effect.catch((error) =>
      isExtractionError(error)
        ? Effect.fail(error)
        : Effect.succeed<CheckOutput>(isIssues(error) ? error : String(error))
    ),
    Effect.map((output) => toIssues(output, options))
  )

/** The issues that the checks of an extraction find, all of them. */
export const run = <R>(
  checks: ReadonlyArray<AnyCheck<R>>,
  value: unknown,
  context: CheckContext
): Effect.Effect<Issues, ExtractionError, R> =>
  Effect.map(Effect.forEach(checks, (check) => runOne(check, value, context)), (issues) => issues.flat())

/** The issues that the checks without effects find in a value that passed all of them once. */
export const runPlain = <R>(checks: ReadonlyArray<AnyCheck<R>>, value: unknown, json: Schema.Json): Issues =>
  checks.flatMap(({ options, run }) => {
    const output = run(value as never, { source: "", json })
    return Effect.isEffect(output) ? [] : toIssues(output, options)
  })

/**
 * Adds a check of the decoded value. Use it for what a Schema cannot decide: a look-up in a database, a comparison with
 * the source, or the judgement of another model (`LlmCheck`). Its issues are sent to the model with their paths, as the
 * issues of the schema are, up to `maxAttempts`.
 *
 * Checks with effects are not run again for items that a resumed batch takes from its journal.
 *
 * **Example** (A check with a path)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Extraction } from "effect-instructor"
 * import { MockLlm } from "effect-instructor/testing"
 *
 * const Invoice = Schema.Struct({ net: Schema.Finite, tax: Schema.Finite, total: Schema.Finite })
 *
 * const invoice = Extraction.make({ schema: Invoice }).pipe(
 *   Extraction.check(({ net, tax, total }) =>
 *     net + tax === total || { path: ["total"], message: `is not net + tax, which is ${net + tax}` }
 *   )
 * )
 *
 * const program = Extraction.extract(invoice, "Net 100, tax 19, to pay 119").pipe(
 *   Effect.provide(MockLlm.layer([{ net: 100, tax: 19, total: 100 }, { net: 100, tax: 19, total: 119 }]))
 * )
 *
 * await Effect.runPromise(program) // => { net: 100, tax: 19, total: 119 }
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const check: {
  <A, R2 = never>(check: Check<NoInfer<A>, R2>, options?: CheckOptions): <Input, R, Encoded>(
    self: Extraction<A, Input, R, Encoded>
  ) => Extraction<A, Input, R | R2, Encoded>
  <A, Input, R, Encoded, R2 = never>(
    self: Extraction<A, Input, R, Encoded>,
    check: Check<NoInfer<A>, R2>,
    options?: CheckOptions
  ): Extraction<A, Input, R | R2, Encoded>
  <A, R, R2 = never>(
    self: Schema.ConstraintDecoder<A, R>,
    check: Check<NoInfer<A>, R2>,
    options?: CheckOptions
  ): Extraction<A, PromptInput, R | R2>
} = dual(
  (args) => isExtractionOrSchema(args[0]),
  <A, Input, R, Encoded, R2>(
    self: Extraction<A, Input, R, Encoded> | Schema.ConstraintCodec<A, Encoded, R, unknown>,
    check: Check<A, R2>,
    options: CheckOptions = {}
  ): Extraction<A, Input, R | R2, Encoded> => withCheck(resolve(self), { run: check as AnyCheck<R2>["run"], options })
)

/** What the first argument of a data-first call is. A check is a function, too, but has no AST. */
export const isExtractionOrSchema = (u: unknown): boolean => isExtraction(u) || Predicate.hasProperty(u, "ast")

/** Adds a check to an extraction, or to the parts of one that is made of others with values of the same kind. */
export const withCheck = <A, Input, R, Encoded, R2>(
  self: Extraction<A, Input, R, Encoded>,
  check: AnyCheck<R2>
): Extraction<A, Input, R | R2, Encoded> =>
  make<A, R | R2, Input, Encoded>(
    { ...self, checks: [...self.checks, check] } as unknown as Extraction<A, Input, R | R2, Encoded>
  )
