/** Observes what happens to requests before they are sent. A governor calls it, and a batch reports it as progress. */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type { LlmError } from "./LlmError.ts"

export interface RequestObserver {
  /** A request failed with this error and will be sent again after this delay. */
  readonly onRetry: (error: LlmError, delay: Duration.Duration) => void
  /** A request waits for this reason, and at least for this time if it is known. */
  readonly onWait: (reason: string, wait: Duration.Duration | undefined) => void
  /** A request that waited is sent. */
  readonly onSend: () => void
}

export const CurrentRequestObserver: Context.Reference<RequestObserver> = Context.Reference(
  "effect-instructor/llm/RequestObserver",
  { defaultValue: (): RequestObserver => ({ onRetry: () => {}, onWait: () => {}, onSend: () => {} }) }
)
