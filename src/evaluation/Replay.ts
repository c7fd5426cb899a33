/**
 * Recorded answers as a model. Use it to try schemas, prompts of checks, votes and cascades on answers that were paid for
 * already.
 *
 * @since 0.1.0
 */
import * as AiError from "effect/ai/AiError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Schema from "effect/Schema"
import * as Llm from "../llm/Llm.ts"
import * as LlmError from "../llm/LlmError.ts"
import type { LlmRequest } from "../llm/LlmRequest.ts"
import * as TokenCount from "../llm/TokenCount.ts"
import * as Usage from "../llm/Usage.ts"
import type { DialectInput } from "../schema/dialects/builtIn.ts"

/**
 * A recorded answer.
 *
 * @category models
 * @since 0.1.0
 */
export interface Recorded {
  /** The text of the last message of the user. */
  readonly input: string
  /** The text of the answer, as it came, or its JSON. */
  readonly answer: Schema.Json
  /** The model that gave it. Without one, the answer is used for every model. */
  readonly model?: string | undefined
  /** @default "stop" */
  readonly finishReason?: "stop" | "length" | undefined
}

/**
 * The options of `layer`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * The model for extractions that name none.
   *
   * @default the model of the first answer, or "replay"
   */
  readonly model?: string | undefined
  /**
   * The dialect of JSON Schema of the model.
   *
   * @default "plain"
   */
  readonly dialect?: DialectInput | undefined
}

/**
 * An `Llm` that answers with recorded answers: the one for the last message of the user and the model of the request. Of
 * several for the same input and model, each is given once, and the last again after that. A request without an answer
 * fails with an `InvalidRequestError`.
 *
 * **Example** (Two models on one page)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Extraction, Replay } from "effect-instructor"
 *
 * const person = Extraction.make({ schema: Schema.Struct({ name: Schema.String }), model: "b" })
 *
 * const program = Extraction.extract(person, "I am Ada").pipe(
 *   Effect.provide(Replay.layer([
 *     { input: "I am Ada", model: "a", answer: { name: "Ida" } },
 *     { input: "I am Ada", model: "b", answer: "```json\n{\"name\": \"Ada\"}\n```" }
 *   ]))
 * )
 *
 * await Effect.runPromise(program) // => { name: "Ada" }
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (recorded: Iterable<Recorded>, options?: Options): Layer.Layer<Llm.Llm> =>
  Layer.sync(Llm.Llm, () => make(recorded, options ?? {}))

const make = (recorded: Iterable<Recorded>, options: Options): Llm.Llm["Service"] => {
  const answers = new Map<string, Array<Recorded>>()
  let first: string | undefined
  for (const one of recorded) {
    first ??= one.model
    const key = keyOf(one.model, one.input)
    answers.set(key, [...(answers.get(key) ?? []), one])
  }
  const given = new Map<string, number>()
  return Llm.make({
    provider: "replay",
    model: options.model ?? first ?? "replay",
    dialect: options.dialect ?? "plain",
    complete: (request) =>
      Effect.suspend(() => {
        const input = lastText(request)
        const key = [keyOf(request.model, input), keyOf(undefined, input)].find((key) => answers.has(key))
        if (key === undefined) {
          return Effect.fail(
            new LlmError.LlmError({
              provider: "replay",
              reason: new AiError.InvalidRequestError({
                description: `There is no recorded answer of ${request.model} to ${JSON.stringify(input.slice(0, 200))}`
              })
            })
          )
        }
        const list = answers.get(key)!
        const count = given.get(key) ?? 0
        given.set(key, count + 1)
        return Effect.succeed(toCompletion(request, list[Math.min(count, list.length - 1)]!, count))
      })
  })
}

const keyOf = (model: string | undefined, input: string): string => `${model ?? ""}\n${input}`

const lastText = ({ messages }: LlmRequest): string => {
  const content = messages.findLast(({ role }) => role === "user")?.content ?? ""
  return typeof content === "string" ? content : content.map((part) => part.type === "text" ? part.text : "").join("")
}

const toCompletion = (request: LlmRequest, { answer, finishReason }: Recorded, call: number) => {
  const text = typeof answer === "string" ? answer : JSON.stringify(answer)
  return {
    id: `replay-${call}`,
    model: request.model,
    text,
    toolCalls: [],
    finishReason: finishReason ?? "stop",
    usage: {
      ...Usage.zero,
      inputTokens: TokenCount.prompt(request, TokenCount.guessText),
      outputTokens: TokenCount.guessText(text)
    }
  } as const
}
