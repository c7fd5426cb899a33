/**
 * A `Llm` for tests: it answers from a script, remembers what it was asked, and takes its time from `Clock`, so that it
 * works under `TestClock`.
 *
 * @since 0.1.0
 */
import * as AiError from "effect/ai/AiError"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import type { Completion, CompletionPart } from "../llm/Completion.ts"
import * as Llm from "../llm/Llm.ts"
import * as LlmError from "../llm/LlmError.ts"
import type { LlmRequest, Message } from "../llm/LlmRequest.ts"
import * as Usage from "../llm/Usage.ts"
import * as Reply from "./Reply.ts"

/**
 * What there is to know about the requests a mock received.
 *
 * @category services
 * @since 0.1.0
 */
export class MockLlm extends Context.Service<MockLlm, {
  /** The requests so far, in the order they came; of more than it keeps, the last ones. */
  readonly requests: Effect.Effect<ReadonlyArray<LlmRequest>>
  /** The most requests that were being answered at once. */
  readonly maxInFlight: Effect.Effect<number>
  /** The requests that were abandoned before they were answered. */
  readonly interrupted: Effect.Effect<number>
}>()("effect-instructor/testing/MockLlm") {}

/**
 * Answers one request; `call` counts the requests from 0.
 *
 * @category models
 * @since 0.1.0
 */
export type Handler = (
  request: LlmRequest,
  call: number
) => Reply.Input | Effect.Effect<Reply.Input, LlmError.Reason>

/**
 * What a mock answers: a function of the request, a list of replies in order, or a table of replies by the text of the
 * user's message.
 *
 * @category models
 * @since 0.1.0
 */
export type Script = Handler | ReadonlyArray<Reply.Input> | { readonly [input: string]: Reply.Input }

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * @default "mock"
   */
  readonly model?: string | undefined
  /** How long every reply takes, beside its own delay. */
  readonly delay?: Duration.Input | undefined
  /**
   * The characters in a piece of a streamed answer.
   *
   * @default 8
   */
  readonly chunkSize?: number | undefined
  /** The time between two pieces. */
  readonly chunkDelay?: Duration.Input | undefined
  /**
   * How many requests it keeps.
   *
   * @default 10000
   */
  readonly keep?: number | undefined
}

/**
 * A mock that answers from a script. What the script has no answer for fails with a clear error.
 *
 * **Example** (Looking at the requests)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Extraction } from "effect-instructor"
 * import { MockLlm } from "effect-instructor/testing"
 *
 * const program = Effect.gen(function*() {
 *   yield* Extraction.extract(Schema.Struct({ name: Schema.String }), "I am Ada")
 *   const [request] = yield* MockLlm.requests
 *   return request?.messages.at(-1)
 * }).pipe(Effect.provide(MockLlm.layer([{ name: "Ada" }])))
 *
 * await Effect.runPromise(program) // => { role: "user", content: "I am Ada" }
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (script: Script, options?: Options): Layer.Layer<Llm.Llm | MockLlm> =>
  Layer.effectContext(Effect.sync(() => {
    const mock = make(script, options)
    return Context.make(Llm.Llm, mock.llm).pipe(Context.add(MockLlm, mock.recorder))
  }))

/**
 * The requests so far, in the order they came; of more than it keeps, the last ones.
 *
 * @category getters
 * @since 0.1.0
 */
export const requests: Effect.Effect<ReadonlyArray<LlmRequest>, never, MockLlm> = Effect.flatMap(
  MockLlm,
  (mock) => mock.requests
)

/**
 * The most requests that were being answered at once.
 *
 * @category getters
 * @since 0.1.0
 */
export const maxInFlight: Effect.Effect<number, never, MockLlm> = Effect.flatMap(MockLlm, (mock) => mock.maxInFlight)

/**
 * The requests that were abandoned before they were answered.
 *
 * @category getters
 * @since 0.1.0
 */
export const interrupted: Effect.Effect<number, never, MockLlm> = Effect.flatMap(MockLlm, (mock) => mock.interrupted)

