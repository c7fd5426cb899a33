/** The `Llm` of a protocol over a transport. */
import type * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Pull from "effect/Pull"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { Completion, CompletionPart } from "../../llm/Completion.ts"
import { completionParts } from "../../llm/completionParts.ts"
import * as Llm from "../../llm/Llm.ts"
import { LimitExceeded, type LlmError } from "../../llm/LlmError.ts"
import type { LlmRequest } from "../../llm/LlmRequest.ts"
import type { Pricing } from "../../llm/Pricing.ts"
import type { DialectInput } from "../../schema/dialects/builtIn.ts"
import type { Head, Request, Response, Transport, TransportError } from "../../transport/Transport.ts"
import type { Collector, Failure, Protocol } from "../Protocol.ts"
import * as Connection from "./connection.ts"
import * as Dropped from "./dropped.ts"
import { incomplete, toError } from "./server.ts"
import * as ServerSentEvents from "./serverSentEvents.ts"
import * as TlsProbe from "./tlsProbe.ts"

export interface Options {
  readonly model: string
  readonly dialect: DialectInput
  readonly pricing: Pricing
  readonly requestTimeout?: Duration.Input | undefined
  /** The parameters of a request that the provider does not have. They are not sent, which is said once. */
  readonly dropped?: ((request: LlmRequest) => ReadonlyArray<string>) | undefined
}

type Send = Transport["Service"]

export const make = (protocol: Protocol, transport: Send, options: Options): Llm.Llm["Service"] => {
  const deadline = Duration.fromInputUnsafe(options.requestTimeout ?? "10 minutes")
  const { origin, provider } = protocol.server
  const complete = makeComplete(protocol, transport, deadline)
  const stream = makeStream(protocol, transport, deadline)
  const warning = Dropped.make(provider, options.dropped)
  return Llm.make({
    provider,
    origin,
    model: options.model,
    dialect: options.dialect,
    pricing: options.pricing,
    complete: (request) => {
      const said = warning(request)
      return said === undefined ? complete(request) : Effect.andThen(said, complete(request))
    },
    stream: (request) => {
      const said = warning(request)
      return said === undefined ? stream(request) : Stream.unwrap(Effect.as(said, stream(request)))
    }
  })
}

/** The request to send, or why there is none. */
const encode = (
  protocol: Protocol,
  request: LlmRequest,
  streaming: boolean,
  deadline: Duration.Duration
): Result.Result<Request, LlmError> => {
  const { headers, server } = protocol
  if (server.problem !== undefined) return Result.fail(toError(server, { reason: server.problem }))
  const body = protocol.encode(request, streaming)
  return Result.isFailure(body)
    ? Result.fail(toError(server, { reason: body.failure }))
    : Result.succeed({ url: protocol.url(request, streaming), headers, body: body.success, deadline })
}

const isSuccess = ({ status }: Head): boolean => status >= 200 && status < 300

const makeComplete = (
  protocol: Protocol,
  transport: Send,
  deadline: Duration.Duration
): Llm.Llm["Service"]["complete"] => {
  const { server } = protocol
  const onFailure = disconnected(protocol, transport)

  return (request) => {
    const encoded = encode(protocol, request, false, deadline)
    if (Result.isFailure(encoded)) return Effect.fail(encoded.failure)
    return Effect.matchEffect(transport.send(encoded.success), {
      onFailure,
      onSuccess: (response): Effect.Effect<Completion, LlmError> => {
        server.state.answered = true
        return Effect.withFiber((fiber) => {
          const now = clockOf(fiber)
          if (!isSuccess(response)) {
            const salvaged = protocol.salvage?.(response, request)
            return salvaged === undefined
              ? Effect.fail(toError(server, protocol.failure(response, now())))
              : Effect.succeed(salvaged)
          }
          const completion = protocol.decode(response, request, now)
          return Result.isSuccess(completion)
            ? Effect.succeed(completion.success)
            : Effect.fail(toError(server, completion.failure))
        })
      }
    })
  }
}

const clockOf = (fiber: Fiber.Fiber<unknown, unknown>) => (): number =>
  fiber.getRef(Clock.Clock).currentTimeMillisUnsafe()

/** The error of a request without a response. */
const disconnected =
  ({ server }: Protocol, transport: Send) => (error: TransportError): Effect.Effect<never, LlmError> =>
    Effect.flatMap(
      TlsProbe.explain(Connection.toReason(error, server), server, transport),
      (reason) => Effect.fail(toError(server, { reason }))
    )

