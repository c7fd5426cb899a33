/**
 * The one door to a language model. Providers implement it, middleware wraps it, and nothing else knows who is behind.
 *
 * @since 0.1.0
 */
import type * as AiError from "effect/ai/AiError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Completion, CompletionPart } from "./Completion.ts"
import type { LlmRequest } from "./LlmRequest.ts"
import * as Pricing from "./Pricing.ts"

/**
 * @category services
 * @since 0.1.0
 */
export class Llm extends Context.Service<Llm, {
  /** Who answers, as telemetry knows it (`openai`, `ollama`). */
  readonly provider: string
  /** The model for extractions that name none. */
  readonly model: string
  /** One answer. Interruption abandons the request. */
  readonly complete: (request: LlmRequest) => Effect.Effect<Completion, AiError.AiError>
  /**
   * The answer in pieces, none held back: `TextDelta`s that together are the completion's `text`, and
   * `ToolArgumentsDelta`s that together are the `arguments` of the call with their `index`. Then one `Finish`, with the
   * whole completion: only there are the finish reason, the refusal and the usage. A stream that cannot get that far
   * fails. Pieces that arrive together leave together, as one array of the stream. The request is sent when the stream is
   * run, and abandoned when its scope closes.
   */
  readonly stream: (request: LlmRequest) => Stream.Stream<CompletionPart, AiError.AiError>
}>()("effect-instructor/llm/Llm") {}

/**
 * Makes a `Llm` from a function that completes requests. Without a `stream` of its own it streams each answer in one
 * piece. Every completion is given its cost, by `Pricing.CurrentPricing`.
 *
 * **Example** (A provider of one's own)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { Llm, Usage } from "effect-instructor"
 *
 * export const Shouting = Layer.succeed(Llm.Llm, Llm.make({
 *   provider: "shouting",
 *   model: "loud",
 *   complete: ({ messages, model }) =>
 *     Effect.succeed({
 *       id: "1",
 *       model,
 *       text: JSON.stringify({ said: String(messages.at(-1)?.content).toUpperCase() }),
 *       toolCalls: [],
 *       finishReason: "stop",
 *       usage: Usage.zero
 *     })
 * }))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: {
  readonly provider: string
  readonly model: string
  readonly complete: Llm["Service"]["complete"]
  readonly stream?: Llm["Service"]["stream"] | undefined
}): Llm["Service"] => {
  const complete: Llm["Service"]["complete"] = (request) =>
    Effect.withFiber((fiber) => {
      const pricing = fiber.getRef(Pricing.CurrentPricing)
      return Effect.map(options.complete(request), (completion) => Pricing.price(pricing, request, completion))
    })
  const { stream } = options
  return Llm.of({
    provider: options.provider,
    model: options.model,
    complete,
    stream: stream === undefined
      ? (request) => Stream.fromIterableEffect(Effect.map(complete(request), toParts))
      : (request) =>
        Stream.unwrap(
          Effect.map(Pricing.CurrentPricing, (pricing) =>
            Stream.map(stream(request), (part) =>
              part._tag === "Finish"
                ? { ...part, completion: Pricing.price(pricing, request, part.completion) }
                : part))
        )
  })
}

/**
 * A completion as the parts of a stream, its text in one piece.
 *
 * @category converting
 * @since 0.1.0
 */
export const toParts = (completion: Completion): ReadonlyArray<CompletionPart> => [
  ...(completion.text === "" ? [] : [{ _tag: "TextDelta", delta: completion.text } as const]),
  ...completion.toolCalls.map((call, index) => ({
    _tag: "ToolArgumentsDelta" as const,
    index,
    delta: call.arguments
  })),
  { _tag: "Finish", completion }
]
