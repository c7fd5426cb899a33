/**
 * A server on the loopback interface that speaks OpenAI's Chat Completions protocol: answers, streams, strict schemas,
 * rate limits and failures, with a ledger of the requests it received. Use it for tests over real HTTP, with any client.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as HttpServerError from "effect/http/HttpServerError"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { Llm } from "../../llm/Llm.ts"
import type { OutputMode } from "../../llm/LlmRequest.ts"
import type { LlmGovernor } from "../../middleware/governor/LlmGovernor.ts"
import * as OpenAi from "../../providers/openai/OpenAi.ts"
import type * as Fault from "../Fault.ts"
import type * as Reply from "../Reply.ts"
import * as Listening from "./internal/listening.ts"
import { openAi } from "./internal/openAi.ts"
import * as OpenAiBatches from "./internal/openAiBatches.ts"

/**
 * A request as the simulator understood it.
 *
 * @category models
 * @since 0.1.0
 */
export interface SimulatedRequest {
  /** The number of requests before this one. */
  readonly index: number
  readonly model: string
  readonly mode: OutputMode
  /** The JSON Schema that the answer has to fit: that of the response format, or of the tool to call. */
  readonly schema: { readonly [key: string]: unknown } | undefined
  /** The text of the user's last message. */
  readonly text: string
  readonly stream: boolean
  /** The body of the request, unchanged. */
  readonly body: { readonly [key: string]: unknown }
}

/**
 * The function that answers requests: with a reply, or with a fault where the server is to fail.
 *
 * @category models
 * @since 0.1.0
 */
export type Answer = (
  request: SimulatedRequest
) => Reply.Input | Fault.Fault | Effect.Effect<Reply.Input | Fault.Fault>

/**
 * Rate limits, enforced as OpenAI enforces them. Without a limit, requests are not limited.
 *
 * @category models
 * @since 0.1.0
 */
export interface Limits {
  readonly requestsPerMinute?: number | undefined
  readonly tokensPerMinute?: number | undefined
  /**
   * Enforces the requests per minute by the second: 600 a minute become 10 a second.
   *
   * @default false
   */
  readonly quantised?: boolean | undefined
  /**
   * Reports the limits in `x-ratelimit-*` headers.
   *
   * @default true
   */
  readonly headers?: boolean | undefined
}

/**
 * An operation on files or batches.
 *
 * @category models
 * @since 0.1.0
 */
export type BatchOperation = "upload" | "create" | "retrieve" | "content" | "cancel" | "list" | "delete"

/**
 * How a batch misbehaves.
 *
 * @category models
 * @since 0.1.0
 */
export interface BatchTrap {
  /** How it ends. */
  readonly ends?: "completed" | "failed" | "expired" | "cancelled" | undefined
  /** How many of its requests are answered. The others have no result, or one that says that they expired. */
  readonly answered?: number | undefined
  /** It has no files in the end. */
  readonly noFiles?: boolean | undefined
  /** The id of a file that it does not have is the empty text. */
  readonly emptyIds?: boolean | undefined
  /** Reads of its files that fail with a 403 or 404 at first. */
  readonly contentMissing?: number | undefined
  /** It is not known after it was created. */
  readonly unknown?: boolean | undefined
}

/**
 * How the result of one request of a batch goes wrong.
 *
 * @category models
 * @since 0.1.0
 */
export type RowTrap = "expired" | "cancelled" | "lost" | "twice" | "not JSON" | "status 0"

/**
 * The options of Files and Batches. The results of a batch are in another order than its requests.
 *
 * @category models
 * @since 0.1.0
 */
