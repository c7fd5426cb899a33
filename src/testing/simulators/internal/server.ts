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
import * as ChatRequest from "./chatRequest.ts"
import * as Ledger from "./ledger.ts"
import { refuse, refuseKey, refuseModel } from "./refusal.ts"
import * as Responses from "./responses.ts"

export interface Server {
  readonly app: Effect.Effect<
    HttpServerResponse.HttpServerResponse,
    unknown,
    HttpServerRequest.HttpServerRequest
  >
  readonly control: Omit<OpenAiSimulator["Service"], "baseUrl">
}

export const make = (options: Options): Server => {
  const recorder = Ledger.make(options.keep ?? 10_000)
  const admission = Admission.make(options.limits ?? {})
  const chat = makeChat(options, recorder, admission)

  const app = Effect.gen(function*() {
    const http = yield* HttpServerRequest.HttpServerRequest
    const path = http.url.split("?", 1)[0]!
    if (http.method === "POST" && path === "/v1/chat/completions") return yield* chat(http, yield* http.text)
    if (http.method === "GET" && /^\/v1\/models(?:\/.|$)/.test(path)) {
      return refuseKeyOf(http, options) ?? models(decoded(path.slice("/v1/models/".length)), options)
    }
    return Responses.respond(
      Fault.error(404, { message: `Unknown request URL: ${http.method} ${http.url}`, code: "unknown_url" }),
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

const makeChat = (options: Options, recorder: Ledger.Recorder, admission: Admission.Admission) => {
  const answer = Answering.make(options)
  const dropped = new WeakSet<HttpServerRequest.HttpServerRequest>()

  const admit = (chat: ChatRequest.ChatRequest, http: HttpServerRequest.HttpServerRequest, now: number) => {
    const refused = refuse(chat, http.headers["authorization"], options)
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

  const handle = Effect.fnUntraced(function*(http: HttpServerRequest.HttpServerRequest, bodyText: string) {
    const nowMillis = yield* Clock.currentTimeMillis
    const index = recorder.arrive()
    const headers = () => ({ ...commonHeaders(index), ...admission.headers(nowMillis) })
    const chat = ChatRequest.read(bodyText, index)
    if (typeof chat === "string") return Responses.respond(Fault.error(400, { message: chat }), headers())
    const record = (outcome: Entry["outcome"]): void =>
      recorder.add({
        request: chat.simulated,
        outcome,
        reservedTokens: Admission.reservedTokens(chat),
        startedAtMillis: nowMillis
      })
    const outcome = admit(chat, http, nowMillis) ??
      (yield* Effect.onInterrupt(answer(chat), () => Effect.sync(() => record("aborted"))))
    record(statusOf(outcome))
    const exchange: Responses.Exchange = { chat, nowMillis, headers: headers() }
    if (Reply.isReply(outcome)) return Responses.reply(exchange, outcome, options)
    if (outcome._tag === "Respond") return Responses.respond(outcome, exchange.headers)
    return outcome.inside === undefined
      ? yield* end(outcome, http)
      : Responses.pieces(exchange, outcome.inside, options, end(outcome, http))
  })

  return (http: HttpServerRequest.HttpServerRequest, bodyText: string) =>
    Effect.suspend(() => {
      recorder.enter()
      return Effect.map(handle(http, bodyText), tracked)
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

const commonHeaders = (index: number): Readonly<Record<string, string>> => ({
  "openai-version": "2020-10-01",
  "openai-processing-ms": "1",
  "x-request-id": `req_${index}`
})

const refuseKeyOf = (
  http: HttpServerRequest.HttpServerRequest,
  options: Options
): HttpServerResponse.HttpServerResponse | undefined => {
  const refused = refuseKey(http.headers["authorization"], options)
  return refused === undefined ? undefined : Responses.respond(refused, {})
}

const decoded = (text: string): string => Result.getOrElse(Result.try(() => decodeURIComponent(text)), () => text)

/** One model by its id, or the list of all. */
const models = (id: string, options: Options): HttpServerResponse.HttpServerResponse => {
  const toModel = (id: string) => ({ id, object: "model", created: 0, owned_by: "simulator" })
  if (id === "") return Responses.json({ object: "list", data: (options.models ?? ["simulated"]).map(toModel) }, {})
  const refused = refuseModel(id, options)
  return refused === undefined ? Responses.json(toModel(id), {}) : Responses.respond(refused, {})
}
