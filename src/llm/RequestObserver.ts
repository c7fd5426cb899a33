/** Hears what happens between a request and its completion. A governor calls it, and a batch shows it as progress. */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type { LlmError } from "./LlmError.ts"

export interface RequestObserver {
  /** A request is sent again, after this delay, because of this error. */
  readonly onRetry: (error: LlmError, delay: Duration.Duration) => void
  /** A request waits: why, and how long at least, where that is known. */
  readonly onWait: (reason: string, wait: Duration.Duration | undefined) => void
  /** A request that waited is sent. */
  readonly onSend: () => void
}

export const CurrentRequestObserver: Context.Reference<RequestObserver> = Context.Reference(
  "effect-instructor/llm/RequestObserver",
  { defaultValue: (): RequestObserver => ({ onRetry: () => {}, onWait: () => {}, onSend: () => {} }) }
)
