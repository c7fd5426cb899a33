/**
 * An `Llm` for tests. It answers from a script, records the requests it receives, and takes all delays from `Clock`, so
 * that it works under `TestClock`.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type { Completion, CompletionPart } from "../llm/Completion.ts"
import * as Llm from "../llm/Llm.ts"
import type * as LlmError from "../llm/LlmError.ts"
import type { LlmRequest } from "../llm/LlmRequest.ts"
import type { Pricing } from "../llm/Pricing.ts"
import type { DialectInput } from "../schema/dialects/builtIn.ts"
import { provider, toCompletion, toError, toHandler } from "./internal/script.ts"
import * as Reply from "./Reply.ts"

/**
 * The record of the requests that a mock received. `MockLlm.layer` provides it; read it with `requests`, `maxInFlight`
 * and `interrupted`.
 *
 * @category services
 * @since 0.1.0
 */
export class MockLlm extends Context.Service<MockLlm, {
  /** The requests so far, in order of arrival. Beyond `keep`, only the most recent ones. */
  readonly requests: Effect.Effect<ReadonlyArray<LlmRequest>>
  /** The highest number of requests in flight at one time. */
  readonly maxInFlight: Effect.Effect<number>
  /** The number of requests that were interrupted before they were answered. */
  readonly interrupted: Effect.Effect<number>
}>()("effect-instructor/testing/MockLlm") {}

/**
 * Answers one request. `call` counts the requests from 0. An effect may fail with the reason of an `LlmError`, or with a
 * whole `LlmError` where a test needs its status, its delay or its usage.
 *
 * @category models
 * @since 0.1.0
 */
export type Handler = (
  request: LlmRequest,
  call: number
) => Reply.Input | Effect.Effect<Reply.Input, LlmError.Reason | LlmError.LlmError>

/**
 * The answers of a mock: a function of the request, a list of replies in order, or a table of replies by the text of the
 * user's message.
 *
 * @category models
 * @since 0.1.0
 */
export type Script = Handler | ReadonlyArray<Reply.Input> | { readonly [input: string]: Reply.Input }

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
   * @default "mock"
   */
  readonly model?: string | undefined
  /**
   * The dialect of JSON Schema that the mock accepts. With the default, a test fails for a schema that OpenAI refuses.
   *
   * @default "openai"
   */
  readonly dialect?: DialectInput | undefined
  /** The prices of the model. Without them, costs are unknown. */
  readonly pricing?: Pricing | undefined
  /** A delay before every reply, added to the reply's own. */
  readonly delay?: Duration.Input | undefined
  /**
   * The number of characters in a piece of a streamed answer.
   *
   * @default 8
   */
  readonly chunkSize?: number | undefined
  /** The delay before each piece of a streamed answer. */
  readonly chunkDelay?: Duration.Input | undefined
  /**
   * The number of requests that the record keeps.
   *
   * @default 10000
   */
  readonly keep?: number | undefined
}

/**
 * An `Llm` that answers from a script. Use it in tests that need no HTTP. A request without an answer in the script fails
 * with an `InvalidRequestError` that says so.
 *
 * **Example** (Inspecting the requests)
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
    const recorder = makeRecorder(options?.keep ?? 10_000)
    return Context.make(Llm.Llm, make(toHandler(script), recorder, options ?? {})).pipe(
      Context.add(MockLlm, recorder.service)
    )
  }))

/**
 * The requests so far, in order of arrival. Beyond `keep`, only the most recent ones.
 *
 * **Example** (The requests of a batch)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Batch } from "effect-instructor"
 * import { MockLlm } from "effect-instructor/testing"
 *
 * const program = Batch.all(Schema.Struct({ city: Schema.String }), ["Paris", "Lyon", "Nice"], { concurrency: 2 }).pipe(
 *   Effect.andThen(Effect.map(MockLlm.requests, (requests) => requests.length)),
 *   Effect.provide(MockLlm.layer(() => ({ city: "Paris" })))
 * )
 *
 * await Effect.runPromise(program) // => 3
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const requests: Effect.Effect<ReadonlyArray<LlmRequest>, never, MockLlm> = Effect.flatMap(
  MockLlm,
  (mock) => mock.requests
)

/**
 * The highest number of requests in flight at one time. Use it to test a concurrency limit.
 *
 * **Example** (At most two at a time)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Batch } from "effect-instructor"
 * import { MockLlm, Reply } from "effect-instructor/testing"
 *
 * const program = Batch.all(Schema.Struct({ city: Schema.String }), ["Paris", "Lyon", "Nice"], { concurrency: 2 }).pipe(
 *   Effect.andThen(MockLlm.maxInFlight),
 *   Effect.provide(MockLlm.layer(() => Reply.delayed({ city: "Paris" }, "5 millis")))
 * )
 *
 * await Effect.runPromise(program) // => 2
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const maxInFlight: Effect.Effect<number, never, MockLlm> = Effect.flatMap(MockLlm, (mock) => mock.maxInFlight)

/**
 * The number of requests that were interrupted before they were answered. Use it to test that a timeout or a failure
 * cancels what is in flight.
 *
 * **Example** (No request was interrupted)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Batch } from "effect-instructor"
 * import { MockLlm } from "effect-instructor/testing"
 *
 * const program = Batch.all(Schema.Struct({ city: Schema.String }), ["Paris", "Lyon", "Nice"], { concurrency: 2 }).pipe(
 *   Effect.andThen(MockLlm.interrupted),
 *   Effect.provide(MockLlm.layer(() => ({ city: "Paris" })))
 * )
 *
 * await Effect.runPromise(program) // => 0
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const interrupted: Effect.Effect<number, never, MockLlm> = Effect.flatMap(MockLlm, (mock) => mock.interrupted)

interface Recorder {
  readonly service: MockLlm["Service"]
  /** Adds a request, and returns how many there were before it. */
  readonly add: (request: LlmRequest) => number
  readonly track: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>
}