const makeStream = (
  protocol: Protocol,
  transport: Send,
  deadline: Duration.Duration
): Llm.Llm["Service"]["stream"] => {
  const { server } = protocol
  const onFailure = disconnected(protocol, transport)

  const open = Effect.fnUntraced(function*(request: LlmRequest) {
    const encoded = yield* Effect.fromResult(encode(protocol, request, true, deadline))
    const response = yield* transport.stream(encoded).pipe(Effect.catch(onFailure))
    server.state.answered = true
    const now = yield* Effect.withFiber((fiber) => Effect.succeed(clockOf(fiber)))
    if (!isSuccess(response)) {
      return Stream.fromIterable(completionParts(yield* refused(protocol, request, response, deadline, now)))
    }
    return readParts(protocol, response.body, protocol.collect(response, request, now))
  })

  return (request) => Stream.unwrap(open(request))
}

/** The failure that the body of a refused stream reports, or the answer that it contains. */
const refused = (
  protocol: Protocol,
  request: LlmRequest,
  response: Response<Stream.Stream<Uint8Array, TransportError>>,
  deadline: Duration.Duration,
  now: () => number
): Effect.Effect<Completion, LlmError> => {
  const { headers, status } = response
  return Stream.decodeText(response.body).pipe(
    Stream.mkString,
    // A status without its body still says what happened.
    Effect.orElseSucceed(() => ""),
    Effect.timeoutOrElse({ duration: deadline, orElse: () => Effect.succeed("") }),
    Effect.flatMap((body) => {
      const whole = { status, headers, body }
      const salvaged = protocol.salvage?.(whole, request)
      return salvaged === undefined
        ? Effect.fail(toError(protocol.server, protocol.failure(whole, now())))
        : Effect.succeed(salvaged)
    })
  )
}

/** More characters than this in one answer are no answer. */
const maxLength = 64 * 1024 * 1024

/** The parts of each read. The parts that arrived before a failure are emitted before it. */
const readParts = (
  { server }: Protocol,
  bytes: Stream.Stream<Uint8Array, TransportError>,
  collector: Collector
): Stream.Stream<CompletionPart, LlmError> => {
  let parts: Array<CompletionPart> = []
  let length = 0
  let ended = false
  let finished = false
  let failure: Failure | undefined

  const reader = ServerSentEvents.make((name, data) => {
    const read = collector.event(name, data, parts)
    if (read === undefined) return true
    if (read === "end") ended = true
    else failure = read
    return false
  })

  const finish = (): Pull.Pull<Arr.NonEmptyReadonlyArray<CompletionPart>, LlmError> => {
    if (finished) return Cause.done()
    finished = true
    const completion = collector.finish()
    return completion === undefined
      ? Effect.fail(toError(server, incomplete("the stream ended before the answer did", server, collector.usage())))
      : Effect.succeed([{ _tag: "Finish", completion }])
  }

  const broken = (error: TransportError): Failure =>
    error.reason === "LimitExceeded"
      ? { reason: Connection.toReason(error, server) }
      : incomplete(Connection.describe(error.cause ?? error), server, collector.usage())

  const tooLong = (): Failure => ({
    reason: new LimitExceeded({
      description: `the answer is longer than ${maxLength} characters (POST ${server.url})`,
      limit: "maxResponseBytes",
      maximum: maxLength
    })
  })

  return Stream.transformPull(bytes, (pull) => {
    const next: Pull.Pull<Arr.NonEmptyReadonlyArray<CompletionPart>, LlmError> = Effect.suspend(() => {
      if (failure !== undefined) return Effect.fail(toError(server, failure))
      return ended ? finish() : read
    })
    const take = (chunks: ReadonlyArray<Uint8Array>): typeof next => {
      for (const chunk of chunks) reader.feed(chunk)
      for (const part of parts) if (part._tag !== "Finish") length += part.delta.length
      if (length > maxLength || reader.isTooLong()) failure ??= tooLong()
      if (parts.length === 0) return next
      const out = parts
      parts = []
      return Effect.succeed(out as ReadonlyArray<CompletionPart> as Arr.NonEmptyReadonlyArray<CompletionPart>)
    }
    const read = Pull.matchEffect(pull, {
      onSuccess: take,
      onFailure: (cause): typeof next => Effect.failCause(Cause.map(cause, (error) => toError(server, broken(error)))),
      onDone: () => {
        ended = true
        return next
      }
    })
    return Effect.succeed(next)
  })
}
