/** Checks of numeric options. A value out of range is a bug of the program, so the layer dies, naming the option. */
import * as Effect from "effect/Effect"

export const atLeast = (minimum: number, name: string, value: number | undefined): Effect.Effect<void> =>
  value === undefined || value >= minimum
    ? Effect.void
    : Effect.die(new RangeError(`${name} must be at least ${minimum}, but is ${value}`))
