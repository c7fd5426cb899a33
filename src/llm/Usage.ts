/**
 * The usage of completions, in tokens and in money.
 *
 * @since 0.1.0
 */
import { dual } from "effect/Function"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

/**
 * The usage of one completion, or the sum of many. Unknown usage and unknown cost are counted, so that zero always means
 * zero. A completion from a cache uses nothing.
 *
 * @category models
 * @since 0.1.0
 */
export interface Usage extends Schema.Schema.Type<typeof Usage> {}

/**
 * The schema of `Usage`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Usage = Schema.Struct({
  inputTokens: Schema.Natural,
  /** Input tokens that the provider read from its prompt cache. */
  cachedInputTokens: Schema.Natural,
  /** Input tokens that the provider wrote to its prompt cache, if it bills them separately. */
  cacheWriteTokens: Schema.Natural,
  outputTokens: Schema.Natural,
  /** Output tokens spent on reasoning. */
  reasoningTokens: Schema.Natural,
  /** Input tokens billed at the batch price. */
  batchInputTokens: Schema.Natural,
  /** Output tokens billed at the batch price. */
  batchOutputTokens: Schema.Natural,
  /** Completions without a reported usage. */
  unreported: Schema.Natural,
  /** The known part of the cost, in US dollars. */
  usd: Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0)),
  /** Completions of unknown cost, which is not part of `usd`. */
  unpriced: Schema.Natural
})

/**
 * No usage. Start a sum with it.
 *
 * **Example** (The usage of nothing)
 *
 * ```ts
 * import { Usage } from "effect-instructor"
 *
 * Usage.totalTokens(Usage.zero) // => 0
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const zero: Usage = {
  inputTokens: 0,
  cachedInputTokens: 0,
  cacheWriteTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
  batchInputTokens: 0,
  batchOutputTokens: 0,
  unreported: 0,
  usd: 0,
  unpriced: 0
}

/**
 * The usage of one completion whose provider does not report usage. Use it in a provider of your own.
 *
 * **Example** (A cost that is unknown)
 *
 * ```ts
 * import { Option } from "effect"
 * import { Usage } from "effect-instructor"
 *
 * Usage.cost(Usage.unreported) // => Option.none()
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const unreported: Usage = { ...zero, unreported: 1, unpriced: 1 }

/**
 * Adds two usages. Use it to sum up the usage of several extractions.
 *
 * **Example** (The sum of two usages)
 *
 * ```ts
 * import { Usage } from "effect-instructor"
 *
 * const one = { ...Usage.zero, inputTokens: 10, outputTokens: 2 }
 *
 * Usage.totalTokens(Usage.add(one, one)) // => 24
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const add: {
  (that: Usage): (self: Usage) => Usage
  (self: Usage, that: Usage): Usage
} = dual(2, (self: Usage, that: Usage): Usage => ({
  inputTokens: self.inputTokens + that.inputTokens,
  cachedInputTokens: self.cachedInputTokens + that.cachedInputTokens,
  cacheWriteTokens: self.cacheWriteTokens + that.cacheWriteTokens,
  outputTokens: self.outputTokens + that.outputTokens,
  reasoningTokens: self.reasoningTokens + that.reasoningTokens,
  batchInputTokens: self.batchInputTokens + that.batchInputTokens,
  batchOutputTokens: self.batchOutputTokens + that.batchOutputTokens,
  unreported: self.unreported + that.unreported,
  usd: self.usd + that.usd,
  unpriced: self.unpriced + that.unpriced
}))

/**
 * Returns the sum of input and output tokens. Use it where limits count both.
 *
 * **Example** (Input and output together)
 *
 * ```ts
 * import { Usage } from "effect-instructor"
 *
 * Usage.totalTokens({ inputTokens: 100, outputTokens: 20 }) // => 120
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const totalTokens = (self: Pick<Usage, "inputTokens" | "outputTokens">): number =>
  self.inputTokens + self.outputTokens

/**
 * Returns the cost in US dollars, or `None` if a part of it is unknown. Use it instead of `usd` where a sum that is too
 * low would be wrong.
 *
 * **Example** (A model without a known price)
 *
 * ```ts
 * import { Option } from "effect"
 * import { Usage } from "effect-instructor"
 *
 * const known = { ...Usage.zero, inputTokens: 10, usd: 0.25 }
 * const unknown = { ...Usage.zero, inputTokens: 10, unpriced: 1 }
 *
 * Usage.cost(known) // => Option.some(0.25)
 * Usage.cost(Usage.add(known, unknown)) // => Option.none()
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const cost = (self: Usage): Option.Option<number> => self.unpriced > 0 ? Option.none() : Option.some(self.usd)
