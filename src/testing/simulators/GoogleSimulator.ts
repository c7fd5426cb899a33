/**
 * A server on the loopback interface that speaks Google's `generateContent` API: answers, streams, structured output with its limits, rate
 * limits and failures, with a ledger of the requests it received. Use it for tests over real HTTP, with any client.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as HttpServerError from "effect/http/HttpServerError"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { google } from "./internal/google.ts"
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
 * are sent in Google's format.
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
export class GoogleSimulator extends Context.Service<GoogleSimulator, OpenAiSimulator.OpenAiSimulator["Service"]>()(
  "effect-instructor/testing/simulators/GoogleSimulator"
) {}

/**
 * Starts a simulator that stops with its layer.
 *
 * **Example** (Any client)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { GoogleSimulator } from "effect-instructor/testing/simulators"
 *
 * const program = Effect.gen(function*() {
 *   const { baseUrl } = yield* GoogleSimulator.GoogleSimulator
 *   const response = yield* Effect.promise(() => fetch(`${baseUrl}/v1beta/models`))
 *   return response.status
 * }).pipe(Effect.provide(GoogleSimulator.layer({ answer: () => "Good morning" })))
 *
 * await Effect.runPromise(program) // => 200
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<GoogleSimulator, HttpServerError.ServeError> =>
  Layer.effect(GoogleSimulator, make(options))

/**
 * Starts a simulator that stops with its scope. Use it for several simulators in one test.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  options: Options
): Effect.Effect<GoogleSimulator["Service"], HttpServerError.ServeError, Scope.Scope> =>
  Effect.map(Listening.start(options, google), GoogleSimulator.of)
