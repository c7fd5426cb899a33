/**
 * The server-sent events of a streamed answer. The SDK's own reader costs several times as much for each piece and
 * hands them out one at a time; here, all that one read of the connection brought goes on together.
 */
import type * as AiError from "effect/ai/AiError"
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Sse from "effect/encoding/Sse"
import * as Predicate from "effect/Predicate"
import type * as Pull from "effect/Pull"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { APIError } from "openai"
import type { CompletionPart } from "../../llm/Completion.ts"
import type { Collector } from "./stream.ts"

/** What each read of the connection adds. What arrived before a failure comes before the failure. */
export const readParts = (
  response: Response,
  collector: Collector,
  onError: (cause: unknown) => AiError.AiError
): Stream.Stream<CompletionPart, AiError.AiError> => {
  const { body } = response
  if (body === null) return Stream.empty
  let parts: Array<CompletionPart> = []
  let ended = false
  let failure: AiError.AiError | undefined

  const parser = Sse.makeParser((event) => {
    if (ended || failure !== undefined || event._tag !== "Event") return
    if (event.data === "[DONE]") {
      ended = true
      return
    }
    const data = Result.try((): unknown => JSON.parse(event.data))
    if (Result.isFailure(data)) {
      failure = onError(data.failure)
      return
    }
    const error = errorOf(event.event, data.success)
    if (error !== undefined) failure = onError(new APIError(undefined, error, undefined, response.headers))
    else collector.add(data.success, parts)
  })

  const decoder = new TextDecoder()
  const chunks = Stream.fromReadableStream({ evaluate: () => body, onError })
  return Stream.transformPull(chunks, (pull) => {
    const next: Pull.Pull<Arr.NonEmptyReadonlyArray<CompletionPart>, AiError.AiError> = Effect.suspend(() => {
      if (failure !== undefined) return Effect.fail(failure)
      return ended ? Cause.done() : Effect.flatMap(pull, take)
    })
    const take = (chunks: ReadonlyArray<Uint8Array>): typeof next => {
      for (const chunk of chunks) {
        const tooLarge = parser.feed(decoder.decode(chunk, { stream: true }))
        if (tooLarge !== undefined) failure ??= onError(tooLarge)
      }
      if (!Arr.isArrayNonEmpty(parts)) return next
      const out = parts
      parts = []
      return Effect.succeed(out)
    }
    return Effect.succeed(next)
  })
}

const errorOf = (event: string, data: unknown): object | undefined => {
  const error = Predicate.isObject(data) ? data["error"] : undefined
  if (Predicate.isObject(error)) return error
  if (Predicate.isNotNullish(error) && error !== false && error !== "") return { message: JSON.stringify(error) }
  return event === "error" ? (Predicate.isObject(data) ? data : { message: String(data) }) : undefined
}
