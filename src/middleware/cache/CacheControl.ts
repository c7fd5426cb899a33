/** What a caller wants of a cache that may be on the way to the model. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"

export interface CacheControl {
  readonly enabled: boolean
  /** Is given, for each answer that came through the cache, what makes the cache forget it. */
  readonly onAnswer: (forget: Effect.Effect<void>) => void
}

export const bypass: CacheControl = { enabled: false, onAnswer: () => {} }

export const CurrentCacheControl: Context.Reference<CacheControl> = Context.Reference(
  "effect-instructor/llm/CacheControl",
  { defaultValue: (): CacheControl => ({ enabled: true, onAnswer: () => {} }) }
)
