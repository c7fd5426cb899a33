/**
 * Replies of a fake model, for `MockLlm` and `OpenAiSimulator`: texts, JSON, refusals and truncated answers.
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
 * The reply of a fake model.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reply {
  readonly [TypeId]: typeof TypeId
  /** The text of the answer, or the arguments of the call where the request asks for a tool call. */
  readonly text: string
  readonly refusal: string | undefined
  readonly finishReason: Response.FinishReason
  /** The delay before the reply. */
  readonly delay: Duration.Duration
  /** The usage to report. By default it is one token for every four characters. */
  readonly usage: Tokens | undefined
}

/**
 * The usage that a reply reports.
 *
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
 * A reply, or a value that becomes one: a string is the text of the answer, and any other value becomes its JSON.
 *
 * @category models
 * @since 0.1.0
 */
export type Input = Reply | Schema.Json

/**
 * Whether a value is a reply. Use it to tell replies from faults and plain values.
 *
 * **Example** (A reply and a value)
 *
 * ```ts
 * import { Reply } from "effect-instructor/testing"
 *
 * Reply.isReply(Reply.text("Paris")) // => true
 * Reply.isReply("Paris") // => false
 * ```
 *
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
 * An answer with this text. Use it for answers that are not valid JSON.
 *
 * **Example** (An answer that is not JSON)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Extraction } from "effect-instructor"
 * import { MockLlm, Reply } from "effect-instructor/testing"
 *
 * const program = Extraction.extract(Schema.Struct({ city: Schema.String }), "Paris").pipe(
 *   Effect.catchReason("ExtractionError", "InvalidOutput", () => Effect.succeed("no JSON")),
 *   Effect.provide(MockLlm.layer(() => Reply.text("I do not know.")))
 * )
 *
 * await Effect.runPromise(program) // => "no JSON"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const text = (text: string): Reply => make({ text })

/**
 * An answer with the JSON of this value. Use it for a value that is a string; any other can be given as it is.
 *
 * **Example** (A value that is a string)
 *
 * ```ts
 * import { Reply } from "effect-instructor/testing"
 *
 * Reply.json("Paris").text // => `"Paris"`
 * Reply.text("Paris").text // => "Paris"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const json = (value: Schema.Json): Reply => make({ text: JSON.stringify(value) })

/**
 * A refusal: the model declines to answer.
 *
 * **Example** (A model that refuses one text)
 *
 * ```ts
 * import { MockLlm, Reply } from "effect-instructor/testing"
 *
 * export const Refusing = MockLlm.layer({ "I am Ada": { name: "Ada" }, "secret": Reply.refusal("I cannot help with that.") })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const refusal = (refusal: string): Reply => make({ refusal })

/**
 * An answer that the token limit truncates after this text.
 *
 * **Example** (An answer without its end)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Extraction } from "effect-instructor"
 * import { MockLlm, Reply } from "effect-instructor/testing"
 *
 * const program = Extraction.extract(Schema.Struct({ city: Schema.String }), "Paris").pipe(
 *   Effect.catchReason("ExtractionError", "Truncated", () => Effect.succeed("cut off")),
 *   Effect.provide(MockLlm.layer(() => Reply.truncated(`{"city":"Pa`)))
 * )
 *
 * await Effect.runPromise(program) // => "cut off"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const truncated = (text: string): Reply => make({ text, finishReason: "length" })

/**
 * An answer that the content filter stops after this text.
 *
 * **Example** (Its finish reason)
 *
 * ```ts
 * import { Reply } from "effect-instructor/testing"
 *
 * Reply.filtered(`{"city":`).finishReason // => "content-filter"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const filtered = (text: string): Reply => make({ text, finishReason: "content-filter" })

/**
 * The reply for an input.
 *
 * **Example** (A value and a text)
 *
 * ```ts
 * import { Reply } from "effect-instructor/testing"
 *
 * Reply.fromInput({ city: "Paris" }).text // => "{\"city\":\"Paris\"}"
 * Reply.fromInput("Paris").text // => "Paris"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromInput = (input: Input): Reply =>
  isReply(input) ? input : Predicate.isString(input) ? text(input) : json(input)

/**
 * Delays a reply. Use it to test timeouts and concurrency.
 *
 * **Example** (A slow model)
 *
 * ```ts
 * import { MockLlm, Reply } from "effect-instructor/testing"
 *
 * export const Slow = MockLlm.layer(() => Reply.delayed({ city: "Paris" }, "30 seconds"))
 * ```
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
 * Sets the usage that a reply reports. Use it to test costs and budgets.
 *
 * **Example** (An answer of a thousand tokens)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Extraction } from "effect-instructor"
 * import { MockLlm, Reply } from "effect-instructor/testing"
 *
 * const reply = Reply.withUsage({ city: "Paris" }, { inputTokens: 900, outputTokens: 100 })
 *
 * const program = Extraction.extractDetailed(Schema.Struct({ city: Schema.String }), "Paris").pipe(
 *   Effect.map(({ usage }) => usage.inputTokens + usage.outputTokens),
 *   Effect.provide(MockLlm.layer(() => reply))
 * )
 *
 * await Effect.runPromise(program) // => 1000
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const withUsage: {
  (usage: Tokens): (self: Input) => Reply
  (self: Input, usage: Tokens): Reply
} = dual(2, (self: Input, usage: Tokens): Reply => ({ ...fromInput(self), usage }))

/**
 * The estimate of the tokens of a text that the fakes report as usage: one for every four characters.
 *
 * **Example** (Twelve characters)
 *
 * ```ts
 * import { Reply } from "effect-instructor/testing"
 *
 * Reply.estimateTokens("Paris, Texas") // => 3
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const estimateTokens = (text: string): number => Math.ceil(text.length / 4)
