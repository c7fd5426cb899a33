/**
 * A server on the loopback interface that speaks Anthropic's Messages API: answers, streams, structured output with its limits, rate
 * limits and failures, with a ledger of the requests it received. Use it for tests over real HTTP, with any client.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as HttpServerError from "effect/http/HttpServerError"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { Llm } from "../../llm/Llm.ts"
import type { LlmGovernor } from "../../middleware/governor/LlmGovernor.ts"
import * as Anthropic from "../../providers/anthropic/Anthropic.ts"
import { anthropic } from "./internal/anthropic.ts"
import * as AnthropicBatches from "./internal/anthropicBatches.ts"
import * as Listening from "./internal/listening.ts"
import type * as OpenAiSimulator from "./OpenAiSimulator.ts"

/**
 * A request as the simulator understood it.
 *
 * @category models
 * @since 0.1.0
 */
export interface SimulatedRequest extends OpenAiSimulator.SimulatedRequest {}

/**
 * The function that answers requests: with a reply, or with a fault where the server is to fail. The faults of `Fault`
 * are sent in Anthropic's format.
 *
 * @category models
 * @since 0.1.0
 */
export type Answer = OpenAiSimulator.Answer

/**
 * The options of `layer` and `make`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends OpenAiSimulator.Options {}

/**
 * A running simulator. `layer` and `layerLlm` provide it; use it to inspect the ledger and to change the limits.
 *
 * @category services
 * @since 0.1.0
 */
export class AnthropicSimulator
  extends Context.Service<AnthropicSimulator, OpenAiSimulator.OpenAiSimulator["Service"]>()(
    "effect-instructor/testing/simulators/AnthropicSimulator"
  )
{}

/**
 * Starts a simulator that stops with its layer. Use it to test a client of your own; `layerLlm` connects this library's.
 *
 * **Example** (Any client)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { AnthropicSimulator } from "effect-instructor/testing/simulators"
 *
 * const program = Effect.gen(function*() {
 *   const { baseUrl } = yield* AnthropicSimulator.AnthropicSimulator
 *   const response = yield* Effect.promise(() => fetch(`${baseUrl}/v1/models`))
 *   return response.status
 * }).pipe(Effect.provide(AnthropicSimulator.layer({ answer: () => "Good morning" })))
 *
 * await Effect.runPromise(program) // => 200
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<AnthropicSimulator, HttpServerError.ServeError> =>
  Layer.effect(AnthropicSimulator, make(options))

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
   * @default Anthropic.layer, with the simulator's API key and its first model
   */
  readonly connect?: ((baseUrl: string) => Layer.Layer<A, E>) | undefined
}

/**
 * Starts a simulator, and provides the `Llm` that talks to it over HTTP, with the retries and the rate limits of
 * `Anthropic.layer`. Use it to test a whole program without a provider.
 *
 * **Example** (A program over real HTTP)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Extraction } from "effect-instructor"
 * import { AnthropicSimulator } from "effect-instructor/testing/simulators"
 *
 * const program = Extraction.extract(Schema.Struct({ city: Schema.String }), "I live in Paris").pipe(
 *   Effect.provide(AnthropicSimulator.layerLlm({ answer: () => ({ city: "Paris" }) }))
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
): Layer.Layer<A | AnthropicSimulator, E | HttpServerError.ServeError> => {
  const connect = options.connect ?? ((baseUrl: string) => connectTo(baseUrl, options) as Layer.Layer<A>)
  return Layer.unwrap(AnthropicSimulator.use(({ baseUrl }) => Effect.succeed(connect(baseUrl)))).pipe(
    Layer.provideMerge(layer(options))
  )
}

const connectTo = (baseUrl: string, { apiKey, models }: Options): Layer.Layer<Llm | LlmGovernor> =>
  Anthropic.layer({
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
 * import { AnthropicSimulator } from "effect-instructor/testing/simulators"
 *
 * export const program = Effect.scoped(Effect.gen(function*() {
 *   const { baseUrl, ledger } = yield* AnthropicSimulator.make({ answer: () => ({ city: "Paris" }) })
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
): Effect.Effect<AnthropicSimulator["Service"], HttpServerError.ServeError, Scope.Scope> =>
  Effect.map(Listening.start(options, anthropic, AnthropicBatches.make), AnthropicSimulator.of)
