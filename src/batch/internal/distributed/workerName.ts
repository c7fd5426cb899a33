/** The name of a worker that was given none. */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"

export const randomId: Effect.Effect<string> = Effect.map(
  Effect.all([Random.nextIntBetween(0, 2 ** 31), Random.nextIntBetween(0, 2 ** 31)]),
  (parts) => `worker-${parts.map((part) => part.toString(36)).join("")}`
)
