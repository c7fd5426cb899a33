/**
 * What completions cost, in tokens.
 *
 * @since 0.1.0
 */
import { dual } from "effect/Function"
import * as Schema from "effect/Schema"

/**
 * Tokens of one completion, or of many added up. Cached tokens are part of the input tokens, reasoning tokens part of
 * the output tokens. `unreported` counts completions whose provider told no usage, so that zero never means "free".
 *
 * @category models
 * @since 0.1.0
 */
export interface Usage extends Schema.Schema.Type<typeof Usage> {}

/**
 * @category schemas
 * @since 0.1.0
 */
export const Usage = Schema.Struct({
  inputTokens: Schema.Natural,
  cachedInputTokens: Schema.Natural,
  outputTokens: Schema.Natural,
  reasoningTokens: Schema.Natural,
  unreported: Schema.Natural
})

/**
 * The usage of nothing.
 *
 * @category constructors
 * @since 0.1.0
 */
export const zero: Usage = {
  inputTokens: 0,
  cachedInputTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
  unreported: 0
}

/**
 * The usage of one completion whose provider did not report it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const unreported: Usage = { ...zero, unreported: 1 }

/**
 * Adds two usages.
 *
 * **Example** (Summing up)
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
  outputTokens: self.outputTokens + that.outputTokens,
  reasoningTokens: self.reasoningTokens + that.reasoningTokens,
  unreported: self.unreported + that.unreported
}))

/**
 * Input and output tokens together.
 *
 * @category getters
 * @since 0.1.0
 */
export const totalTokens = (self: Usage): number => self.inputTokens + self.outputTokens
