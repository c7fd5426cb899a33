/** Spans and metrics of extractions. Spans are only made if there is a tracer. */
import * as Telemetry from "effect/ai/Telemetry"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as References from "effect/References"
import type * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import type { Completion } from "../../llm/Completion.ts"
import type { LlmRequest } from "../../llm/LlmRequest.ts"
import type { Usage } from "../../llm/Usage.ts"
import type { ExtractionError } from "../ExtractionError.ts"
import { metrics } from "./metrics.ts"

/** What an extraction has used so far. A timeout or an interruption may end it at any time. */
export interface Spent {
  attempts: number
  usage: Usage
}

/** The account of the extraction around a check, for checks that ask a model of their own. */
export const CurrentSpent = Context.Reference<Spent | undefined>("effect-instructor/CurrentSpent", {
  defaultValue: () => undefined
})

export const RecordContent = Context.Reference<boolean>("effect-instructor/RecordContent", {
  defaultValue: () => false
})

const isTraced = (fiber: Fiber.Fiber<unknown, unknown>): boolean =>
  fiber.getRef(Tracer.Tracer) !== Tracer.nativeTracer && fiber.getRef(References.TracerEnabled)

/** Runs an extraction in its own span, and records its metrics. */
export const extraction = <A, R>(
  name: string,
  spent: Spent,
  run: Effect.Effect<A, ExtractionError, R>
): Effect.Effect<A, ExtractionError, R> =>
  Effect.withFiber((fiber) => {
    const clock = fiber.getRef(Clock.Clock)
    const start = clock.currentTimeMillisUnsafe()
    return Effect.onExit(isTraced(fiber) ? inSpan(name, spent, run) : run, (exit) => {
      record(fiber.context, outcome(exit), spent, clock.currentTimeMillisUnsafe() - start)
      return Effect.void
    })
  })

const inSpan = <A, R>(
  name: string,
  spent: Spent,
  run: Effect.Effect<A, ExtractionError, R>
): Effect.Effect<A, ExtractionError, R> =>
  Effect.useSpan(
    `extract ${name}`,
    { attributes: { "effect_instructor.extraction": name } },
    (span) =>
      Effect.onExit(Effect.withParentSpan(run, span), (exit) => {
        annotateOutcome(span, outcome(exit), spent)
        return Effect.void
      })
  )

/** Completes requests: an `Llm`, or a stream that is read to its end. */
export interface Completer<out E> {
  readonly provider: string
  readonly complete: (request: LlmRequest) => Effect.Effect<Completion, E>
}

/** Sends the request of one attempt in its own span. */
export const complete = <E>(
  llm: Completer<E>,
  request: LlmRequest,
  attempt: number
): Effect.Effect<Completion, E> =>
  Effect.withFiber((fiber) =>
    isTraced(fiber)
      ? completeInSpan(llm, request, attempt, fiber.getRef(RecordContent))
      : llm.complete(request)
  )

const completeInSpan = <E>(
  llm: Completer<E>,
  request: LlmRequest,
  attempt: number,
  recordContent: boolean
): Effect.Effect<Completion, E> =>
  Effect.useSpan(`chat ${request.model}`, { kind: "client" }, (span) => {
    annotateRequest(span, llm, request, attempt, recordContent)
    return Effect.tap(Effect.withParentSpan(llm.complete(request), span), (completion) => {
      annotateCompletion(span, completion, recordContent)
      return Effect.void
    })
  })

const annotateUsage = (
  span: Tracer.Span,
  { cachedInputTokens, inputTokens, outputTokens, reasoningTokens, unpriced, unreported, usd }: Usage
): void => {
  const tokens = { inputTokens, cachedInputTokens, outputTokens, reasoningTokens, unreported }
  Telemetry.addGenAIAnnotations(span, { usage: tokens })
  if (unpriced === 0) span.attribute("effect_instructor.usd", usd)
}

