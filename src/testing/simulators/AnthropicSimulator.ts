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
import type * as Scope from "effect/Scope"
import { anthropic } from "./internal/anthropic.ts"
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
 * A running simulator. `layer` provides it; use it to inspect the ledger and to change the limits.
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
 * Starts a simulator that stops with its layer.
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
 * Starts a simulator that stops with its scope. Use it for several simulators in one test.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  options: Options
): Effect.Effect<AnthropicSimulator["Service"], HttpServerError.ServeError, Scope.Scope> =>
  Effect.map(Listening.start(options, anthropic), AnthropicSimulator.of)
