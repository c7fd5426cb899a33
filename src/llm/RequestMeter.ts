/**
 * Accounts for single requests. A budget sets the meter of the fibers that call it, and `Llm.make` lets every request
 * that it sends pass through the meter, so that each retry of a governor is accounted for by itself, wherever the budget
 * is placed.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
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

/**
 * Makes methods whose requests pass through the meter of the fiber that sends them. `send` gets the context of the fiber,
 * so that a provider needs to look it up only once.
 */
export const make = (send: {
  readonly complete: (request: LlmRequest, fiber: Fiber.Fiber<unknown, unknown>) => Effect.Effect<Completion, LlmError>
  readonly stream: (
    request: LlmRequest,
    fiber: Fiber.Fiber<unknown, unknown>
  ) => Stream.Stream<CompletionPart, LlmError>
}): Sending & { readonly [TypeId]: typeof TypeId } => ({
  [TypeId]: TypeId,
  complete: (request) =>
    Effect.withFiber((fiber) => {
      const meter = fiber.getRef(CurrentRequestMeter)
      const sent = send.complete(request, fiber)
      return meter === undefined ? sent : meter.complete(request, unmetered(sent))
    }),
  stream: (request) =>
    Stream.unwrap(Effect.withFiber((fiber) => {
      const meter = fiber.getRef(CurrentRequestMeter)
      const sent = send.stream(request, fiber)
      return Effect.succeed(
        meter === undefined
          ? sent
          : meter.stream(request, Stream.provideService(sent, CurrentRequestMeter, undefined))
      )
    }))
})

/** Lets the requests of a provider that was not made by `Llm.make` pass through the meter. */
export const metered = <A extends Sending>(provider: A): A => ({ ...provider, ...make(provider) })

// A provider may itself be made of others, whose requests are part of this one.
const unmetered = <A, E>(send: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.provideService(send, CurrentRequestMeter, undefined)