const annotateRequest = (
  span: Tracer.Span,
  llm: { readonly provider: string },
  request: LlmRequest,
  attempt: number,
  recordContent: boolean
): void => {
  const { parameters } = request
  Telemetry.addGenAIAnnotations(span, {
    provider: { name: llm.provider },
    operation: { name: "chat" },
    output: { type: "json" },
    request: {
      model: request.model,
      temperature: parameters.temperature,
      topP: parameters.topP,
      maxTokens: parameters.maxTokens,
      stopSequences: parameters.stop,
      frequencyPenalty: parameters.frequencyPenalty,
      presencePenalty: parameters.presencePenalty,
      seed: parameters.seed
    }
  })
  span.attribute("effect_instructor.attempt", attempt)
  span.attribute("effect_instructor.mode", request.output.mode)
  if (recordContent) span.attribute("gen_ai.input.messages", JSON.stringify(request.messages))
}

const annotateCompletion = (span: Tracer.Span, completion: Completion, recordContent: boolean): void => {
  Telemetry.addGenAIAnnotations(span, {
    response: { id: completion.id, model: completion.model, finishReasons: [completion.finishReason] }
  })
  annotateUsage(span, completion.usage)
  if (recordContent) {
    const { refusal, text, toolCalls } = completion
    span.attribute("gen_ai.output.messages", JSON.stringify([{ role: "assistant", text, toolCalls, refusal }]))
  }
}

/** Measures a streamed extraction until its scope closes. `ended` returns the outcome, if there is one by then. */
export const streamed = (
  name: string,
  spent: Spent,
  ended: () => string | undefined
): Effect.Effect<Tracer.Span | undefined, never, Scope.Scope> =>
  Effect.withFiber((fiber) => {
    const clock = fiber.getRef(Clock.Clock)
    const start = clock.currentTimeMillisUnsafe()
    const { context } = fiber
    const open: Effect.Effect<Tracer.Span | undefined, never, Scope.Scope> = isTraced(fiber)
      ? Effect.makeSpanScoped(`extract ${name}`, { attributes: { "effect_instructor.extraction": name } })
      : Effect.undefined
    return Effect.tap(open, (span) =>
      Effect.addFinalizer(() => {
        const outcome = ended() ?? "Interrupted"
        if (span !== undefined) annotateOutcome(span, outcome, spent)
        record(context, outcome, spent, clock.currentTimeMillisUnsafe() - start)
        return Effect.void
      }))
  })

/** The span of a streamed attempt, which ends with its scope, and a function that records the completion. */
export const streamedAttempt = (
  llm: { readonly provider: string },
  request: LlmRequest,
  attempt: number,
  parent: Tracer.Span
): Effect.Effect<
  { readonly span: Tracer.Span; readonly onCompletion: (completion: Completion) => void },
  never,
  Scope.Scope
> =>
  Effect.gen(function*() {
    const recordContent = yield* RecordContent
    const span = yield* Effect.makeSpanScoped(`chat ${request.model}`, { kind: "client", parent })
    annotateRequest(span, llm, request, attempt, recordContent)
    return { span, onCompletion: (completion) => annotateCompletion(span, completion, recordContent) }
  })

const annotateOutcome = (span: Tracer.Span, outcome: string, spent: Spent): void => {
  span.attribute("effect_instructor.attempts", spent.attempts)
  span.attribute("effect_instructor.outcome", outcome)
  Telemetry.addGenAIAnnotations(span, { output: { type: "json" } })
  annotateUsage(span, spent.usage)
}

const outcome = (exit: Exit.Exit<unknown, ExtractionError>): string => {
  if (exit._tag === "Success") return "Success"
  const error = Cause.findErrorOption(exit.cause)
  return Option.isSome(error) ? error.value.reason._tag : Cause.hasInterruptsOnly(exit.cause) ? "Interrupted" : "Defect"
}

const byOutcome = new Map<string, Metric.Metric<number, unknown>>()

const outcomeMetric = (outcome: string): Metric.Metric<number, unknown> => {
  let metric = byOutcome.get(outcome)
  if (metric === undefined) {
    metric = Metric.withAttributes(metrics.extractions, { outcome })
    byOutcome.set(outcome, metric)
  }
  return metric
}

const record = (
  context: Context.Context<never>,
  outcome: string,
  spent: Spent,
  millis: number
): void => {
  outcomeMetric(outcome).updateUnsafe(1, context)
  metrics.attempts.updateUnsafe(spent.attempts, context)
  metrics.inputTokens.updateUnsafe(spent.usage.inputTokens, context)
  metrics.outputTokens.updateUnsafe(spent.usage.outputTokens, context)
  metrics.cost.updateUnsafe(spent.usage.usd, context)
  metrics.duration.updateUnsafe(millis, context)
}