export interface BatchOptions {
  /** Where files and batches are kept, so that they outlive the simulator. A temporary directory by default. */
  readonly directory?: string | undefined
  /**
   * The time that a batch takes.
   *
   * @default "50 millis"
   */
  readonly duration?: Duration.Input | undefined
  /**
   * The time after which a batch expires.
   *
   * @default "24 hours"
   */
  readonly window?: Duration.Input | undefined
  /** The prompt tokens that may be enqueued. A batch that exceeds them fails after it was created. */
  readonly enqueuedTokens?: number | undefined
  /** The trap of a batch, if it has one. `index` counts the batches from 0. */
  readonly trap?: ((batch: { readonly index: number }) => BatchTrap | undefined) | undefined
  /** The trap of a request in a batch, if it has one. */
  readonly row?: ((request: SimulatedRequest) => RowTrap | undefined) | undefined
  /**
   * The fault of an operation, if it has one: a fault in its place, or `"lose response"` after it. `call` counts the
   * operations of this name from 0.
   */
  readonly fault?:
    | ((operation: BatchOperation, call: number) => Fault.Fault | "lose response" | undefined)
    | undefined
}

/**
 * The options of `layer` and `make`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly answer: Answer
  /** A delay before every answer, added to the reply's own. */
  readonly latency?: Duration.Input | undefined
  readonly limits?: Limits | undefined
  /** Answers `count` requests at a time, lets `queue` more wait, and answers any other with a 503, as Ollama does. */
  readonly slots?: { readonly count: number; readonly queue: number } | undefined
  /** The options of `/v1/files` and `/v1/batches`. */
  readonly batches?: BatchOptions | undefined
  /** The only API key that is accepted. By default any is, and none is required. */
  readonly apiKey?: string | undefined
  /** The only models that exist. By default any does. */
  readonly models?: ReadonlyArray<string> | undefined
  /**
   * The port on 127.0.0.1. With 0 the operating system chooses a free one.
   *
   * @default 0
   */
  readonly port?: number | undefined
  /**
   * The number of characters in a piece of a streamed answer.
   *
   * @default 8
   */
  readonly chunkSize?: number | undefined
  /** The delay before each piece of a streamed answer. */
  readonly chunkDelay?: Duration.Input | undefined
  /** Writes a streamed answer in fragments of this many bytes, which may split characters. */
  readonly fragmentSize?: number | undefined
  /**
   * The number of entries that the ledger keeps. Its counts include all requests.
   *
   * @default 10000
   */
  readonly keep?: number | undefined
}

/**
 * The options of `layerLlm`.
 *
 * @category models
 * @since 0.1.0
 */
export interface LlmOptions<A, E> extends Options {
  /**
   * Makes the layer that talks to the simulator at this base URL.
   *
   * @default OpenAi.layer, with the simulator's API key and its first model
   */
  readonly connect?: ((baseUrl: string) => Layer.Layer<A, E>) | undefined
}

/**
 * One request in the ledger.
 *
 * @category models
 * @since 0.1.0
 */
export interface Entry {
  readonly request: SimulatedRequest
  /** The HTTP status, or how the exchange ended without one. */
  readonly outcome: number | "dropped" | "hung" | "aborted"
  /** The tokens that the rate limit counted: those of the prompt, and the most that the answer may have. */
  readonly reservedTokens: number
  readonly startedAtMillis: number
}

/**
 * The requests that a simulator received.
 *
 * @category models
 * @since 0.1.0
 */
export interface Ledger {
  readonly requests: number
  /** The number of requests that the rate limits admitted. */
  readonly granted: number
  /** The number of requests that the rate limits refused. */
  readonly refused: number
  /** The number of requests whose client disconnected before the answer. */
  readonly aborted: number
  readonly inFlight: number
  readonly maxInFlight: number
  /** The latest entries, oldest first. */
  readonly entries: ReadonlyArray<Entry>
}

/**
 * A running simulator. `layer` and `layerLlm` provide it; use it to inspect the ledger and to change the limits.
 *
 * @category services
 * @since 0.1.0
 */
