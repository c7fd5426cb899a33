/**
 * Cheap models first, strong ones for the rest. `Extraction` exports the public part.
 *
 * Not an `effect/ExecutionPlan`: its steps follow failures only, and here values of low confidence escalate, too.
 */
import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Llm } from "../../llm/Llm.ts"
import * as Grounding from "../../quality/Grounding.ts"
import * as Compiled from "../Compiled.ts"
import type { ExtractionError } from "../ExtractionError.ts"
import type { Extraction } from "./definition.ts"
import { derive } from "./derive.ts"
import type { Detailed } from "./detailed.ts"
import * as Parts from "./parts.ts"

/**
 * The options of `cascade`.
 *
 * @category models
 * @since 0.1.0
 */
export interface CascadeOptions {
  /**
   * Which items go on to the next extraction: those that failed (`"failure"`), those whose confidence is lower than a
   * number from 0 to 1, or the worst share of all items so far. Failed items always go on. The confidence is the share
   * of the texts and numbers that the source states.
   *
   * @default "failure"
   */
  readonly escalate?: "failure" | { readonly confidence: number } | { readonly share: number } | undefined
}

/**
 * Asks the first extraction, and the next one where the value is missing or doubtful. Of two values, the one of which the
 * source states more is taken. Use it to pay for a strong model only where a cheap one is not enough. The usage is that of
 * all answers.
 *
 * **Example** (A stronger model for what is not in the text)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Extraction } from "effect-instructor"
 * import { MockLlm } from "effect-instructor/testing"
 *
 * const cheap = Extraction.make({ schema: Schema.Struct({ name: Schema.String }), model: "cheap" })
 * const strong = Extraction.with(cheap, { model: "strong" })
 * const person = Extraction.cascade([cheap, strong], { escalate: { confidence: 0.9 } })
 *
 * const program = Extraction.extract(person, "I am Ada").pipe(
 *   Effect.provide(MockLlm.layer(({ model }) => ({ name: model === "cheap" ? "Ida" : "Ada" })))
 * )
 *
 * await Effect.runPromise(program) // => { name: "Ada" }
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const cascade = <A, Input, R>(
  extractions: Arr.NonEmptyReadonlyArray<Extraction<A, Input, R>>,
  options: CascadeOptions = {}
): Extraction<A, Input, R> => {
  const { escalate = "failure" } = options
  const [first] = extractions
  const goesOn = makePolicy(escalate)
  return derive<A, Input, R, unknown>({ name: first.name, schema: first.schema }, {
    base: first,
    key: `cascade ${JSON.stringify(escalate)} ${
      JSON.stringify(extractions.map(({ mode, model, parameters }) => [model ?? null, mode, parameters]))
    }`,
    map: (change) =>
      cascade(extractions.map((part) => change(part)) as unknown as Arr.NonEmptyReadonlyArray<typeof first>, options),
    run: ({ input, llm }) => run(extractions, llm, input, goesOn)
  })
}

type Policy = (llm: Llm["Service"], step: number, confidence: number) => boolean

const isPast = 1e-9

const makePolicy = (escalate: NonNullable<CascadeOptions["escalate"]>): Policy => {
  if (escalate === "failure") return () => false
  if ("confidence" in escalate) return (_, __, confidence) => confidence < escalate.confidence
  // What one run has seen does not count for another.
  const seen = new WeakMap<object, Array<Ranking>>()
  return (llm, step, confidence) => {
    const rankings = seen.get(llm) ?? []
    seen.set(llm, rankings)
    return (rankings[step] ??= makeRanking()).isAmongWorst(confidence, escalate.share)
  }
}

interface Ranking {
  readonly isAmongWorst: (confidence: number, share: number) => boolean
}

/** The confidences of the last items, by which the next one is ranked. */
const windowSize = 1000

const makeRanking = (): Ranking => {
  const recent: Array<number> = []
  let seen = 0
  let escalated = 0
  return {
    isAmongWorst: (confidence, share) => {
      seen++
      recent.push(confidence)
      if (recent.length > windowSize) recent.shift()
      const better = recent.reduce((count, other) => count + (other > confidence + isPast ? 1 : 0), 0)
      const worse = recent.reduce((count, other) => count + (other < confidence - isPast ? 1 : 0), 0)
      const isWorst = confidence < 1 && (better > 0 || recent.length === 1) && worse < share * recent.length
      if (!isWorst || escalated + 1 > Math.ceil(share * seen)) return false
      escalated++
      return true
    }
  }
}

const run = Effect.fnUntraced(function*<A, Input, R>(
  extractions: ReadonlyArray<Extraction<A, Input, R>>,
  llm: Llm["Service"],
  input: Input,
  goesOn: Policy
): Effect.fn.Return<Detailed<A>, ExtractionError, R> {
  const outcomes: Array<Parts.Outcome<A>> = []
  let best: { readonly detailed: Detailed<A>; readonly confidence: number } | undefined
  for (const [step, extraction] of extractions.entries()) {
    const outcome = yield* Effect.result(Compiled.extract(extraction, llm, input))
    outcomes.push(outcome)
    if (Result.isFailure(outcome)) {
      if (outcome.failure.isUnrecoverable) {
        return yield* Parts.failed(extractions[0]!.name, outcome.failure, Parts.sumOf(outcomes))
      }
      continue
    }
    const json = Compiled.jsonOf(extraction, outcome.success.answer)
    const source = Compiled.sourceOf(extraction, input)
    const confidence = Grounding.share(Grounding.ground(source, json, { fuzzy: false }))
    if (best === undefined || confidence >= best.confidence) best = { detailed: outcome.success, confidence }
    if (step === extractions.length - 1 || !goesOn(llm, step, confidence)) break
  }
  const sum = Parts.sumOf(outcomes)
  if (best !== undefined) return { ...best.detailed, ...sum, calls: outcomes.length }
  const last = outcomes.findLast(Result.isFailure)!
  return yield* Parts.failed(extractions[0]!.name, last.failure, sum)
})
