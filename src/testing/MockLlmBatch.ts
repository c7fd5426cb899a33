/**
 * An `LlmBatch` for tests. It answers from a script, keeps its batches for the lifetime of its layer, and takes all times
 * from `Clock`, so that it works under `TestClock`.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { BatchStatus, Limits, LlmBatch, Reference } from "../llm/LlmBatch.ts"
import * as LlmBatchModule from "../llm/LlmBatch.ts"
import type * as LlmError from "../llm/LlmError.ts"
import type { LlmRequest } from "../llm/LlmRequest.ts"
import type { Pricing } from "../llm/Pricing.ts"
import type { DialectInput } from "../schema/dialects/builtIn.ts"
import * as Server from "./internal/mockBatches.ts"
import type * as Reply from "./Reply.ts"

/**
 * A batch that a mock received.
 *
 * @category models
 * @since 0.1.0
 */
export interface MockBatch {
  readonly reference: Reference
  readonly status: BatchStatus["status"]
  readonly requests: ReadonlyArray<LlmRequest>
}

/**
 * The record of what a mock received. `MockLlmBatch.layer` provides it; read it with `batches` and `calls`.
 *
 * @category services
 * @since 0.1.0
 */
export class MockLlmBatch extends Context.Service<MockLlmBatch, {
  readonly batches: Effect.Effect<ReadonlyArray<MockBatch>>
  /** The names of the operations so far: `submit`, `find`, `poll`, `cancel`, `results` and `list`. */
  readonly calls: Effect.Effect<ReadonlyArray<Operation>>
}>()("effect-instructor/testing/MockLlmBatch") {}

/**
 * An operation of an `LlmBatch` that sends something.
 *
 * @category models
 * @since 0.1.0
 */
export type Operation = "submit" | "find" | "poll" | "cancel" | "results" | "list"

/**
 * What becomes of a request, in place of a reply: it is not answered before the batch expires or is cancelled, its result
 * is missing, or it has the same result twice.
 *
 * @category models
 * @since 0.1.0
 */
export interface Row {
  readonly [Server.TypeId]: "Expired" | "Cancelled" | "Lost" | "Twice"
  readonly reply: Reply.Input | undefined
}

/**
 * The request is not answered before its batch expires.
 *
 * **Example** (The second request)
 *
 * ```ts
 * import { MockLlmBatch } from "effect-instructor/testing"
 *
 * export const Model = MockLlmBatch.layer((_, call) => call === 1 ? MockLlmBatch.expired : { city: "Paris" })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const expired: Row = Server.row("Expired", undefined)

/**
 * The request is cancelled before it is answered.
 *
 * **Example** (The second request)
 *
 * ```ts
 * import { MockLlmBatch } from "effect-instructor/testing"
 *
 * export const Model = MockLlmBatch.layer((_, call) => call === 1 ? MockLlmBatch.cancelled : { city: "Paris" })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const cancelled: Row = Server.row("Cancelled", undefined)

/**
 * The request has no result at all.
 *
 * **Example** (The second request)
 *
 * ```ts
 * import { MockLlmBatch } from "effect-instructor/testing"
 *
 * export const Model = MockLlmBatch.layer((_, call) => call === 1 ? MockLlmBatch.lost : { city: "Paris" })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const lost: Row = Server.row("Lost", undefined)

/**
 * The request has its result twice.
 *
 * **Example** (The second request)
 *
 * ```ts
 * import { MockLlmBatch } from "effect-instructor/testing"
 *
 * export const Model = MockLlmBatch.layer((_, call) => call === 1 ? MockLlmBatch.twice({ city: "Lyon" }) : { city: "Paris" })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const twice = (reply: Reply.Input): Row => Server.row("Twice", reply)

/**
 * Answers one request. `call` counts the requests from 0. An effect may fail with the reason of an `LlmError`, which
 * becomes the result of the request.
 *
 * @category models
 * @since 0.1.0
 */
export type Handler = (
  request: LlmRequest,
  call: number
) => Reply.Input | Row | Effect.Effect<Reply.Input | Row, LlmError.Reason | LlmError.LlmError>

/**
 * The answers of a mock: a function of the request, a list of replies in order, or a table of replies by the text of the
 * user's message.
 *
 * @category models
 * @since 0.1.0
 */
export type Script = Handler | ReadonlyArray<Reply.Input | Row> | { readonly [input: string]: Reply.Input | Row }

/**
 * A fault of the provider, for an operation.
 *
 * @category models
 * @since 0.1.0
 */
export type Fault =
  | { readonly _tag: "Fail" | "LoseResponse"; readonly error: LlmError.Reason | LlmError.LlmError }
  | { readonly _tag: "Hang" | "HangAfter" }
  | { readonly _tag: "Vanishes" }
  | {
    readonly _tag: "Ends"
    readonly status: BatchStatus["status"]
    readonly answered: number | undefined
    readonly error: LlmError.LlmError | undefined
  }

