/**
 * Which requests go first where not all can go at once.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"

/**
 * Requests of a higher priority go first. Reasks are `high` by themselves, and requests sent again after a failure go
 * before all others.
 *
 * @category models
 * @since 0.1.0
 */
export type LlmPriority = "high" | "normal" | "low"

/**
 * The priority of the requests a fiber makes.
 *
 * @category references
 * @since 0.1.0
 */
export const CurrentLlmPriority: Context.Reference<LlmPriority> = Context.Reference("effect-instructor/LlmPriority", {
  defaultValue: (): LlmPriority => "normal"
})

/**
 * What the requests a fiber makes belong to. Those of one priority take turns by it, whatever the number of requests
 * each has waiting. Every batch is a flow of its own.
 *
 * @category references
 * @since 0.1.0
 */
export const CurrentLlmFlow: Context.Reference<unknown> = Context.Reference("effect-instructor/LlmFlow", {
  defaultValue: (): unknown => undefined
})

/**
 * Gives the requests of an effect a priority.
 *
 * **Example** (A batch that can wait)
 *
 * ```ts
 * import { Schema } from "effect"
 * import { Batch, LlmPriority } from "effect-instructor"
 *
 * export const overnight = Batch.results(Schema.Struct({ city: Schema.String }), ["I live in Paris"]).pipe(
 *   LlmPriority.withPriority("low")
 * )
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const withPriority: {
  (priority: LlmPriority): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, priority: LlmPriority): Effect.Effect<A, E, R>
} = dual(
  2,
  <A, E, R>(self: Effect.Effect<A, E, R>, priority: LlmPriority): Effect.Effect<A, E, R> =>
    Effect.provideService(self, CurrentLlmPriority, priority)
)

/**
 * Makes the requests of an effect a flow of their own, unless they belong to one already.
 *
 * **Example** (Two loops that take turns)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Extraction, LlmPriority } from "effect-instructor"
 *
 * const city = Extraction.make({ schema: Schema.Struct({ city: Schema.String }) })
 *
 * export const extractAll = (texts: ReadonlyArray<string>) =>
 *   LlmPriority.asFlow(
 *     Effect.forEach(texts, (text) => Extraction.extract(city, text), { concurrency: "unbounded" })
 *   )
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const asFlow = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(
    CurrentLlmFlow,
    (flow) => flow === undefined ? Effect.provideService(self, CurrentLlmFlow, {}) : self
  )
