/** Values with their confidence. `Extraction` exports the public part. */
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Calibration } from "../../quality/Calibration.ts"
import * as Confidence from "../../quality/Confidence.ts"
import * as Grounding from "../../quality/Grounding.ts"
import * as LogProbs from "../../quality/LogProbs.ts"
import * as Compiled from "../Compiled.ts"
import { isExtractionOrSchema } from "./check.ts"
import { type Extraction, type PromptInput, resolve } from "./definition.ts"
import { derive } from "./derive.ts"
import type { Detailed } from "./detailed.ts"

/**
 * A leaf with its place in the source and its confidence.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConfidentLeaf extends Grounding.Leaf {
  /** From 0 to 1. */
  readonly confidence: number
}

/**
 * A value with its confidence: the value of `confidence`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Confident<out A> {
  readonly value: A
  /** The mean confidence of the leaves, from 0 to 1. */
  readonly confidence: number
  /** Whether the confidence is a probability that was fitted on gold. If not, it only ranks. */
  readonly calibrated: boolean
  readonly leaves: ReadonlyArray<ConfidentLeaf>
}

/**
 * The options of `confidence`.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConfidenceOptions {
  /** Made by `Calibration.fit`. Without it, confidences are raw. */
  readonly calibration?: Calibration | undefined
}

/**
 * Adds to a value how likely each of its parts is right: by whether the source states it, by the agreement of the answers
 * if the extraction is a `vote`, by the number of attempts and coercions, and by the log probabilities of the answer if
 * `parameters.logprobs` asks for them and the provider gives them. Use it to send doubtful values to a person.
 *
 * **Example** (An invented city)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Extraction } from "effect-instructor"
 * import { MockLlm } from "effect-instructor/testing"
 *
 * const person = Extraction.confidence(
 *   Extraction.make({ schema: Schema.Struct({ name: Schema.String, city: Schema.String }) })
 * )
 *
 * const program = Extraction.extract(person, "I am Ada").pipe(
 *   Effect.map(({ leaves }) => leaves.map(({ confidence }) => confidence > 0.5)),
 *   Effect.provide(MockLlm.layer([{ name: "Ada", city: "London" }]))
 * )
 *
 * await Effect.runPromise(program) // => [true, false]
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const confidence: {
  (options?: ConfidenceOptions): <A, Input, R>(self: Extraction<A, Input, R>) => Extraction<Confident<A>, Input, R>
  <A, Input, R>(self: Extraction<A, Input, R>, options?: ConfidenceOptions): Extraction<Confident<A>, Input, R>
  <A, R>(
    self: Schema.ConstraintDecoder<A, R>,
    options?: ConfidenceOptions
  ): Extraction<Confident<A>, PromptInput, R>
} = dual(
  (args) => isExtractionOrSchema(args[0]),
  <A, Input, R>(
    self: Extraction<A, Input, R> | Schema.ConstraintDecoder<A, R>,
    options: ConfidenceOptions = {}
  ): Extraction<Confident<A>, Input, R> => confident(resolve<A, Input, R, unknown>(self), options)
)

const confident = <A, Input, R>(
  self: Extraction<A, Input, R>,
  { calibration }: ConfidenceOptions
): Extraction<Confident<A>, Input, R> =>
  derive<Confident<A>, Input, R, unknown>({ name: self.name, schema: confidentSchema(self.schema) }, {
    base: self,
    key: `confidence ${JSON.stringify(calibration) ?? ""}`,
    map: (change) => confident(change(self), { calibration }),
    run: ({ input, llm }) =>
      Effect.map(Compiled.extract(self, llm, input), (detailed): Detailed<Confident<A>> => {
        const json = Compiled.jsonOf(self, detailed.answer)
        const source = Compiled.sourceOf(self, input)
        const leaves = Confidence.ofLeaves(Grounding.ground(source, json), {
          agreement: detailed.agreement,
          attempts: detailed.calls === undefined ? detailed.attempts : detailed.attempts / detailed.calls,
          probabilities: probabilitiesOf(self, detailed),
          coerced: detailed.coercions.map(({ path }) => path)
        }, calibration)
        const rest = { confidence: Confidence.ofAnswer(leaves), calibrated: calibration !== undefined, leaves }
        return {
          ...detailed,
          value: { value: detailed.value, ...rest },
          answer: { value: json, ...rest } as unknown as Schema.Json
        }
      })
  })

/** Of an answer that was given as it is. The paths are those of the value, without its wrapper. */
const probabilitiesOf = <A, Input, R>(
  self: Extraction<A, Input, R>,
  { calls, completion }: Detailed<A>
): ReturnType<typeof LogProbs.ofText> | undefined => {
  if (completion.logprobs === undefined || calls !== undefined) return undefined
  const written = LogProbs.ofText(completion.text, completion.logprobs)
  const wrapper = Result.getOrUndefined(Compiled.response(self))?.wrapper
  const prefix = wrapper === undefined ? "[" : `[${JSON.stringify(wrapper)},`
  return new Map(
    Array.from(written, ([path, leaf]) => [path.startsWith(prefix) ? `[${path.slice(prefix.length)}` : path, leaf])
  )
}

const confidentSchema = <A, R>(
  schema: Schema.ConstraintDecoder<A, R>
): Schema.ConstraintDecoder<Confident<A>, R> =>
  Schema.Struct({
    value: schema,
    confidence: Schema.Finite,
    calibrated: Schema.Boolean,
    leaves: Schema.Array(Schema.Struct({ ...Grounding.Leaf.fields, confidence: Schema.Finite }))
  })
