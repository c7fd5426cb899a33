/** An `Llm` whose requests go through a governor. */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Pull from "effect/Pull"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type { Completion, CompletionPart } from "../../../llm/Completion.ts"
import { Llm } from "../../../llm/Llm.ts"
import type { LlmError } from "../../../llm/LlmError.ts"
import type { LlmRequest } from "../../../llm/LlmRequest.ts"
import { CurrentFlow, CurrentPriority, type Priority } from "../../../llm/Priority.ts"
import * as Usage from "../../../llm/Usage.ts"
import * as Admission from "./admission.ts"
import * as Dispatch from "./dispatch.ts"
import * as Job from "./job.ts"
import * as TokenEstimate from "./tokenEstimate.ts"

export const make = (provider: Llm["Service"], self: Dispatch.Dispatch): Llm["Service"] => {
  const once = (request: LlmRequest) => withJob(self, request, (job) => complete(provider, self, job))
  return Llm.of({
    ...provider,
    complete: self.settings.adaptiveMaxTokens ? (request) => completeFitted(self, request, once) : once,
    stream: (request) => Stream.unwrap(withJob(self, request, (job) => Effect.succeed(stream(provider, self, job))))
  })
}

/** Retries have rank 0. */
const ranks: Readonly<Record<Priority, number>> = { high: 1, normal: 2, low: 3 }

const withJob = <A, E>(
  self: Dispatch.Dispatch,
  request: LlmRequest,
  use: (job: Job.Job) => Effect.Effect<A, E>
): Effect.Effect<A, E> =>
  Effect.withFiber((fiber) =>
    use(Admission.newJob(self, request, fiber.context, {
      priority: ranks[fiber.getRef(CurrentPriority)],
      flow: fiber.getRef(CurrentFlow)
    }))
  )

const complete = (
  provider: Llm["Service"],
  self: Dispatch.Dispatch,
  job: Job.Job
): Effect.Effect<Completion, LlmError> => {
  let decision: Job.Decision
  return Effect.suspend(() =>
    Admission.enter(self, job)
      ? provider.complete(job.request)
      : Effect.andThen(turn(self, job), provider.complete(job.request))
  ).pipe(
    // Here and not where the failure is caught: an interruption in between would leave the request counted as in flight.
    Effect.onExit((exit) => {
      const settled = settle(self, job, exit)
      if (settled !== undefined) decision = settled
      return Effect.void
    }),
    Effect.catch((error) => again(self, job, error, decision, Effect.suspend(() => complete(provider, self, job))))
  )
}

const settle = (
  self: Dispatch.Dispatch,
  job: Job.Job,
  exit: Exit.Exit<Completion, LlmError>
): Job.Decision | undefined => {
  if (exit._tag === "Success") {
    Admission.succeeded(self, job, exit.value)
    return undefined
  }
  const error = Cause.findErrorOption(exit.cause)
  if (Option.isSome(error)) return Admission.failed(self, job, error.value, false)
  Admission.left(self, job)
  return undefined
}

const turn = (self: Dispatch.Dispatch, job: Job.Job): Effect.Effect<void, LlmError> =>
  Effect.suspend(() => {
    if (job.state === "waiting") {
      const wait = Admission.waitOf(self, job)
      Job.observer(job).onWait(job.reason, wait === undefined ? undefined : Duration.millis(wait))
    }
    return Effect.map(Admission.turn(self, job), () => Job.observer(job).onSend())
  })

const stream = (
  provider: Llm["Service"],
  self: Dispatch.Dispatch,
  job: Job.Job
): Stream.Stream<CompletionPart, LlmError> => {
  // The consumer cannot give back what it has seen, so only a stream that has not begun is sent again.
  let hasBegun = false
  let decision: Job.Decision | undefined
  const enter = Effect.suspend(() => Admission.enter(self, job) ? Effect.void : turn(self, job))
  const attempt = Effect.andThen(
    Effect.addFinalizer(() => Effect.sync(() => Admission.left(self, job))),
    Effect.map(enter, () =>
      provider.stream(job.request).pipe(
        Stream.mapArray((parts) => {
          hasBegun = true
          const last = parts[parts.length - 1]!
          if (last._tag === "Finish") Admission.succeeded(self, job, last.completion)
          return parts
        }),
        Stream.tapError((error) =>
          Effect.sync(() => {
            decision = Admission.failed(self, job, error, hasBegun)
          })
        )
      ))
  )
  return Stream.unwrap(attempt).pipe(
    Stream.catch((error) =>
      Stream.unwrap(
        again(
          self,
          job,
          error,
          decision ?? Admission.failed(self, job, error, hasBegun),
          Effect.sync(() => stream(provider, self, job))
        )
      )
    )
  )
}

const again = <A, E>(
  self: Dispatch.Dispatch,
  job: Job.Job,
  error: LlmError,
  decision: Job.Decision,
  next: Effect.Effect<A, E>
): Effect.Effect<A, E | LlmError> => {
  switch (decision._tag) {
    case "GiveUp":
      return Effect.fail(decision.error)
    case "Requeue":
      return resend(self, job, error, decision, next)
    case "Retry":
      return Effect.flatMap(retryStep(self, job), (step) =>
        Pull.matchEffect(step(Dispatch.now(self), error), {
          onSuccess: ([, delay]) => {
            const millis = Math.max(Duration.toMillis(delay), decision.atLeast)
            return resend(self, job, error, { sleep: millis, wait: millis, yields: false }, next)
          },
          onDone: () => Effect.fail(error),
          onFailure: Effect.failCause
        }))
  }
}

const retryStep = ({ settings }: Dispatch.Dispatch, job: Job.Job): Effect.Effect<Job.RetryStep> =>
  job.retry === undefined
    ? Effect.tap(Schedule.toStep(settings.retry), (step) => {
      job.retry = step
      return Effect.void
    })
    : Effect.succeed(job.retry)

const resend = <A, E>(
  self: Dispatch.Dispatch,
  job: Job.Job,
  error: LlmError,
  { sleep, wait, yields }: { readonly sleep: number; readonly wait: number; readonly yields: boolean },
  next: Effect.Effect<A, E>
): Effect.Effect<A, E> =>
  Effect.suspend(() => {
    Admission.sendsAgain(self, job, error, wait, yields)
    return sleep === 0 ? next : Effect.andThen(Effect.sleep(Duration.millis(Math.ceil(sleep))), next)
  })

/** The shortest `maxTokens` that is set without being asked for, and how much room is left above the longest answer. */
const minFitted = 16
const room = 1.5

const completeFitted = (
  self: Dispatch.Dispatch,
  request: LlmRequest,
  once: Llm["Service"]["complete"]
): Effect.Effect<Completion, LlmError> =>
  Effect.suspend(() => {
    const fitted = fit(request, TokenEstimate.longestAnswer(self.estimate, request))
    return fitted === undefined ? once(request) : Effect.filterOrElse(
      once(fitted),
      ({ finishReason }) => finishReason !== "length",
      ({ usage }) => Effect.map(once(request), (whole) => ({ ...whole, usage: Usage.add(usage, whole.usage) }))
    )
  })

/** The request with less room for its answer, if answers need less than it came with. */
const fit = (request: LlmRequest, longestAnswer: number | undefined): LlmRequest | undefined => {
  if (longestAnswer === undefined) return undefined
  const maxTokens = Math.max(minFitted, Math.ceil(longestAnswer * room))
  const { parameters } = request
  return parameters.maxTokens !== undefined && parameters.maxTokens <= maxTokens
    ? undefined
    : { ...request, parameters: { ...parameters, maxTokens } }
}