const makeRecorder = (keep: number): Recorder => {
  const requests: Array<LlmRequest> = []
  let calls = 0
  let inFlight = 0
  let maxInFlight = 0
  let interrupted = 0
  return {
    service: MockLlm.of({
      requests: Effect.sync(() => requests.slice(Math.max(0, requests.length - keep))),
      maxInFlight: Effect.sync(() => maxInFlight),
      interrupted: Effect.sync(() => interrupted)
    }),
    add: (request) => {
      // Trimmed only now and then, so that adding stays cheap.
      if (requests.length >= keep * 2) requests.splice(0, requests.length - keep)
      requests.push(request)
      return calls++
    },
    track: (effect) =>
      Effect.suspend(() => {
        inFlight++
        maxInFlight = Math.max(maxInFlight, inFlight)
        return Effect.onInterrupt(effect, () => Effect.sync(() => interrupted++))
      }).pipe(Effect.ensuring(Effect.sync(() => inFlight--)))
  }
}

const make = (handler: Handler, recorder: Recorder, options: Options): Llm.Llm["Service"] => {
  const delay = Duration.fromInputUnsafe(options.delay ?? Duration.zero)

  const complete = (request: LlmRequest): Effect.Effect<Completion, LlmError.LlmError> =>
    recorder.track(Effect.suspend(() => {
      const call = recorder.add(request)
      const input = handler(request, call)
      const reply = Effect.isEffect(input)
        ? Effect.mapBoth(input, { onFailure: toError, onSuccess: Reply.fromInput })
        : Effect.succeed(Reply.fromInput(input))
      return reply.pipe(
        Effect.tap((reply) => pause(Duration.sum(delay, reply.delay))),
        Effect.map((reply) => toCompletion(reply, request, call))
      )
    }))

  return Llm.make({
    provider,
    model: options.model ?? "mock",
    dialect: options.dialect ?? "openai",
    pricing: options.pricing,
    complete,
    stream: (request) =>
      Stream.unwrap(Effect.map(complete(request), (completion) =>
        Stream.concat(
          deltas(completion, options),
          Stream.succeed<CompletionPart>({ _tag: "Finish", completion })
        )))
  })
}

const deltas = (
  { text, toolCalls: [call] }: Completion,
  { chunkDelay, chunkSize = 8 }: Options
): Stream.Stream<CompletionPart> => {
  const parts = Stream.fromIterable(
    split(call?.arguments ?? text, chunkSize).map((delta): CompletionPart =>
      call === undefined ? { _tag: "TextDelta", delta } : { _tag: "ToolArgumentsDelta", index: 0, delta }
    )
  )
  if (chunkDelay === undefined) return parts
  return parts.pipe(Stream.rechunk(1), Stream.tap(() => Effect.sleep(chunkDelay)))
}

const pause = (duration: Duration.Duration): Effect.Effect<void> =>
  Duration.isZero(duration) ? Effect.void : Effect.sleep(duration)

const split = (text: string, size: number): ReadonlyArray<string> =>
  Array.from({ length: Math.ceil(text.length / size) }, (_, i) => text.slice(i * size, (i + 1) * size))
