/** The simulator's server without its HTTP: the same limiter, the same slots. */
import { Duration, Effect } from "effect"
import { type Completion, Llm, LlmError, type LlmRequest, Usage } from "effect-instructor"
import { AiError } from "effect/ai"
import { promptTokens } from "../../../src/testing/simulators/internal/chatRequest.ts"
import * as Limiter from "../../../src/testing/simulators/internal/limiter.ts"
import * as Slots from "../../../src/testing/simulators/internal/slots.ts"

export interface Limits {
  readonly requestsPerMinute?: number | undefined
  readonly tokensPerMinute?: number | undefined
  readonly quantised?: boolean | undefined
}

export interface Options {
  readonly limits?: Limits | undefined
  readonly headers?: boolean | undefined
  /** Whether a quantised limit is reported per second, and not per minute. */
  readonly isPerSecond?: boolean | undefined
  readonly slots?: { readonly count: number; readonly queue: number } | undefined
  /** The tokens that the server counts for a prompt, relative to four characters a token. */
  readonly tokenRatio?: number | undefined
  readonly latencyMillis: () => number
  readonly outputTokens: () => number
}

/** The requests of one second. */
export interface Second {
  granted: number
  tokens: number
  refused: number
  turnedAway: number
}

type Refused = Extract<ReturnType<Limiter.Limiter["admit"]>, { readonly _tag: "Refused" }>

export const makeRandom = (seed: number): () => number => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

export const make = (options: Options) => {
  const toLimiter = (limits: Limits) =>
    Limiter.make({
      requestsPerMinute: limits.requestsPerMinute,
      tokensPerMinute: limits.tokensPerMinute,
      quantised: limits.quantised ?? false
    })
  let limiter = options.limits === undefined ? undefined : toLimiter(options.limits)
  const slots = options.slots === undefined ? undefined : Slots.make(options.slots)
  const seconds: Array<Second> = []
  let start: number | undefined
  let maxInFlight = 0
  let inFlight = 0

  const second = (now: number): Second => {
    start ??= now
    const at = Math.floor((now - start) / 1000)
    while (seconds.length <= at) seconds.push({ granted: 0, tokens: 0, refused: 0, turnedAway: 0 })
    return seconds[at]!
  }

  const scale = options.isPerSecond === true ? 60 : 1
  const windows = (now: number): ReadonlyArray<Completion.RateLimitWindow> => {
    const headers = limiter === undefined || options.headers === false ? {} : limiter.headers(now)
    return units.filter((unit) => headers[`x-ratelimit-limit-${unit}`] !== undefined).map((unit) => ({
      unit,
      period: options.isPerSecond === true ? "second" : "minute",
      limit: Number(headers[`x-ratelimit-limit-${unit}`]) / scale,
      remaining: Math.floor(Number(headers[`x-ratelimit-remaining-${unit}`]) / scale),
      resetAfter: fromGo(headers[`x-ratelimit-reset-${unit}`]!)
    }))
  }

  // Without headers the message of a refusal still says the limit, what is used of it, and when to try again.
  const refuse = ({ kind, limit, used, waitMillis }: Refused, now: number) => {
    const reported = windows(now)
    return Effect.fail(
      waitMillis === undefined
        ? failure(new LlmError.RequestTooLargeError({ description: kind }))
        : new LlmError.LlmError({
          provider: "virtual",
          reason: new AiError.RateLimitError({}),
          limit: kind,
          rateLimits: reported.length > 0 ? reported : [{
            unit: kind,
            period: "minute",
            limit,
            remaining: Math.max(0, limit - used),
            resetAfter: Duration.zero
          }],
          serverDelay: Duration.millis(waitMillis)
        })
    )
  }

  const complete: Llm.Llm["Service"]["complete"] = (request) =>
    Effect.gen(function*() {
      // Requests do not take equally long to the server.
      yield* Effect.sleep(Duration.millis(5 + options.latencyMillis() / 100))
      const now = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
      const prompt = Math.ceil(promptTokens(request.messages) * (options.tokenRatio ?? 1))
      const debit = prompt + (request.parameters.maxTokens ?? 16)
      const seen = second(now)
      if (limiter !== undefined) {
        const admission = limiter.admit(debit, now)
        if (admission._tag === "Refused") {
          seen.refused++
          return yield* refuse(admission, now)
        }
      }
      const rateLimits = windows(now)
      maxInFlight = Math.max(maxInFlight, ++inFlight)
      const work = Effect.sleep(Duration.millis(options.latencyMillis()))
      const turnedAway = yield* Effect.ensuring(
        slots === undefined ? work : slots.hold(work),
        Effect.sync(() => inFlight--)
      )
      if (turnedAway !== undefined) {
        seen.turnedAway++
        return yield* Effect.fail(failure(new LlmError.OverloadedError({ description: "server busy" })))
      }
      const done = second(yield* Effect.clockWith((clock) => clock.currentTimeMillis))
      done.granted++
      done.tokens += debit
      const output = options.outputTokens()
      const cut = request.parameters.maxTokens !== undefined && output > request.parameters.maxTokens
      return {
        id: "virtual",
        model: request.model,
        text: cut ? "{" : "{}",
        toolCalls: [],
        finishReason: cut ? "length" as const : "stop" as const,
        usage: {
          ...Usage.zero,
          inputTokens: prompt,
          outputTokens: Math.min(output, request.parameters.maxTokens ?? Infinity)
        },
        ...(rateLimits.length > 0 && { rateLimits })
      }
    })

  return {
    llm: Llm.make({ provider: "virtual", model: "virtual", complete }),
    seconds,
    maxInFlight: () => maxInFlight,
    setLimits: (limits: Limits) => {
      limiter = toLimiter(limits)
    },
    consume: (use: { readonly requests: number; readonly tokens: number }) =>
      Effect.map(
        Effect.clockWith((clock) => clock.currentTimeMillis),
        (now) => limiter?.consume(use.requests, use.tokens, now)
      )
  }
}

const failure = (reason: LlmError.Reason) => new LlmError.LlmError({ provider: "virtual", reason })

const units = ["requests", "tokens"] as const

const millisOf: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** A duration as Go prints it, such as `6m0s`. */
const fromGo = (text: string): Duration.Duration =>
  Duration.millis(
    Array.from(text.matchAll(/([\d.]+)(ms|[smh])/g)).reduce((sum, [, n, unit]) => sum + Number(n) * millisOf[unit!]!, 0)
  )

const output: LlmRequest.OutputFormat = {
  mode: "json_schema",
  name: "Bench",
  jsonSchema: { type: "object", properties: {}, required: [], additionalProperties: false }
}
const filler = "lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore et "
  .repeat(400)

/** A request of about this many tokens. */
export const request = (tokens: number, maxTokens: number | undefined): LlmRequest.LlmRequest => ({
  model: "virtual",
  messages: [{ role: "user", content: filler.slice(0, tokens * 4) }],
  output,
  parameters: maxTokens === undefined ? {} : { maxTokens }
})
