/** The order of requests that cannot all be sent at once. The public part of it is exported by `Llm`. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"

/**
 * Requests of a higher priority are sent first. Reasks are `high` by themselves, and retries go before all others.
 *
 * @category models
 * @since 0.1.0
 */
export type Priority = "high" | "normal" | "low"

/**
 * The priority of the requests that a fiber makes. Set it with `withPriority`.
 *
 * @category references
 * @since 0.1.0
 */
export const CurrentPriority: Context.Reference<Priority> = Context.Reference("effect-instructor/llm/Priority", {
  defaultValue: (): Priority => "normal"
})

/**
 * Sets the priority of all requests of an effect. Use it for a batch that can wait, or for a request that cannot.
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

/** What requests belong to. Within one priority the flows take turns, however many requests each has waiting. */
export const CurrentFlow: Context.Reference<unknown> = Context.Reference("effect-instructor/llm/Flow", {
  defaultValue: (): unknown => undefined
})
