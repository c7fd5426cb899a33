/** The routes of the server, and the way of a request through admission, answer and response. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as Fault from "../../Fault.ts"
import * as Reply from "../../Reply.ts"
import type { Entry, OpenAiSimulator, Options } from "../OpenAiSimulator.ts"
import * as Admission from "./admission.ts"
import * as Answering from "./answering.ts"
import type * as ChatRequest from "./chatRequest.ts"
import * as Ledger from "./ledger.ts"
import * as Responses from "./responses.ts"
import type { Route, Speaker } from "./speaker.ts"

export interface Server {
  readonly app: Effect.Effect<
    HttpServerResponse.HttpServerResponse,
    unknown,
    HttpServerRequest.HttpServerRequest
  >
  readonly control: Omit<OpenAiSimulator["Service"], "baseUrl">
}

/** Answers requests to more than completions and models, and nothing for any other. */
export type Handler = (
  http: HttpServerRequest.HttpServerRequest
) => Effect.Effect<HttpServerResponse.HttpServerResponse, unknown> | undefined

export const make = (options: Options, speaker: Speaker, more?: Handler): Server => {
  const recorder = Ledger.make(options.keep ?? 10_000)
  const admission = Admission.make(options.limits ?? {}, speaker)
  const chat = makeChat(options, speaker, recorder, admission)

  const app = Effect.gen(function*() {
    const http = yield* HttpServerRequest.HttpServerRequest
    const route = speaker.route(http.method, http.url.split("?", 1)[0]!)
    if (route?._tag === "Complete") return yield* chat(http, yield* http.text, route)
    if (route?._tag === "Models") return models(http, decoded(route.id), options, speaker)
    const other = more?.(http)
    if (other !== undefined) return yield* other
    return Responses.respond(
      speaker.toFault(
        Fault.error(404, { message: `Unknown request URL: ${http.method} ${http.url}`, code: "unknown_url" })
      ),
      {}
    )
  })

  return {
    // A bare server app is uninterruptible, and would outlive the clients that disconnect.
    app: Effect.interruptible(app),
    control: {
      ledger: recorder.ledger,
      setLimits: (limits) => Effect.sync(() => admission.setLimits(limits)),
      consume: ({ requests, tokens }) =>
        Effect.map(Clock.currentTimeMillis, (now) => admission.consume(requests, tokens, now))
    }
  }
}

const makeChat = (
  options: Options,
  speaker: Speaker,
  recorder: Ledger.Recorder,
  admission: Admission.Admission
) => {
  const answer = Answering.make(options)
  const dropped = new WeakSet<HttpServerRequest.HttpServerRequest>()

  const admit = (
    chat: ChatRequest.ChatRequest,
    http: HttpServerRequest.HttpServerRequest,
    now: number,
    { speaker: speaking = speaker }: Route
  ) => {
    const refused = speaking.refuse(chat, http.headers, options)
    if (refused !== undefined) return refused
    const limited = admission.admit(chat, now)
    recorder.count(limited === undefined ? "granted" : "refused")
    return limited
  }

  /** A stream is in flight until its last byte, or until its client is gone. */
  const tracked = (response: HttpServerResponse.HttpServerResponse): HttpServerResponse.HttpServerResponse => {
    if (response.body._tag !== "Stream") return response
    recorder.stay()
    const { contentType, stream } = response.body
    return HttpServerResponse.setBody(response, HttpBody.stream(Stream.ensuring(stream, recorder.leave), contentType))
  }

  const end = (fault: Fault.Drop | Fault.Hang, http: HttpServerRequest.HttpServerRequest): Effect.Effect<never> =>
    Effect.suspend(() => {
      if (fault._tag === "Drop") dropped.add(http)
      return Responses.end(fault, http)
    })

  const handle = Effect.fnUntraced(function*(
    http: HttpServerRequest.HttpServerRequest,
    bodyText: string,
    route: Route
  ) {
    const nowMillis = yield* Clock.currentTimeMillis
    const index = recorder.arrive()
    const speaking = route.speaker ?? speaker
    const writing = { ...options, speaker: speaking }
    const headers = () => ({ ...speaker.headers(index), ...admission.headers(nowMillis) })
    const chat = speaking.read(bodyText, index, route)
    if (typeof chat === "string") {
      return Responses.respond(speaker.toFault(Fault.error(400, { message: chat })), headers())
    }
    const record = (outcome: Entry["outcome"]): void =>
      recorder.add({
        request: chat.simulated,
        outcome,
        reservedTokens: Admission.reservedTokens(chat),
        startedAtMillis: nowMillis
      })
    const outcome = admit(chat, http, nowMillis, route) ??
      (yield* Effect.onInterrupt(answer(chat), () => Effect.sync(() => record("aborted"))))
    record(statusOf(outcome))
    const exchange: Responses.Exchange = { chat, nowMillis, headers: headers() }
    if (Reply.isReply(outcome)) return Responses.reply(exchange, outcome, writing)
    if (outcome._tag === "Respond") return Responses.respond(speaker.toFault(outcome), exchange.headers)
    return outcome.inside === undefined
      ? yield* end(outcome, http)
      : Responses.pieces(exchange, outcome.inside, writing, end(outcome, http))
  })

  return (http: HttpServerRequest.HttpServerRequest, bodyText: string, route: Route) =>
    Effect.suspend(() => {
      recorder.enter()
      return Effect.map(handle(http, bodyText, route), tracked)
    }).pipe(
      Effect.onInterrupt(() =>
        Effect.sync(() => {
          if (!dropped.has(http)) recorder.count("aborted")
        })
      ),
      Effect.ensuring(recorder.leave)
    )
}

const statusOf = (outcome: Reply.Reply | Fault.Fault): Entry["outcome"] => {
  if (Reply.isReply(outcome)) return 200
  return outcome._tag === "Respond" ? outcome.status : outcome._tag === "Drop" ? "dropped" : "hung"
}

const decoded = (text: string): string => Result.getOrElse(Result.try(() => decodeURIComponent(text)), () => text)

/** One model by its id, or the list of all. */
const models = (
  http: HttpServerRequest.HttpServerRequest,
  id: string,
  options: Options,
  speaker: Speaker
): HttpServerResponse.HttpServerResponse => {
  const refused = speaker.refuseKey(http.headers, options) ??
    (id === "" ? undefined : speaker.refuseModel(id, options))
  if (refused !== undefined) return Responses.respond(refused, {})
  return Responses.json(
    id === "" ? speaker.toModels(options.models ?? ["simulated"]) : speaker.toModel(id),
    {}
  )
}
