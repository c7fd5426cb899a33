/** Enforces rate limits that may change while the server runs. */
import type * as Fault from "../../Fault.ts"
import type { Limits } from "../OpenAiSimulator.ts"
import type { ChatRequest } from "./chatRequest.ts"
import * as Limiter from "./limiter.ts"
import type { Speaker } from "./speaker.ts"

export interface Admission {
  /** Takes a request from the limits, or returns the 429 that refuses it. */
  readonly admit: (chat: ChatRequest, nowMillis: number) => Fault.Respond | undefined
  readonly headers: (nowMillis: number) => Readonly<Record<string, string>>
  readonly setLimits: (limits: Limits) => void
  readonly consume: (requests: number, tokens: number, nowMillis: number) => void
}

/** The tokens reserved for an answer that the request does not bound. */
const unboundedAnswer = 16

/** The tokens that the limiter reserves for a request: its prompt, and the most that the answers may have. */
export const reservedTokens = ({ choices, maxTokens, promptTokens }: ChatRequest): number =>
  promptTokens + choices * (maxTokens ?? unboundedAnswer)

export const make = (initial: Limits, speaker: Speaker): Admission => {
  let limits = initial
  let limiter = makeLimiter(limits)
  return {
    admit: (chat, now) => {
      const admission = limiter.admit(reservedTokens(chat), now)
      return admission._tag === "Granted"
        ? undefined
        : speaker.limited(admission, chat.simulated.model, limits.headers !== false)
    },
    headers: (now) => limits.headers === false ? {} : speaker.limitHeaders(limiter, now),
    setLimits: (next) => {
      limits = next
      limiter = makeLimiter(next)
    },
    consume: (requests, tokens, now) => limiter.consume(requests, tokens, now)
  }
}

const makeLimiter = (limits: Limits): Limiter.Limiter =>
  Limiter.make({
    requestsPerMinute: limits.requestsPerMinute,
    tokensPerMinute: limits.tokensPerMinute,
    quantised: limits.quantised ?? false
  })
