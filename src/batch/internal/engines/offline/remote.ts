/** The remote calls of offline batches, repeated until they succeed or cannot. */
import * as AiError from "effect/ai/AiError"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as LlmBatch from "../../../../llm/LlmBatch.ts"
import { isLlmError, LlmError, NotFoundError } from "../../../../llm/LlmError.ts"
import { defaultPoll, type OfflineOptions } from "./options.ts"

type Service = LlmBatch.LlmBatch["Service"]

/** About 20 minutes together. */
const attempts = 20

const backoff = Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("2 minutes")])

const policy = <E>() =>
  Schedule.max([backoff, Schedule.recurs(attempts)]).pipe(
    Schedule.setInputType<E>(),
    Schedule.modifyDelay(({ duration, input }) =>
      Effect.succeed(Duration.max(duration, (isLlmError(input) ? input.retryAfter : undefined) ?? Duration.zero))
    )
  )

/** Repeats a call that may be repeated without harm. */
export const persistently = <A, E, R>(
  call: Effect.Effect<A, E, R>,
  isRetryable: (error: E) => boolean = (error) => isLlmError(error) && error.isRetryable
): Effect.Effect<A, E, R> => Effect.retry(call, { schedule: policy<E>(), while: isRetryable })

/** How young a batch may be that the provider does not list yet. */
const youngMillis = 60_000

/** Looks for a batch by its name. A provider may list a batch a moment after it was submitted. */
export const find = Effect.fnUntraced(function*(
  service: Service,
  sought: LlmBatch.Sought
): Effect.fn.Return<Option.Option<LlmBatch.Reference>, LlmError> {
  while (true) {
    const found = yield* persistently(service.find(sought))
    if (Option.isSome(found) || (yield* Clock.currentTimeMillis) - sought.since > youngMillis) return found
    yield* Effect.sleep("5 seconds")
  }
})

/** How often a batch may find no room, before it counts as too large. */
const fullAtMost = 3

/**
 * Submits a batch exactly once: after a failure that may have come too late, it looks whether the batch exists. A batch
 * that the provider has no room for is submitted when there is. If there never is, it fails.
 */
export const submit = Effect.fnUntraced(function*<E>(
  service: Service,
  submission: LlmBatch.Submission<E>,
  { others, since }: Pick<LlmBatch.Sought, "others" | "since">,
  hasRoom: Effect.Effect<void>
): Effect.fn.Return<LlmBatch.Reference, LlmError | E> {
  const { model, name, requests } = submission
  let failures = 0
  let full = 0
  while (true) {
    const submitted = yield* Effect.result(service.submit(submission))
    if (submitted._tag === "Success") return submitted.success
    const error = submitted.failure
    if (!isLlmError(error) || !error.isRetryable) return yield* Effect.fail(error)
    const isFull = isEnqueuedLimit(error)
    if (!isFull) {
      if (++failures > attempts) return yield* error
      const delay = Duration.millis(Math.min(1000 * 2 ** (failures - 1), 120_000))
      yield* Effect.sleep(Duration.max(delay, error.retryAfter ?? Duration.zero))
      if (error.status !== undefined && neverSubmitted.has(error.status)) continue
      const found = yield* persistently(service.find({ name, model, requests, since, others }))
      if (Option.isSome(found)) return found.value
    } else {
      if (++full >= fullAtMost && requests > 1) return yield* error
      yield* Effect.timeoutOption(hasRoom, "15 minutes")
      yield* Effect.sleep("1 minute")
    }
  }
})

/** A response with such a status says that there is no batch. */
const neverSubmitted = new Set([429, 529])

/** Whether a batch was refused because too many tokens are enqueued. */
export const isEnqueuedLimit = (error: LlmError): boolean => error.code === enqueuedLimitCode

const enqueuedLimitCode = "token_limit_exceeded"

export interface PollOptions {
  readonly schedule: Schedule.Schedule<unknown>
  readonly onStatus: (status: LlmBatch.BatchStatus) => Effect.Effect<void>
  /** Ends a wait early. */
  readonly wake: Effect.Effect<void>
}

/** How often the provider may say that there is no such batch. A new one may be unknown for a moment. */
const unknownAtMost = 5
const failuresAtMost = 20

export type Ended = { readonly _tag: "Ended"; readonly status: LlmBatch.BatchStatus } | { readonly _tag: "Vanished" }

/** Asks for the status of a batch until it has ended, or until the provider does not know it any more. */
export const poll = Effect.fnUntraced(function*(
  service: Service,
  reference: LlmBatch.Reference,
  { onStatus, schedule, wake }: PollOptions
): Effect.fn.Return<Ended, LlmError> {
  const step = yield* Schedule.toStep(schedule)
  let unknown = 0
  let failures = 0
  while (true) {
    const polled = yield* Effect.result(service.poll(reference))
    if (polled._tag === "Success") {
      unknown = 0
      failures = 0
      yield* onStatus(polled.success)
      if (LlmBatch.isEnded(polled.success)) return { _tag: "Ended", status: polled.success }
    } else if (polled.failure.reason._tag === "NotFoundError") {
      if (++unknown >= unknownAtMost) return { _tag: "Vanished" }
    } else if (polled.failure.isUnrecoverable || ++failures > failuresAtMost) {
      return yield* polled.failure
    }
    const now = yield* Clock.currentTimeMillis
    const next = yield* Effect.result(step(now, undefined))
    const delay = next._tag === "Success" ? next.success[1] : Duration.minutes(1)
    yield* Effect.raceFirst(Effect.sleep(delay), wake)
  }
})

/** Waits for the end of a batch, outside of a run. */
export const pollToEnd = Effect.fnUntraced(function*(
  service: Service,
  reference: LlmBatch.Reference,
  { onStatus, poll: schedule }: Pick<OfflineOptions, "onStatus" | "poll">
): Effect.fn.Return<LlmBatch.BatchStatus, LlmError> {
  const ended = yield* poll(service, reference, {
    schedule: schedule ?? defaultPoll,
    onStatus: onStatus ?? (() => Effect.void),
    wake: Effect.never
  })
  if (ended._tag === "Ended") return ended.status
  return yield* new LlmError({
    provider: service.provider,
    reason: new NotFoundError({ description: `the batch ${reference.id} is not known` })
  })
})

/** The error of a request that the provider did not answer. */
export const notAnswered = ({ provider }: Service, description: string): LlmError =>
  new LlmError({ provider, reason: new AiError.InternalProviderError({ description }) })
