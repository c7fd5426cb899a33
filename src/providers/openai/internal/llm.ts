/** The `Llm` over a client of the SDK. */
import * as AiError from "effect/ai/AiError"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { OpenAI } from "openai"
import type { Completion, CompletionPart } from "../../../llm/Completion.ts"
import type { Llm } from "../../../llm/Llm.ts"
import { isLlmError, type LlmError } from "../../../llm/LlmError.ts"
import type { LlmRequest } from "../../../llm/LlmRequest.ts"
import { fromText } from "./completion.ts"
import { type Context, fail } from "./context.ts"
import { incomplete, toError, toErrorInside } from "./error.ts"
import { readParts } from "./events.ts"
import { type Body, toBody } from "./request.ts"
import { makeCollector } from "./stream.ts"
import * as TlsProbe from "./tlsProbe.ts"

export interface Connection extends Context {
  readonly client: OpenAI
  readonly timeout: Duration.Duration
  /** The `fetch` of the client, where it is known. */
  readonly fetch: typeof globalThis.fetch | undefined
  /** The options that abort a request of the SDK together with a signal. */
  readonly abortedBy: (signal: AbortSignal) => OpenAI.RequestOptions
}

/** The longest delay of a timer. */
const maxTimer = 2 ** 31 - 1

const requestOptions = ({ timeout }: Connection): OpenAI.RequestOptions => ({
  maxRetries: 0,
  // The SDK's own timeout must not fire before ours.
  timeout: Math.min(Duration.toMillis(timeout) + 1000, maxTimer)
})

const timedOut = (connection: Connection): LlmError =>
  fail(
    connection,
    new AiError.NetworkError({
      reason: "TransportError",
      method: "POST",
      url: connection.url,
      description: `no answer within ${Duration.format(connection.timeout)}`
    })
  )

const encode = (request: LlmRequest, connection: Connection): Result.Result<Body, LlmError> => {
  const { problem } = connection
  if (problem !== undefined) return Result.fail(fail(connection, problem))
  return Result.mapError(toBody(request), (reason) => fail(connection, reason))
}

const failed = (connection: Connection) => (cause: unknown): Effect.Effect<never, LlmError> =>
  Effect.flatMap(
    Clock.currentTimeMillis,
    (now) =>
      Effect.flatMap(TlsProbe.explain(toError(cause, connection, now), connection, connection.fetch), Effect.fail)
  )

export const makeComplete = (connection: Connection): Llm["Service"]["complete"] => {
  const { abortedBy, client } = connection
  const options = requestOptions(connection)
  const onFailure = failed(connection)
  const read = (text: string, headers: Headers, model: string): Effect.Effect<Completion, LlmError> =>
    Result.match(fromText(text, headers, model, connection), {
      onSuccess: Effect.succeed,
      onFailure: (error) => isLlmError(error) ? Effect.fail(error) : onFailure(error)
    })
  const millis = Math.min(Duration.toMillis(connection.timeout), maxTimer)

  return (request) => {
    const body = encode(request, connection)
    if (Result.isFailure(body)) return Effect.fail(body.failure)
    // Hot. With `chat.completions.create`, `withResponse` and `Effect.timeoutOrElse` the SDK and Effect take 70 µs more
    // of 290 for the same: a body written with an observer, two more timers, a race of two fibers.
    return Effect.callback<Completion, LlmError>((resume) => {
      const controller = new AbortController()
      // @effect-diagnostics-next-line globalTimersInEffect:off
      const timer = setTimeout(() => {
        settle(Effect.fail(timedOut(connection)))
        controller.abort()
      }, millis)
      const settle = (effect: Effect.Effect<Completion, LlmError>): void => {
        clearTimeout(timer)
        resume(effect)
      }
      client.post("/chat/completions", { body: body.success, ...options, ...abortedBy(controller.signal) })
        .asResponse()
        .then((response) => {
          connection.server.answered = true
          return response.text().then((text) => settle(read(text, response.headers, request.model)))
        })
        .catch((cause: unknown) => settle(onFailure(cause)))
      return Effect.sync(() => {
        clearTimeout(timer)
        controller.abort()
      })
    })
  }
}

export const makeStream = (connection: Connection): Llm["Service"]["stream"] => {
  const { client } = connection
  const options = requestOptions(connection)
  const onFailure = failed(connection)

  const open = Effect.fnUntraced(function*(request: LlmRequest) {
    const body = yield* Effect.fromResult(encode(request, connection))
    const signal = yield* Effect.abortSignal
    const clock = yield* Clock.Clock
    const response = yield* Effect.tryPromise(() =>
      client.chat.completions.create(
        { ...body, stream: true, stream_options: { include_usage: true } },
        { ...options, signal }
      ).asResponse()
    ).pipe(
      Effect.catch(({ cause }) => onFailure(cause)),
      Effect.timeoutOrElse({
        duration: connection.timeout,
        orElse: () => Effect.fail(timedOut(connection))
      })
    )
    connection.server.answered = true
    const collector = makeCollector(response.headers, request.model, connection.secrets)
    const parts = readParts(
      response,
      collector,
      (cause) => toErrorInside(cause, connection, clock.currentTimeMillisUnsafe(), collector.usage())
    )
    const finish = Effect.suspend(() => {
      const completion = collector.finish()
      return completion === undefined
        ? Effect.fail(incomplete("the stream ended before the answer did", connection, collector.usage()))
        : Effect.succeed<CompletionPart>({ _tag: "Finish", completion })
    })
    return Stream.concat(parts, Stream.fromEffect(finish))
  })

  return (request) => Stream.unwrap(open(request))
}
