import { Clock, Context, Duration, Effect, Layer } from "effect"
import { type Completion, Llm, LlmError, LlmGovernor, type LlmRequest, Usage } from "effect-instructor"
import { AiError } from "effect/ai"

export const request = (
  text: string,
  parameters: LlmRequest.Parameters = {},
  model = "m"
): LlmRequest.LlmRequest => ({
  model,
  messages: [{ role: "user", content: text }],
  output: { mode: "text" },
  parameters
})

export const completion = (fields: Partial<Completion.Completion> = {}): Completion.Completion => ({
  id: "1",
  model: "m",
  text: "{}",
  toolCalls: [],
  finishReason: "stop",
  usage: Usage.zero,
  ...fields
})

export interface Sent {
  readonly text: string
  readonly model: string
  readonly at: number
  readonly maxTokens: number | undefined
}

/** A provider that records what it is sent and when. `answer` gives its answers. */
export const provider = (
  answer: (request: Sent, call: number) => Effect.Effect<Completion.Completion, LlmError.Reason | LlmError.LlmError>
) => {
  const sent: Array<Sent> = []
  const llm = Llm.make({
    provider: "test",
    model: "m",
    complete: ({ messages, model, parameters }) =>
      Effect.flatMap(Clock.currentTimeMillis, (at) => {
        const one = { text: messages[0]!.content as string, model, at, maxTokens: parameters.maxTokens }
        return Effect.mapError(answer(one, sent.push(one) - 1), toError)
      })
  })
  return { sent, llm: Layer.succeed(Llm.Llm, llm) }
}

const toError = (error: LlmError.Reason | LlmError.LlmError): LlmError.LlmError =>
  LlmError.isLlmError(error) ? error : new LlmError.LlmError({ provider: "test", reason: error })

export const governed = (options: LlmGovernor.Options, llm: Layer.Layer<Llm.Llm>) =>
  Layer.build(Layer.provide(LlmGovernor.layer(options), llm)).pipe(
    Effect.map((context) => ({
      llm: Context.get(context, Llm.Llm),
      snapshot: Context.get(context, LlmGovernor.LlmGovernor).snapshot
    }))
  )

/** A 429 with this `retry-after`. */
export const rateLimited = (
  retryAfter?: Duration.Input,
  fields: Partial<Pick<LlmError.LlmError, "limit" | "rateLimits">> = {}
): LlmError.LlmError =>
  new LlmError.LlmError({
    provider: "test",
    reason: new AiError.RateLimitError({}),
    ...(retryAfter !== undefined && { serverDelay: Duration.fromInputUnsafe(retryAfter) }),
    ...fields
  })

export const overloaded = new LlmError.OverloadedError({ description: "busy" })

export const window = (
  unit: Completion.RateLimitWindow["unit"],
  limit: number,
  remaining: number,
  resetAfter: Duration.Input = 0,
  period: Completion.RateLimitWindow["period"] = "minute"
): Completion.RateLimitWindow => ({ unit, period, limit, remaining, resetAfter: Duration.fromInputUnsafe(resetAfter) })

export const numbers = (count: number): ReadonlyArray<number> => Array.from({ length: count }, (_, i) => i)

/** Starts all effects at once. */
export const all = <A, E, R>(effects: Iterable<Effect.Effect<A, E, R>>) =>
  Effect.forkChild(Effect.all(effects, { concurrency: "unbounded" }), { startImmediately: true })

/** Asks for the completions of so many requests at once, with the texts "0", "1" and so on. */
export const many = (llm: Llm.Llm["Service"], count: number, parameters?: LlmRequest.Parameters) =>
  all(numbers(count).map((i) => llm.complete(request(`${i}`, parameters))))
