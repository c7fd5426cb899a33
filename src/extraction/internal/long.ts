/** Values from texts that are longer than one request. `Extraction` exports the public part. */
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import type { Llm } from "../../llm/Llm.ts"
import * as TokenCount from "../../llm/TokenCount.ts"
import { defaultInstructions } from "../../prompt/Messages.ts"
import * as Chunks from "../../quality/Chunks.ts"
import * as Merge from "../../quality/Merge.ts"
import * as Compiled from "../Compiled.ts"
import type { ExtractionError } from "../ExtractionError.ts"
import { isExtractionOrSchema } from "./check.ts"
import { type Extraction, make, resolve } from "./definition.ts"
import { derive } from "./derive.ts"
import type { Detailed } from "./detailed.ts"
import * as Parts from "./parts.ts"
import { tolerant } from "./partSchema.ts"

/**
 * Where `long` cuts a text.
 *
 * @category models
 * @since 0.1.0
 */
export interface SplitOptions {
  /**
   * The tokens of a chunk with its overlap. Texts that fit are asked for as a whole.
   *
   * @default 4000
   */
  readonly maxTokens?: number | undefined
  /**
   * How many tokens of the end of a chunk the next one repeats, at most half of `maxTokens`. Records that are longer than
   * the overlap may be cut.
   *
   * @default 200
   */
  readonly overlap?: number | undefined
  /**
   * The largest pause at which to cut: form feeds between pages, empty lines, or line breaks. What is still too long is
   * cut at the next smaller one. Lines of up to 1,000 characters are never cut.
   *
   * @default "paragraph"
   */
  readonly by?: Chunks.Boundary | undefined
}

/**
 * How `long` joins the values of the chunks.
 *
 * @category models
 * @since 0.1.0
 */
export interface MergeOptions {
  /**
   * The field that identifies the rows of a list, by the list: `{ lines: "id" }`. Rows with equal ids are one, wherever
   * they are. Without it, rows are one only if both are at the same place of the text.
   */
  readonly keys?: { readonly [list: string]: string } | undefined
  /** Lists whose equal elements are one, such as tags. */
  readonly unique?: ReadonlyArray<string> | undefined
  /**
   * The least similarity, from 0 to 1, of two rows in an overlap that are one.
   *
   * @default 1
   */
  readonly similarity?: number | undefined
}

/**
 * The options of `long`.
 *
 * @category models
 * @since 0.1.0
 */
export interface LongOptions {
  readonly split?: SplitOptions | undefined
  readonly merge?: MergeOptions | undefined
  /**
   * How many chunks of one text are asked for at the same time.
   *
   * @default 4
   */
  readonly concurrency?: number | undefined
}

