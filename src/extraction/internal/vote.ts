/** One value from several answers. `Extraction` exports the public part. */
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as Vote from "../../quality/Vote.ts"
import * as Compiled from "../Compiled.ts"
import { isExtractionOrSchema } from "./check.ts"
import { type Change, type Extraction, make, type PromptInput, resolve } from "./definition.ts"
import { derive } from "./derive.ts"
import type { Detailed } from "./detailed.ts"
import * as Parts from "./parts.ts"

/**
 * The options of `vote`: who answers, and how an answer is elected.
 *
 * @category models
 * @since 0.1.0
 */
export interface VoteOptions {
  /** The models to ask, each once. */
  readonly models?: ReadonlyArray<string> | undefined
  /**
   * How often to ask each model. The answers of one model differ only at a temperature above 0. A cache answers the first
   * one only.
   *
   * @default 1, or 3 without models
   */
  readonly samples?: number | undefined
  /**
   * Whether each leaf is elected on its own, or one of the answers as a whole.
   *
   * @default "leaf"
   */
  readonly by?: "leaf" | "answer" | undefined
}

/**
 * Asks several models, or one model several times, and elects the value leaf by leaf. Rows of lists are paired before they
 * vote, and ties are broken by what the source states. An answer that is not valid does not vote; the extraction fails if
 * none is. If the elected value is not valid, the answer that agrees with the others most is taken whole.
 * `Detailed.agreement` and `confidence` have the agreement on each leaf.
 *
 * The usage is that of all answers.
 *
 * **Example** (Three models)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Extraction } from "effect-instructor"
 * import { MockLlm } from "effect-instructor/testing"
 *
 * const person = Extraction.make({ schema: Schema.Struct({ name: Schema.String, age: Schema.Int }) })
 * const sure = Extraction.vote(person, { models: ["a", "b", "c"] })
 *
 * const program = Extraction.extract(sure, "Ada, 36").pipe(
 *   Effect.provide(MockLlm.layer(({ model }) =>
 *     model === "a" ? { name: "Ada", age: 63 } : { name: model === "b" ? "Ada" : "Ida", age: 36 }
 *   ))
 * )
 *
 * await Effect.runPromise(program) // => { name: "Ada", age: 36 }
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const vote: {
  (options?: VoteOptions): <A, Input, R>(self: Extraction<A, Input, R>) => Extraction<A, Input, R>
  <A, Input, R>(self: Extraction<A, Input, R>, options?: VoteOptions): Extraction<A, Input, R>
  <A, R>(self: Schema.ConstraintDecoder<A, R>, options?: VoteOptions): Extraction<A, PromptInput, R>
} = dual(
  (args) => isExtractionOrSchema(args[0]),
  <A, Input, R>(
    self: Extraction<A, Input, R> | Schema.ConstraintDecoder<A, R>,
    options: VoteOptions = {}
  ): Extraction<A, Input, R> => ofVoters(resolve<A, Input, R, unknown>(self), options)
)

const ofVoters = <A, Input, R>(self: Extraction<A, Input, R>, options: VoteOptions): Extraction<A, Input, R> => {
  const voters = votersOf(self, options)
  return derive<A, Input, R, unknown>({ name: self.name, schema: self.schema }, {
    base: voters[0]!,
    key: `vote ${JSON.stringify(options)}`,
    map: (change) => ofVoters(change(self), options),
    run: ({ input, llm }) =>
      Effect.flatMap(
        Effect.forEach(voters, (voter) => Effect.result(Compiled.extract(voter, llm, input)), {
          concurrency: "unbounded"
        }),
        (outcomes) => elect(self, outcomes, options.by ?? "leaf", () => Compiled.sourceOf(self, input))
      )
  })
}

const votersOf = <A, Input, R>(
  self: Extraction<A, Input, R>,
  { models, samples }: VoteOptions
): ReadonlyArray<Extraction<A, Input, R>> => {
  const count = Math.max(1, Math.floor(samples ?? (models === undefined ? 3 : 1)) || 1)
  return (models === undefined || models.length === 0 ? [undefined] : models).flatMap((model) =>
    Array.from({ length: count }, (_, i) => variant(self, { ...(model !== undefined && { model }), cache: i === 0 }))
  )
}

/** A part that asks another model, or past the cache. */
const variant = <A, Input, R>(
  self: Extraction<A, Input, R>,
  options: { readonly model?: string; readonly cache?: boolean }
): Extraction<A, Input, R> => {
  const change: Change = (part) =>
    part.derivation === undefined
      ? make({ ...part, ...options, cache: part.cache && (options.cache ?? true) })
      : part.derivation.map(change) as typeof part
  return change(self)
}

const elect = Effect.fnUntraced(function*<A, Input, R>(
  self: Extraction<A, Input, R>,
  outcomes: ReadonlyArray<Parts.Outcome<A>>,
  by: "leaf" | "answer",
  source: () => string
) {
  const sum = Parts.sumOf(outcomes)
  const failures = outcomes.flatMap((outcome) => Result.isFailure(outcome) ? [outcome.failure] : [])
  const unrecoverable = failures.find(({ isUnrecoverable }) => isUnrecoverable)
  if (unrecoverable !== undefined) return yield* Parts.failed(self.name, unrecoverable, sum)
  const answers = outcomes.flatMap((outcome) => Result.isSuccess(outcome) ? [outcome.success] : [])
  if (answers.length === 0) return yield* Parts.failed(self.name, failures[0]!, sum)
  const jsons = answers.map(({ answer }) => Compiled.jsonOf(self, answer))
  const common = { ...sum, calls: outcomes.length }
  if (by === "leaf" && answers.length > 1) {
    const { agreement, value: json } = Vote.elect(jsons, { source: source() })
    const decoded = yield* Parts.decode(self, json, source).pipe(
      Effect.mapError((error) => Parts.failed(self.name, error, sum))
    )
    if (Result.isSuccess(decoded)) {
      const detailed: Detailed<A> = { ...answers[0]!, ...common, value: decoded.success, answer: json, agreement }
      return detailed
    }
  }
  const { agreement, value } = Vote.choose(jsons, { source: source() })
  const chosen: Detailed<A> = { ...answers[jsons.indexOf(value)]!, ...common, agreement }
  return chosen
})
