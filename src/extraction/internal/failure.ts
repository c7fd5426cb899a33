/** The failures of an extraction. */
import { isLlmError, type LlmError } from "../../llm/LlmError.ts"
import { zero } from "../../llm/Usage.ts"
import { BudgetExceeded, ExtractionError, LimitExceeded, ProviderFailure, type Reason } from "../ExtractionError.ts"

/** The reason for the error of a request. */
export const toReason = (error: LlmError | Reason): Reason => {
  if (!isLlmError(error)) return error
  switch (error.reason._tag) {
    case "BudgetExceededError":
      return new BudgetExceeded({ description: error.reason.description })
    case "LimitExceeded":
      return new LimitExceeded({ limit: error.reason.limit, maximum: error.reason.maximum })
    default:
      return new ProviderFailure({ error })
  }
}

/** The error of an extraction that failed before anything was sent. */
export const notSent = (extraction: string, reason: Reason): ExtractionError =>
  new ExtractionError({ extraction, reason, attempts: 0, usage: zero })
