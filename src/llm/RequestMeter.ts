/**
 * Accounts for single requests. A budget sets the meter of the fibers that call it, and `Llm.make` lets every request
 * that it sends pass through the meter, so that each retry of a governor is accounted for by itself, wherever the budget
 * is placed.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import type { Completion, CompletionPart } from "./Completion.ts"
import type { LlmError } from "./LlmError.ts"
import type { LlmRequest } from "./LlmRequest.ts"

export interface RequestMeter {
  /** Wraps one request: decides whether `send` runs, and settles what it used. */
  readonly complete: (
    request: LlmRequest,
    send: Effect.Effect<Completion, LlmError>
  ) => Effect.Effect<Completion, LlmError>
  readonly stream: (
    request: LlmRequest,
    send: Stream.Stream<CompletionPart, LlmError>
  ) => Stream.Stream<CompletionPart, LlmError>
}

export const CurrentRequestMeter: Context.Reference<RequestMeter | undefined> = Context.Reference(
  "effect-instructor/llm/RequestMeter",
  { defaultValue: (): RequestMeter | undefined => undefined }
)

/** The methods of an `Llm` that send. */
interface Sending {
  readonly complete: (request: LlmRequest) => Effect.Effect<Completion, LlmError>
  readonly stream: (request: LlmRequest) => Stream.Stream<CompletionPart, LlmError>
}

/** Marks an `Llm` with a metered provider at its end. Middleware keeps the mark, because it copies the service. */
const TypeId = "~effect-instructor/llm/RequestMeter"

export const isMetered = (llm: Sending): boolean => Predicate.hasProperty(llm, TypeId)

/** Lets the requests of a provider pass through the meter of the fiber that sends them. */
export const metered = <A extends Sending>(provider: A): A => ({
  ...provider,
  [TypeId]: TypeId,
  complete: (request) =>
    Effect.withFiber((fiber) => {
      const meter = fiber.getRef(CurrentRequestMeter)
      const send = provider.complete(request)
      return meter === undefined ? send : meter.complete(request, unmetered(send))
    }),
  stream: (request) =>
    Stream.unwrap(Effect.map(CurrentRequestMeter, (meter) => {
      const send = provider.stream(request)
      return meter === undefined
        ? send
        : meter.stream(request, Stream.provideService(send, CurrentRequestMeter, undefined))
    }))
})

// A provider may itself be made of others, whose requests are part of this one.
const unmetered = <A, E>(send: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.provideService(send, CurrentRequestMeter, undefined)