/**
 * Extracts from texts that are longer than a request should be. The text is cut at pauses, each chunk is asked for, and the
 * answers are joined: lists are concatenated in the order of the text, without what two overlapping chunks both state; of
 * other values the one that most chunks state is taken, and `Detailed.conflicts` has the others. In a chunk every field
 * may be null; the joined value must be valid.
 *
 * Each chunk is a request of its own to a cache; a journal records the whole text. A run that was stopped within a text
 * repeats the chunks that no cache has.
 *
 * **Example** (Two chunks)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Extraction } from "effect-instructor"
 * import { MockLlm } from "effect-instructor/testing"
 *
 * const Team = Schema.Struct({ team: Schema.String, members: Schema.Array(Schema.String) })
 * const team = Extraction.long(Extraction.make({ schema: Team }), { split: { maxTokens: 5, overlap: 0 } })
 *
 * const program = Extraction.extract(team, "Team Red: Ada,\n\nAlan and Grace").pipe(
 *   Effect.provide(MockLlm.layer({
 *     "Team Red: Ada,\n\n": { team: "Red", members: ["Ada"] },
 *     "Alan and Grace": { team: null, members: ["Alan", "Grace"] }
 *   }))
 * )
 *
 * await Effect.runPromise(program) // => { team: "Red", members: ["Ada", "Alan", "Grace"] }
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const long: {
  (options?: LongOptions): <A, Input, R>(self: Extraction<A, Input, R>) => Extraction<A, Input, R>
  <A, Input, R>(self: Extraction<A, Input, R>, options?: LongOptions): Extraction<A, Input, R>
  <A, R>(self: Schema.ConstraintDecoder<A, R>, options?: LongOptions): Extraction<A, string, R>
} = dual(
  (args) => isExtractionOrSchema(args[0]),
  <A, Input, R>(
    self: Extraction<A, Input, R> | Schema.ConstraintDecoder<A, R>,
    options: LongOptions = {}
  ): Extraction<A, Input, R> => ofChunks(resolve<A, Input, R, unknown>(self), options)
)

const note =
  "The text is a part of a longer document. Extract only what this part states. Use null for single values that " +
  "it does not state, and leave out entries of lists that are cut off at its beginning or end."

const ofChunks = <A, Input, R>(self: Extraction<A, Input, R>, options: LongOptions): Extraction<A, Input, R> =>
  derive<A, Input, R, unknown>({ name: self.name, schema: self.schema }, {
    base: self,
    key: `long ${JSON.stringify([options.split ?? {}, options.merge ?? {}])}`,
    map: (change) => ofChunks(change(self), options),
    run: ({ input, llm }) => run(self, partOf(self), options, llm, input)
  })

/** The extraction of a chunk. Checks of the whole value do not apply to it. */
const partOf = <A, Input, R>(self: Extraction<A, Input, R>): Extraction<unknown, Input, R> =>
  make<unknown, R, Input>({
    ...self,
    schema: tolerant(self.schema),
    instructions: `${self.instructions ?? defaultInstructions}\n\n${note}`,
    checks: []
  } as unknown as Extraction<unknown, Input, R>)

const sizeOf = (text: string): number => TokenCount.guessText(text)

const run = Effect.fnUntraced(function*<A, Input, R>(
  self: Extraction<A, Input, R>,
  part: Extraction<unknown, Input, R>,
  { concurrency = 4, merge = {}, split = {} }: LongOptions,
  llm: Llm["Service"],
  input: Input
): Effect.fn.Return<Detailed<A>, ExtractionError, R> {
  const max = Math.max(1, split.maxTokens ?? 4000)
  // An input that is not a text has no places to cut at.
  if (typeof input !== "string" || self.derivation !== undefined || sizeOf(input) <= max) {
    return yield* Compiled.extract(self, llm, input)
  }
  const chunks = Chunks.split(input, {
    max,
    overlap: split.overlap ?? Math.min(200, max / 4),
    by: split.by ?? "paragraph",
    size: sizeOf
  })
  const outcomes = yield* Effect.forEach(
    chunks,
    (chunk) => Effect.result(Compiled.extract(part, llm, chunk.text as Input)),
    { concurrency }
  )
  const sum = Parts.sumOf(outcomes)
  const answers: Array<Detailed<unknown>> = []
  for (const outcome of outcomes) {
    if (Result.isFailure(outcome)) return yield* Parts.failed(self.name, outcome.failure, sum)
    answers.push(outcome.success)
  }
  const parts = answers.map(({ answer }, i) => ({ chunk: chunks[i]!, json: Compiled.jsonOf(part, answer) }))
  const { conflicts, value: json } = Merge.merge(parts, merge)
  const decoded = yield* Effect.mapError(
    Parts.decode(self, json, () => input),
    (error) => Parts.failed(self.name, error, sum)
  )
  return Result.isFailure(decoded)
    ? yield* Parts.invalid(self.name, json, decoded.failure, sum)
    : { ...answers[0]!, ...sum, value: decoded.success, answer: json, conflicts, calls: answers.length, coercions: [] }
})
