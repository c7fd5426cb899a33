/** The order of requests that wait in a governor. `Llm` exports the public part. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"

/**
 * The priority of requests: when not all can be sent at once, a governor sends those of a higher priority first. Reasks
 * have the priority `high`, and retries go before all others.
 *
 * @category models
 * @since 0.1.0
 */
export type Priority = "high" | "normal" | "low"

/**
 * The priority of the requests of a fiber. Set it with `withPriority`.
 *
 * @category references
 * @since 0.1.0
 */
export const CurrentPriority: Context.Reference<Priority> = Context.Reference("effect-instructor/llm/Priority", {
  defaultValue: (): Priority => "normal"
})

/**
 * Sets the priority of the requests of an effect. Use it for a batch that can wait, or for a request that cannot.
 *
 * **Example** (A batch that can wait)
 *
 * ```ts
 * import { Schema } from "effect"
 * import { Batch, Llm } from "effect-instructor"
 *
 * export const overnight = Batch.results(Schema.Struct({ city: Schema.String }), ["I live in Paris"]).pipe(
 *   Llm.withPriority("low")
 * )
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const withPriority: {
  (priority: Priority): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, priority: Priority): Effect.Effect<A, E, R>
} = dual(
  2,
  <A, E, R>(self: Effect.Effect<A, E, R>, priority: Priority): Effect.Effect<A, E, R> =>
    Effect.provideService(self, CurrentPriority, priority)
)

/**
 * The flow that requests belong to: a batch is one. Within a priority the flows take turns, however many requests of each
 * are waiting.
 */
export const CurrentFlow: Context.Reference<unknown> = Context.Reference("effect-instructor/llm/Flow", {
  defaultValue: (): unknown => undefined
})
