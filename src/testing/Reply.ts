/**
 * What a fake model answers: a text, a value, a refusal, an answer cut short.
 *
 * @since 0.1.0
 */
import type * as Response from "effect/ai/Response"
import * as Duration from "effect/Duration"
import { dual } from "effect/Function"
import * as Predicate from "effect/Predicate"
import type * as Schema from "effect/Schema"

const TypeId = "~effect-instructor/testing/Reply"

/**
 * @category models
 * @since 0.1.0
 */
export interface Reply {
  readonly [TypeId]: typeof TypeId
  /** The answer's text; the arguments of the call, when a tool was to be called. */
  readonly text: string
  readonly refusal: string | undefined
  readonly finishReason: Response.FinishReason
  /** How long the model takes. */
  readonly delay: Duration.Duration
  /** Tokens to report instead of one for every four characters. */
  readonly usage: Tokens | undefined
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Tokens {
  readonly inputTokens: number
  readonly outputTokens: number
  readonly cachedInputTokens?: number | undefined
  readonly reasoningTokens?: number | undefined
}

/**
 * A reply, or what stands for one: a string is the text of the answer as it is, any other value its JSON.
 *
 * @category models
 * @since 0.1.0
 */
export type Input = Reply | Schema.Json

/**
 * @category guards
 * @since 0.1.0
 */
export const isReply = (u: unknown): u is Reply => Predicate.hasProperty(u, TypeId)

const make = (options: Partial<Omit<Reply, typeof TypeId>>): Reply => ({
  [TypeId]: TypeId,
  text: "",
  refusal: undefined,
  finishReason: "stop",
  delay: Duration.zero,
  usage: undefined,
  ...options
})

/**
 * An answer with this text, JSON or not.
 *
 * @category constructors
 * @since 0.1.0
 */
export const text = (text: string): Reply => make({ text })

/**
 * An answer with the JSON of this value.
 *
 * @category constructors
 * @since 0.1.0
 */
export const json = (value: Schema.Json): Reply => make({ text: JSON.stringify(value) })

/**
 * A model that declines to answer.
 *
 * @category constructors
 * @since 0.1.0
 */
export const refusal = (refusal: string): Reply => make({ refusal })

/**
 * An answer cut off at the token limit after this text.
 *
 * @category constructors
 * @since 0.1.0
 */
export const truncated = (text: string): Reply => make({ text, finishReason: "length" })

/**
 * An answer stopped by the content filter after this text.
 *
 * @category constructors
 * @since 0.1.0
 */
export const filtered = (text: string): Reply => make({ text, finishReason: "content-filter" })

/**
 * @category constructors
 * @since 0.1.0
 */
export const fromInput = (input: Input): Reply =>
  isReply(input) ? input : Predicate.isString(input) ? text(input) : json(input)

/**
 * Lets the model take its time.
 *
 * @category combinators
 * @since 0.1.0
 */
export const delayed: {
  (delay: Duration.Input): (self: Input) => Reply
  (self: Input, delay: Duration.Input): Reply
} = dual(2, (self: Input, delay: Duration.Input): Reply => ({
  ...fromInput(self),
  delay: Duration.fromInputUnsafe(delay)
}))

/**
 * Reports these tokens.
 *
 * @category combinators
 * @since 0.1.0
 */
export const withUsage: {
  (usage: Tokens): (self: Input) => Reply
  (self: Input, usage: Tokens): Reply
} = dual(2, (self: Input, usage: Tokens): Reply => ({ ...fromInput(self), usage }))

/**
 * The tokens a text counts for where nothing better is known: one for every four characters.
 *
 * @category getters
 * @since 0.1.0
 */
export const estimateTokens = (text: string): number => Math.ceil(text.length / 4)
