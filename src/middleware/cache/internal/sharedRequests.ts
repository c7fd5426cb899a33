/**
 * Equal requests in flight are sent once. Each caller is a subscriber of the shared request, as a stream or as a whole,
 * and gets all of the answer. The request is abandoned when its last subscriber has left.
 *
 * Written by hand: `effect/Cache` and `RequestResolver` share effects in the same way, but they have no place for the
 * parts of a stream, and do not tell the one subscriber that is charged with the usage from the others.
 */
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Completion, CompletionPart } from "../../../llm/Completion.ts"
import { completionParts } from "../../../llm/completionParts.ts"
import type { LlmError } from "../../../llm/LlmError.ts"
import { replayed } from "./replayed.ts"

/** The end of a shared request: no completion, if a stream ended without its last part. */
export type Answer = Completion | undefined

/** A subscriber that reads the answer as a stream. */
type Reader = Queue.Queue<CompletionPart, LlmError | Cause.Done>

interface SharedRequest {
  readonly answer: Deferred.Deferred<Answer, LlmError>
  readonly readers: Set<Reader>
  /** The parts of the stream so far, for readers that subscribe late. */
  readonly parts: Array<CompletionPart>
  subscribers: number
  /** Whether a subscriber was given the usage. It was spent once, so the others used nothing. */
  isCharged: boolean
  exit: Exit.Exit<Answer, LlmError> | undefined
  fiber: Fiber.Fiber<unknown, unknown> | undefined
}

export interface SharedRequests {
  readonly inFlight: Map<string, SharedRequest>
  /** Gets the answer, for all subscribers. Runs in a fiber of its own. */
  readonly resolve: (key: string, send: Effect.Effect<Answer, LlmError>) => Effect.Effect<Answer, LlmError>
  /** A request joins one in flight. */
  readonly onShared: (fiber: Fiber.Fiber<unknown, unknown>) => void
}

export const make = (options: Pick<SharedRequests, "onShared" | "resolve">): SharedRequests => ({
  inFlight: new Map(),
  ...options
})

/** The answer to a request, which is sent unless an equal one is in flight. */
export const complete = (
  self: SharedRequests,
  key: string,
  send: Effect.Effect<Completion, LlmError>
): Effect.Effect<Completion, LlmError> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(subscribe(self, key, () => send), (shared) =>
      Effect.flatMap(
        Effect.ensuring(restore(Deferred.await(shared.answer)), unsubscribe(self, key, shared)),
        (answer) =>
          answer === undefined
            // The request was a stream that broke off without an error.
            ? restore(complete(self, key, send))
            : Effect.succeed(charge(shared, answer))
      ))
  )

/** The same as a stream, subscribed for the lifetime of the scope. */
export const stream = Effect.fnUntraced(function*(
  self: SharedRequests,
  key: string,
  send: Stream.Stream<CompletionPart, LlmError>
): Effect.fn.Return<Stream.Stream<CompletionPart, LlmError>, never, Scope.Scope> {
  const reader = yield* Queue.unbounded<CompletionPart, LlmError | Cause.Done>()
  yield* Effect.acquireRelease(
    Effect.map(subscribe(self, key, (shared) => distribute(shared, send)), (shared) => {
      shared.readers.add(reader)
      Queue.offerAllUnsafe(reader, shared.parts)
      if (shared.exit !== undefined) finish(shared, shared.exit, reader)
      return shared
    }),
    (shared) => {
      shared.readers.delete(reader)
      return unsubscribe(self, key, shared)
    }
  )
  return Stream.fromQueue(reader)
})

const subscribe = (
  self: SharedRequests,
  key: string,
  send: (shared: SharedRequest) => Effect.Effect<Answer, LlmError>
): Effect.Effect<SharedRequest> =>
  Effect.withFiber((fiber) => {
    const shared = self.inFlight.get(key)
    if (shared === undefined) return start(self, key, send)
    self.onShared(fiber)
    shared.subscribers++
    return Effect.succeed(shared)
  })

const start = (
  self: SharedRequests,
  key: string,
  send: (shared: SharedRequest) => Effect.Effect<Answer, LlmError>
): Effect.Effect<SharedRequest> => {
  const shared: SharedRequest = {
    answer: Deferred.makeUnsafe(),
    readers: new Set(),
    parts: [],
    subscribers: 1,
    isCharged: false,
    exit: undefined,
    fiber: undefined
  }
  self.inFlight.set(key, shared)
  const resolved = Effect.onExit(self.resolve(key, send(shared)), (exit) => {
    shared.exit = exit
    release(self, key, shared)
    Deferred.doneUnsafe(shared.answer, exit)
    for (const reader of shared.readers) finish(shared, exit, reader)
    return Effect.void
  })
  return Effect.map(Effect.forkDetach(resolved), (fiber) => {
    shared.fiber = fiber
    return shared
  })
}

/** Later equal requests are sent again. */
const release = ({ inFlight }: SharedRequests, key: string, shared: SharedRequest): void => {
  if (inFlight.get(key) === shared) inFlight.delete(key)
}

const unsubscribe = (self: SharedRequests, key: string, shared: SharedRequest): Effect.Effect<void> =>
  Effect.suspend(() => {
    if (--shared.subscribers > 0 || shared.exit !== undefined || shared.fiber === undefined) return Effect.void
    release(self, key, shared)
    return Fiber.interrupt(shared.fiber)
  })

/** Passes the parts of a stream on to all readers as they arrive, except the last, which each of them gets in the end. */
const distribute = (
  shared: SharedRequest,
  send: Stream.Stream<CompletionPart, LlmError>
): Effect.Effect<Answer, LlmError> =>
  Effect.suspend(() => {
    let answer: Answer
    const pass = (parts: ReadonlyArray<CompletionPart>): Effect.Effect<void> => {
      const last = parts[parts.length - 1]
      if (last?._tag === "Finish") answer = last.completion
      const passed = last?._tag === "Finish" ? parts.slice(0, -1) : parts
      for (const part of passed) shared.parts.push(part)
      // Parts that arrive together leave together.
      for (const reader of shared.readers) Queue.offerAllUnsafe(reader, passed)
      return Effect.void
    }
    return Effect.map(Stream.runForEachArray(send, pass), () => answer)
  })

const finish = (shared: SharedRequest, exit: Exit.Exit<Answer, LlmError>, reader: Reader): void => {
  if (Exit.isFailure(exit)) {
    Queue.failCauseUnsafe(reader, exit.cause)
    return
  }
  if (exit.value !== undefined) {
    const completion = charge(shared, exit.value)
    Queue.offerAllUnsafe(
      reader,
      // A request that was not sent as a stream has no parts yet.
      shared.parts.length > 0 ? [{ _tag: "Finish", completion }] : completionParts(completion)
    )
  }
  Queue.endUnsafe(reader)
}

/** The first subscriber gets the usage with the answer. */
const charge = (shared: SharedRequest, completion: Completion): Completion => {
  if (shared.isCharged) return replayed(completion)
  shared.isCharged = true
  return completion
}
