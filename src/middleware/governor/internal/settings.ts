import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import type { LlmError } from "../../../llm/LlmError.ts"
import type { CountText } from "../../../llm/TokenCount.ts"

/**
 * The options of a governor. All are optional: without any, a governor learns the provider's limits from its answers.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * The most requests per minute, for each model. A lower limit that the provider reports takes precedence. Where the
   * provider reports the same limit, it is used as the provider counts it: a full bucket is used up faster at first.
   *
   * @default the limit that the provider reports
   */
  readonly requestsPerMinute?: number | undefined
  /**
   * The most tokens per minute, for each model: those of the prompts, and the most that the answers may have. A lower
   * limit that the provider reports takes precedence.
   *
   * @default the limit that the provider reports
   */
  readonly tokensPerMinute?: number | undefined
  /**
   * The most requests in flight. With `"adaptive"` it starts at 8 and grows until the server refuses requests or answers
   * more slowly.
   *
   * @default "adaptive"
   */
  readonly concurrency?: number | "adaptive" | undefined
  /**
   * Counts the tokens of a text, as `countTokens` of the `gpt-tokenizer` package does.
   *
   * @default the `Tokenizer` of `effect/ai` in the context, or else an estimate that the usage of the answers corrects
   */
  readonly countTokens?: ((text: string) => number) | undefined
  /**
   * Sends `maxTokens` of one and a half times the longest of the last answers, once enough of them are known. Providers
   * count what an answer may have, not what it has, so this can let several times as many requests through. A truncated
   * answer is requested again with the original `maxTokens`; its usage covers both requests.
   *
   * @default false
   */
  readonly adaptiveMaxTokens?: boolean | undefined
  /**
   * When a request is sent again after a transient failure. A longer delay that the server asks for takes precedence.
   * Refusals for a rate limit do not step the schedule: they wait for the limit instead.
   *
   * @default exponential from 500 millis, jittered, at most 30 seconds, 5 retries
   */
  readonly retry?: Schedule.Schedule<unknown, LlmError> | undefined
  /**
   * The longest delay that the server may ask for. Where it asks for more, as at the end of a daily limit, no request is
   * sent until the delay is over, and all fail with an error that is unrecoverable.
   *
   * @default "5 minutes"
   */
  readonly maxServerDelay?: Duration.Input | undefined
  /**
   * How long one request may be held up by failures, refusals and outages together. Where the provider answered no
   * request in this time, the error is unrecoverable.
   *
   * @default "1 hour"
   */
  readonly giveUpAfter?: Duration.Input | undefined
  /**
   * After how many transient failures in a row, of at least five different requests, the circuit breaker opens. Then all
   * requests wait, and one at a time probes whether the provider is back: after 5 seconds at first, and up to a minute.
   *
   * @default 10
   */
  readonly failureThreshold?: number | undefined
}

/** The options with their defaults, checked. */
export interface Settings {
  readonly provider: string
  readonly requestsPerMinute: number | undefined
  readonly tokensPerMinute: number | undefined
  readonly concurrency: number | "adaptive"
  readonly countText: CountText
  readonly adaptiveMaxTokens: boolean
  readonly retry: Schedule.Schedule<unknown, LlmError>
  readonly maxServerDelayMillis: number
  readonly giveUpAfterMillis: number
  readonly failureThreshold: number
}

/** The jitter of a fifth comes on top, so that no delay is longer than 30 seconds. */
const defaultRetry: Schedule.Schedule<unknown, LlmError> = Schedule.min([
  Schedule.exponential("500 millis"),
  Schedule.spaced("25 seconds")
]).pipe(Schedule.jittered, Schedule.upTo({ times: 5 }))

const wrong = (option: string, expected: string, value: unknown) =>
  Result.fail(`LlmGovernor: ${option} must be ${expected}, but is ${String(value)}`)

/** A limit per minute. Infinity is no limit. */
const perMinute = (option: string, value: number | undefined) =>
  value === undefined || value === Infinity
    ? Result.succeed(undefined)
    : typeof value === "number" && value > 0
    ? Result.succeed(value)
    : wrong(option, "a number above 0", value)

const concurrency = (value: number | "adaptive" | undefined) =>
  value === undefined || value === "adaptive"
    ? Result.succeed("adaptive" as const)
    : value === Infinity || Number.isInteger(value) && value >= 1
    ? Result.succeed(value)
    : wrong("concurrency", `"adaptive" or a whole number of at least 1`, value)

const threshold = (value: number) =>
  value === Infinity || Number.isInteger(value) && value >= 1
    ? Result.succeed(value)
    : wrong("failureThreshold", "a whole number of at least 1", value)

const millis = (option: string, value: Duration.Input) => {
  const duration = Number.isNaN(value) ? Option.none() : Duration.fromInput(value)
  return Option.isSome(duration) && !Duration.isNegative(duration.value)
    ? Result.succeed(Duration.toMillis(duration.value))
    : wrong(option, "a duration of at least 0", value)
}

const check = <A>(option: string, expected: string, value: A, isValid: (value: unknown) => boolean) =>
  value === undefined || isValid(value) ? Result.succeed(value) : wrong(option, expected, value)

/** Checks the options. The failure names the first that is wrong. */
export const make = (
  options: Options,
  context: { readonly provider: string; readonly countText: CountText }
): Result.Result<Settings, string> =>
  Result.map(
    Result.all({
      requestsPerMinute: perMinute("requestsPerMinute", options.requestsPerMinute),
      tokensPerMinute: perMinute("tokensPerMinute", options.tokensPerMinute),
      concurrency: concurrency(options.concurrency),
      maxServerDelayMillis: millis("maxServerDelay", options.maxServerDelay ?? "5 minutes"),
      giveUpAfterMillis: millis("giveUpAfter", options.giveUpAfter ?? "1 hour"),
      failureThreshold: threshold(options.failureThreshold ?? 10),
      countTokens: check("countTokens", "a function", options.countTokens, Predicate.isFunction),
      adaptiveMaxTokens: check("adaptiveMaxTokens", "a boolean", options.adaptiveMaxTokens, Predicate.isBoolean),
      retry: check("retry", "a Schedule", options.retry, Schedule.isSchedule)
    }),
    ({ adaptiveMaxTokens = false, countTokens, retry = defaultRetry, ...checked }) => ({
      ...checked,
      provider: context.provider,
      countText: countTokens === undefined ? context.countText : counting(countTokens),
      adaptiveMaxTokens,
      retry
    })
  )

/** A counter whose nonsense counts as nothing: a count that is not a number would stop everything. */
const counting = (count: CountText): CountText => (text) => {
  const tokens = count(text)
  return tokens >= 0 && tokens < Infinity ? tokens : 0
}
