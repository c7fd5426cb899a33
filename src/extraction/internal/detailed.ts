import type * as Schema from "effect/Schema"
import type { Completion } from "../../llm/Completion.ts"
import type { Usage } from "../../llm/Usage.ts"
import type { Conflict } from "../../quality/Merge.ts"
import type { Agreement } from "../../quality/Vote.ts"
import type { Coercion } from "../../schema/Coercion.ts"

/**
 * A value with its usage and the completion it comes from: the result of `extractDetailed`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Detailed<out A> {
  readonly value: A
  /** The usage of all attempts. Its cost is `usage.usd`, or `Usage.cost` where a part may be unknown. */
  readonly usage: Usage
  /** Completions received: 1 without a reask. */
  readonly attempts: number
  /** The model that gave the valid answer. */
  readonly model: string
  readonly finishReason: Completion["finishReason"]
  /** The completion with the valid answer. */
  readonly completion: Completion
  /** The JSON of the answer, as the model wrote it. */
  readonly answer: Schema.Json
  /** Values that the model wrote in another way than the schema asks for. */
  readonly coercions: ReadonlyArray<Coercion>
  /** How many of the answers agree on each leaf, if the value is one of a `vote`. */
  readonly agreement?: ReadonlyArray<Agreement> | undefined
  /** The fields on which the chunks of a `long` text do not agree: the values, the chosen one first. */
  readonly conflicts?: ReadonlyArray<Conflict> | undefined
  /** The number of extractions that the value is made from, if it is more than one. */
  readonly calls?: number | undefined
}
