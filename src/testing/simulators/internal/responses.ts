/** Replies and faults as HTTP responses. */
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Stream from "effect/Stream"
import type * as Fault from "../../Fault.ts"
import * as Reply from "../../Reply.ts"
import type { ChatRequest } from "./chatRequest.ts"
import type { Speaker } from "./speaker.ts"
import type * as Wire from "./wire.ts"

export interface Options {
  readonly speaker: Speaker
  readonly chunkSize?: number | undefined
  readonly chunkDelay?: Duration.Input | undefined
  readonly fragmentSize?: number | undefined
}

/** A request with everything that its response depends on. */
export interface Exchange {
  readonly chat: ChatRequest
  readonly nowMillis: number
  readonly headers: Headers
}

type Headers = Readonly<Record<string, string>>

type Response = HttpServerResponse.HttpServerResponse

export const respond = ({ body, contentType, headers, status }: Fault.Respond, common: Headers): Response =>
  HttpServerResponse.text(body, { status, contentType, headers: { ...common, ...headers } })

export const json = (value: Wire.Json, headers: Headers): Response =>
  HttpServerResponse.text(JSON.stringify(value), { contentType: "application/json", headers })

export const reply = (exchange: Exchange, reply: Reply.Reply, options: Options): Response =>
  exchange.chat.simulated.stream
    ? pieces(exchange, { reply, chunks: Infinity }, options, undefined)
    : json(options.speaker.toBody(toAnswer(exchange, reply, options.speaker)), exchange.headers)

/** The first pieces of a reply, and then what `last` does. */
export const pieces = (
  exchange: Exchange,
  { chunks, reply }: Fault.PartOfReply,
  options: Options,
  last: Effect.Effect<never> | undefined
): Response => {
  const { stream } = exchange.chat.simulated
  const all = stream ? events(exchange, reply, options) : lines(exchange, reply, options)
  const bytes = Stream.fromIterable(all.slice(0, chunks)).pipe(
    Stream.rechunk(1),
    options.chunkDelay === undefined ? (self) => self : Stream.tap(() => Effect.sleep(options.chunkDelay!)),
    Stream.encodeText,
    options.fragmentSize === undefined
      ? (self) => self
      : Stream.flatMap((bytes: Uint8Array) => Stream.fromIterable(fragments(bytes, options.fragmentSize!)))
  )
  return HttpServerResponse.stream(
    last === undefined ? bytes : Stream.concat(bytes, Stream.fromEffect(last)),
    { contentType: stream ? "text/event-stream" : "application/json", headers: exchange.headers }
  )
}

/** Ends an exchange as a fault demands. It does not return: the fiber is interrupted once the connection is closed. */
export const end = (fault: Fault.Drop | Fault.Hang, http: HttpServerRequest.HttpServerRequest): Effect.Effect<never> =>
  Effect.suspend(() => {
    const response = NodeHttpServerRequest.toServerResponse(http)
    if (fault._tag === "Drop") {
      // What has been written already arrives before the connection closes.
      if (fault.inside === undefined) response.destroy()
      else response.socket?.end()
    }
    return Effect.never
  })

export const toAnswer = (
  { chat, nowMillis }: Pick<Exchange, "chat" | "nowMillis">,
  reply: Reply.Reply,
  speaker: Speaker
): Wire.Answer => ({
  id: speaker.id(chat.simulated.index),
  model: chat.simulated.model,
  created: Math.floor(nowMillis / 1000),
  reply,
  tool: reply.refusal === undefined ? chat.tool : undefined,
  choices: chat.choices,
  thinks: chat.thinks,
  usage: {
    prompt: reply.usage?.inputTokens ?? chat.promptTokens,
    cached: reply.usage?.cachedInputTokens ?? 0,
    completion: reply.usage?.outputTokens ?? chat.choices * Reply.estimateTokens(reply.refusal ?? reply.text),
    reasoning: reply.usage?.reasoningTokens ?? 0
  }
})

const events = (exchange: Exchange, reply: Reply.Reply, options: Options): ReadonlyArray<string> =>
  options.speaker.toEvents(toAnswer(exchange, reply, options.speaker), {
    chunkSize: options.chunkSize ?? 8,
    includesUsage: exchange.chat.includesUsage
  })

const lines = (exchange: Exchange, reply: Reply.Reply, options: Options): ReadonlyArray<string> =>
  JSON.stringify(options.speaker.toBody(toAnswer(exchange, reply, options.speaker))).match(/[\s\S]{1,64}/g) ?? []

const fragments = (bytes: Uint8Array, size: number): ReadonlyArray<Uint8Array> =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size))