const make = (script: Script, options: Options | undefined) => {
  const handler = toHandler(script)
  const model = options?.model ?? "mock"
  const delay = Duration.fromInputUnsafe(options?.delay ?? Duration.zero)
  const keep = options?.keep ?? 10_000
  const seen: Array<LlmRequest> = []
  let calls = 0
  let inFlight = 0
  let maxInFlight = 0
  let interrupted = 0

  const tracked = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.suspend(() => {
      inFlight++
      maxInFlight = Math.max(maxInFlight, inFlight)
      return Effect.onInterrupt(effect, () => Effect.sync(() => interrupted++))
    }).pipe(Effect.ensuring(Effect.sync(() => inFlight--)))

  const reply = (request: LlmRequest): Effect.Effect<Completion, LlmError.LlmError> =>
    Effect.suspend(() => {
      const call = calls++
      if (seen.length >= keep * 2) seen.splice(0, seen.length - keep)
      seen.push(request)
      const input = handler(request, call)
      const answered = Effect.isEffect(input)
        ? Effect.map(input, Reply.fromInput)
        : Effect.succeed(Reply.fromInput(input))
      return answered.pipe(
        Effect.tap((reply) => pause(Duration.sum(delay, reply.delay))),
        Effect.map((reply) => toCompletion(reply, request, call)),
        Effect.mapError((reason) => new LlmError.LlmError({ provider: "mock", reason }))
      )
    })

  const stream = (request: LlmRequest): Stream.Stream<CompletionPart, LlmError.LlmError> =>
    Stream.unwrap(Effect.map(tracked(reply(request)), (completion) => {
      const [call] = completion.toolCalls
      const deltas = split(call?.arguments ?? completion.text, options?.chunkSize ?? 8).map((delta): CompletionPart =>
        call === undefined ? { _tag: "TextDelta", delta } : { _tag: "ToolArgumentsDelta", index: 0, delta }
      )
      const paced = options?.chunkDelay === undefined
        ? Stream.fromIterable(deltas)
        : Stream.fromIterable(deltas).pipe(
          Stream.rechunk(1),
          Stream.tap(() => pause(Duration.fromInputUnsafe(options.chunkDelay!)))
        )
      return Stream.concat(paced, Stream.succeed<CompletionPart>({ _tag: "Finish", completion }))
    }))

  return {
    llm: Llm.make({ provider: "mock", model, complete: (request) => tracked(reply(request)), stream }),
    recorder: MockLlm.of({
      requests: Effect.sync(() => seen.slice(Math.max(0, seen.length - keep))),
      maxInFlight: Effect.sync(() => maxInFlight),
      interrupted: Effect.sync(() => interrupted)
    })
  }
}

const pause = (duration: Duration.Duration): Effect.Effect<void> =>
  Duration.isZero(duration) ? Effect.void : Effect.sleep(duration)

const toHandler = (script: Script): Handler => {
  if (Predicate.isFunction(script)) return script
  if (isList(script)) {
    return (_, call) =>
      call < script.length
        ? script[call]!
        : noReply(`the script has ${script.length} replies, and this is request ${call + 1}`)
  }
  return (request) => {
    const inputs = request.messages.flatMap(userText)
    const input = inputs.findLast((text) => Object.hasOwn(script, text))
    return input === undefined
      ? noReply(`the script has no reply for ${JSON.stringify(inputs[inputs.length - 1])}`)
      : script[input]!
  }
}

const isList = (script: Exclude<Script, Handler>): script is ReadonlyArray<Reply.Input> => Array.isArray(script)

const userText = (message: Message): ReadonlyArray<string> => {
  if (message.role !== "user") return []
  return Predicate.isString(message.content)
    ? [message.content]
    : [message.content.map((part) => part.type === "text" ? part.text : "").join("")]
}

const noReply = (description: string) => Effect.fail(new AiError.InvalidRequestError({ description }))

const toCompletion = (reply: Reply.Reply, request: LlmRequest, call: number): Completion => {
  const asTool = request.output.mode === "tools" && reply.refusal === undefined
  return {
    id: `mock-${call}`,
    model: request.model,
    text: asTool ? "" : reply.text,
    toolCalls: asTool ? [{ id: `call_${call}`, name: request.output.mode === "text" ? "" : request.output.name, arguments: reply.text }] : [],
    ...(reply.refusal !== undefined && { refusal: reply.refusal }),
    finishReason: asTool && reply.finishReason === "stop" ? "tool-calls" : reply.finishReason,
    usage: {
      ...Usage.zero,
      inputTokens: reply.usage?.inputTokens ?? Reply.estimateTokens(JSON.stringify(request.messages)),
      cachedInputTokens: reply.usage?.cachedInputTokens ?? 0,
      outputTokens: reply.usage?.outputTokens ?? Reply.estimateTokens(reply.refusal ?? reply.text),
      reasoningTokens: reply.usage?.reasoningTokens ?? 0
    }
  }
}

const split = (text: string, size: number): ReadonlyArray<string> =>
  Array.from({ length: Math.ceil(text.length / size) }, (_, i) => text.slice(i * size, (i + 1) * size))