export class OpenAiSimulator extends Context.Service<OpenAiSimulator, {
  /** The base URL for clients. */
  readonly baseUrl: string
  readonly ledger: Effect.Effect<Ledger>
  /** Replaces the rate limits. */
  readonly setLimits: (limits: Limits) => Effect.Effect<void>
  /** Uses up a part of the limits, as another client of the same account would. */
  readonly consume: (use: { readonly requests: number; readonly tokens: number }) => Effect.Effect<void>
}>()("effect-instructor/testing/simulators/OpenAiSimulator") {}

/**
 * Starts a simulator that stops with its layer. Use it to test a client of your own; `layerLlm` connects this library's.
 *
 * **Example** (Any client)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { OpenAiSimulator } from "effect-instructor/testing/simulators"
 * import { OpenAI } from "openai"
 *
 * const program = Effect.gen(function*() {
 *   const { baseUrl, ledger } = yield* OpenAiSimulator.OpenAiSimulator
 *   const client = new OpenAI({ apiKey: "any", baseURL: baseUrl })
 *   yield* Effect.promise(() => client.models.retrieve("gpt-5.4-mini"))
 *   yield* Effect.promise(() =>
 *     client.chat.completions.create({ model: "gpt-5.4-mini", messages: [{ role: "user", content: "Hello" }] })
 *   )
 *   return (yield* ledger).requests
 * }).pipe(Effect.provide(OpenAiSimulator.layer({ answer: () => "Good morning" })))
 *
 * await Effect.runPromise(program) // => 1
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<OpenAiSimulator, HttpServerError.ServeError> =>
  Layer.effect(OpenAiSimulator, make(options))

/**
 * Starts a simulator, and provides the `Llm` that talks to it over HTTP through the `openai` SDK, with the retries and
 * the rate limits of `OpenAi.layer`. Use it to test a whole program without a provider, and `connect` to choose how the
 * program talks to it.
 *
 * **Example** (A program over real HTTP)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Extraction } from "effect-instructor"
 * import { OpenAiSimulator } from "effect-instructor/testing/simulators"
 *
 * const program = Extraction.extract(Schema.Struct({ city: Schema.String }), "I live in Paris").pipe(
 *   Effect.provide(OpenAiSimulator.layerLlm({ answer: () => ({ city: "Paris" }) }))
 * )
 *
 * await Effect.runPromise(program) // => { city: "Paris" }
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerLlm = <A = Llm | LlmGovernor, E = never>(
  options: LlmOptions<A, E>
): Layer.Layer<A | OpenAiSimulator, E | HttpServerError.ServeError> => {
  const connect = options.connect ?? ((baseUrl: string) => connectOpenAi(baseUrl, options) as Layer.Layer<A>)
  return Layer.unwrap(OpenAiSimulator.use(({ baseUrl }) => Effect.succeed(connect(baseUrl)))).pipe(
    Layer.provideMerge(layer(options))
  )
}

const connectOpenAi = (baseUrl: string, { apiKey, models }: Options): Layer.Layer<Llm | LlmGovernor> =>
  OpenAi.layer({
    baseUrl,
    apiKey: apiKey === undefined ? undefined : Redacted.make(apiKey),
    model: models?.[0]
  })

/**
 * Starts a simulator that stops with its scope. Use it for several simulators in one test.
 *
 * **Example** (A server for a test)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { OpenAiSimulator } from "effect-instructor/testing/simulators"
 *
 * export const program = Effect.scoped(Effect.gen(function*() {
 *   const { baseUrl, ledger } = yield* OpenAiSimulator.make({ answer: () => ({ city: "Paris" }) })
 *   yield* Effect.log(`Send requests to ${baseUrl}`)
 *   return (yield* ledger).requests
 * }))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  options: Options
): Effect.Effect<OpenAiSimulator["Service"], HttpServerError.ServeError, Scope.Scope> =>
  Effect.map(Listening.start(options, openAi, OpenAiBatches.make), OpenAiSimulator.of)