/**
 * The operation fails, and nothing happens.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fail = (error: LlmError.Reason | LlmError.LlmError): Fault => ({ _tag: "Fail", error })

/**
 * The operation happens, and then fails, as if the connection broke before its response arrived.
 *
 * @category constructors
 * @since 0.1.0
 */
export const loseResponse = (error: LlmError.Reason | LlmError.LlmError): Fault => ({ _tag: "LoseResponse", error })

/**
 * The operation does not happen and does not return. Interrupt it to test what a process that ends here leaves behind.
 *
 * @category constructors
 * @since 0.1.0
 */
export const hang: Fault = { _tag: "Hang" }

/**
 * The operation happens, and does not return.
 *
 * @category constructors
 * @since 0.1.0
 */
export const hangAfter: Fault = { _tag: "HangAfter" }

/**
 * The batch that is submitted ends in this way. `answered` is the number of requests that are answered before, all by
 * default, and none of a batch that failed.
 *
 * @category constructors
 * @since 0.1.0
 */
export const ends = (
  status: "completed" | "failed" | "expired" | "cancelled",
  options?: { readonly answered?: number | undefined; readonly error?: LlmError.LlmError | undefined }
): Fault => ({ _tag: "Ends", status, answered: options?.answered, error: options?.error })

/**
 * The batch that is submitted is unknown afterwards.
 *
 * @category constructors
 * @since 0.1.0
 */
export const vanishes: Fault = { _tag: "Vanishes" }

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
   * The dialect of JSON Schema that the mock accepts.
   *
   * @default "openai"
   */
  readonly dialect?: DialectInput | undefined
  /** The prices of the model. Without them, costs are unknown. */
  readonly pricing?: Pricing | undefined
  /**
   * The limits of a batch.
   *
   * @default 50,000 requests and 200 MB, as OpenAI
   */
  readonly limits?: Partial<Limits> | undefined
  /** Refuses a batch while more prompt tokens than this are enqueued: it fails after it was submitted, as with OpenAI. */
  readonly refuseTokensOver?: number | undefined
  /**
   * The time that a batch takes.
   *
   * @default 0
   */
  readonly duration?: Duration.Input | undefined
  /** The fault of an operation, if it has one. `call` counts the operations of this name from 0. */
  readonly fault?: ((operation: Operation, call: number) => Fault | undefined) | undefined
}

/**
 * An `LlmBatch` that answers from a script, in another order than asked. Use it in tests that need no HTTP.
 *
 * **Example** (Looking at the batches)
 *
 * ```ts
 * import { Effect, Schema, Stream } from "effect"
 * import { Batch } from "effect-instructor"
 * import { MockLlmBatch } from "effect-instructor/testing"
 *
 * const program = Effect.gen(function*() {
 *   const texts = ["I am Ada", "I am Alan", "I am Grace"]
 *   yield* Stream.runDrain(Batch.offline(Schema.Struct({ name: Schema.String }), texts, { maxRequests: 2 }))
 *   return (yield* MockLlmBatch.batches).map(({ requests }) => requests.length)
 * }).pipe(Effect.provide(MockLlmBatch.layer(() => ({ name: "someone" }))))
 *
 * await Effect.runPromise(program) // => [2, 1]
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (script: Script, options?: Options): Layer.Layer<LlmBatch | MockLlmBatch> =>
  Layer.effectContext(make(script, options))

/**
 * Makes the services of `layer`. Use it to keep the batches of the mock while layers are rebuilt, as a provider does
 * when a process ends.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  script: Script,
  options?: Options
): Effect.Effect<Context.Context<LlmBatch | MockLlmBatch>> =>
  Effect.sync(() => {
    const { record, service } = Server.make(script, {
      ...options,
      duration: Duration.fromInputUnsafe(options?.duration ?? Duration.zero)
    })
    return Context.make(LlmBatchModule.LlmBatch, service).pipe(Context.add(MockLlmBatch, MockLlmBatch.of(record)))
  })

/**
 * The batches so far, in order of arrival.
 *
 * @category getters
 * @since 0.1.0
 */
export const batches: Effect.Effect<ReadonlyArray<MockBatch>, never, MockLlmBatch> = Effect.flatMap(
  MockLlmBatch,
  (mock) => mock.batches
)

/**
 * The operations so far, in order of arrival.
 *
 * @category getters
 * @since 0.1.0
 */
export const calls: Effect.Effect<ReadonlyArray<Operation>, never, MockLlmBatch> = Effect.flatMap(
  MockLlmBatch,
  (mock) => mock.calls
)
