/**
 * Who is told what happens between a request and its completion: the requests sent again, and the waits.
 *
 * @since 0.1.0
 */
import type * as AiError from "effect/ai/AiError"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"

/**
 * @category models
 * @since 0.1.0
 */
export interface LlmObserver {
  /** A request is sent again, after this wait, because of this error. */
  readonly onRetry: (error: AiError.AiError, wait: Duration.Duration) => void
  /** A request waits for its turn: why, and how long at least, where that is known. */
  readonly onWait: (reason: string, wait: Duration.Duration | undefined) => void
  /** A request that waited is sent. */
  readonly onTurn: () => void
}

/**
 * The observer of the requests a fiber makes. Nobody, by default.
 *
 * @category references
 * @since 0.1.0
 */
export const CurrentLlmObserver: Context.Reference<LlmObserver> = Context.Reference("effect-instructor/LlmObserver", {
  defaultValue: (): LlmObserver => ({ onRetry: () => {}, onWait: () => {}, onTurn: () => {} })
})
