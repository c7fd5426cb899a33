/** The instructions of a caller for any cache between it and the model. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"

export interface CacheControl {
  readonly enabled: boolean
  /** Called for each answer that came through the cache, with the effect that removes the answer from it. */
  readonly onAnswer: (forget: Effect.Effect<void>) => void
}

export const bypass: CacheControl = { enabled: false, onAnswer: () => {} }

export const CurrentCacheControl: Context.Reference<CacheControl> = Context.Reference(
  "effect-instructor/middleware/cache/CacheControl",
  { defaultValue: (): CacheControl => ({ enabled: true, onAnswer: () => {} }) }
)
