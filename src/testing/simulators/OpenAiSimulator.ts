/**
 * A server on the loopback interface that speaks OpenAI's Chat Completions: answers, streams, strict schemas, limits
 * and failures, with the ledger of everything it saw. Any client that works against it speaks the protocol.
 *
 * @since 0.1.0
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import type * as HttpServerError from "effect/http/HttpServerError"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as Http from "node:http"
import type { OutputMode } from "../../llm/LlmRequest.ts"
import * as Fault from "../Fault.ts"
import * as Limiter from "./internal/limiter.ts"
import * as Slots from "./internal/slots.ts"
import { complain } from "./internal/strictSchema.ts"
import * as Wire from "./internal/wire.ts"
import * as Reply from "../Reply.ts"

/**
 * A request as the simulator understood it.
 *
 * @category models
 * @since 0.1.0
 */
export interface SimulatedRequest {
  /** Counts the requests from 0. */
  readonly index: number
  readonly model: string
  readonly mode: OutputMode
  /** The text of the last message of the user. */
  readonly text: string
  readonly stream: boolean
  /** The body as it came. */
  readonly body: { readonly [key: string]: unknown }
}

/**
 * @category models
 * @since 0.1.0
 */
export type Answer = (
  request: SimulatedRequest
) => Reply.Input | Fault.Fault | Effect.Effect<Reply.Input | Fault.Fault>

/**
 * The limits to enforce, as OpenAI does.
 *
 * @category models
 * @since 0.1.0
 */
export interface Limits {
  readonly requestsPerMinute?: number | undefined
  readonly tokensPerMinute?: number | undefined
  /**
   * Enforce requests by the second: 600 a minute are then 10 a second.
   *
   * @default false
   */
  readonly quantised?: boolean | undefined
  /**
   * Tell the limits in `x-ratelimit-*` headers.
   *
   * @default true
   */
  readonly headers?: boolean | undefined
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly answer: Answer
  /** How long an answer takes, beside the reply's own delay. */
  readonly latency?: Duration.Input | undefined
  readonly limits?: Limits | undefined
  /** Answers so many requests at a time, lets so many more wait, and turns the rest away with a 503. */
  readonly slots?: { readonly count: number; readonly queue: number } | undefined
  /** The only key that is let in. Any is, by default. */
  readonly apiKey?: string | undefined
  /** The only models there are. Any is, by default. */
  readonly models?: ReadonlyArray<string> | undefined
  /**
   * The port on 127.0.0.1; 0 lets the system choose.
   *
   * @default 0
   */
  readonly port?: number | undefined
  /**
   * The characters in a piece of a streamed answer.
   *
   * @default 8
   */
  readonly chunkSize?: number | undefined
  /** The time between two pieces. */
  readonly chunkDelay?: Duration.Input | undefined
  /** Writes a streamed answer in fragments of this many bytes, wherever they cut. */
  readonly fragmentSize?: number | undefined
  /**
   * How many entries the ledger keeps; its counts go on.
   *
   * @default 10000
   */
  readonly keep?: number | undefined
}

/**
 * One request in the ledger.
 *
 * @category models
 * @since 0.1.0
 */
export interface Entry {
  readonly request: SimulatedRequest
  /** The HTTP status, or how the connection ended without one. */
  readonly outcome: number | "dropped" | "hung" | "aborted"
  /** Tokens the limiter counted: the prompt's and the most the answer might have. */
  readonly reservedTokens: number
  readonly startedAtMillis: number
}

/**
 * What the simulator saw.
 *
 * @category models
 * @since 0.1.0
 */
export interface Ledger {
  readonly requests: number
  readonly granted: number
  /** 429s of the limiter. */
  readonly refused: number
  /** Requests whose client went away before the answer was there. */
  readonly aborted: number
  readonly inFlight: number
  readonly maxInFlight: number
  /** The latest entries, oldest first. */
  readonly entries: ReadonlyArray<Entry>
}

/**
 * @category services
 * @since 0.1.0
 */
export class OpenAiSimulator extends Context.Service<OpenAiSimulator, {
  /** What a client takes for its base URL. */
  readonly baseUrl: string
  readonly ledger: Effect.Effect<Ledger>
  /** Enforces other limits from now on. */
  readonly setLimits: (limits: Limits) => Effect.Effect<void>
  /** Takes from the limits, as another client of the same account would. */
  readonly consume: (use: { readonly requests: number; readonly tokens: number }) => Effect.Effect<void>
}>()("effect-instructor/testing/OpenAiSimulator") {}

/**
 * Starts a simulator for as long as the layer lives.
 *
 * **Example** (The real SDK over real HTTP)
 *
 * ```ts
 * import { Effect, Layer, Schema } from "effect"
 * import { Extraction } from "effect-instructor"
 * import { OpenAi } from "effect-instructor/openai"
 * import { OpenAiSimulator } from "effect-instructor/testing/simulators"
 *
 * const Simulated = Layer.unwrap(
 *   Effect.map(OpenAiSimulator.OpenAiSimulator, ({ baseUrl }) => OpenAi.layer({ baseUrl }))
 * ).pipe(Layer.provide(OpenAiSimulator.layer({ answer: () => ({ city: "Paris" }) })))
 *
 * const program = Extraction.extract(Schema.Struct({ city: Schema.String }), "I live in Paris").pipe(
 *   Effect.provide(Simulated)
 * )
 *
 * await Effect.runPromise(program) // => { city: "Paris" }
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<OpenAiSimulator, HttpServerError.ServeError> =>
  Layer.effect(OpenAiSimulator, make(options))

/**
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(options: Options) {
  const node = Http.createServer()
  const server = yield* NodeHttpServer.make(() => node, {
    host: "127.0.0.1",
    port: options.port ?? 0,
    disablePreemptiveShutdown: true
  })
  // Hanging requests would keep the server from closing for as long as their clients wait.
  yield* Effect.addFinalizer(() => Effect.sync(() => node.closeAllConnections()))
  const simulation = simulate(options)
  yield* HttpServer.serveEffect(simulation.app).pipe(Effect.provideService(HttpServer.HttpServer, server))
  return OpenAiSimulator.of({
    baseUrl: `${HttpServer.formatAddress(server.address)}/v1`,
    ...simulation.control
  })
})

const simulate = (options: Options) => {
  const keep = options.keep ?? 10_000
  const latency = Duration.fromInputUnsafe(options.latency ?? Duration.zero)
  const entries: Array<Entry> = []
  const count = { requests: 0, granted: 0, refused: 0, aborted: 0, inFlight: 0, maxInFlight: 0 }
  const dropped = new WeakSet<HttpServerRequest.HttpServerRequest>()
  const slots = options.slots === undefined ? undefined : Slots.make(options.slots)
  let limits = options.limits ?? {}
  let limiter = makeLimiter(limits)

  const enter = (entry: Entry): void => {
    entries.push(entry)
    if (entries.length >= keep * 2) entries.splice(0, entries.length - keep)
  }

  const leave = Effect.sync(() => {
    count.inFlight--
  })

  const headers = (now: number): Record<string, string> => ({
    "openai-version": "2020-10-01",
    "openai-processing-ms": "1",
    "x-request-id": `req_${count.requests}`,
    ...(limits.headers !== false && limiter.headers(now))
  })

  const respond = (now: number, fault: Fault.Respond) =>
    HttpServerResponse.text(fault.body, {
      status: fault.status,
      contentType: fault.contentType,
      headers: { ...headers(now), ...fault.headers }
    })

  const chat = Effect.fnUntraced(function*(http: HttpServerRequest.HttpServerRequest, bodyText: string) {
    const now = yield* Clock.currentTimeMillis
    const request = readRequest(bodyText, count.requests++)
    if (typeof request === "string") return respond(now, Fault.error(400, { message: request }))
    const reserved = Wire.promptTokens(messagesOf(request.body)) + maxTokens(request.body)
    const done = (outcome: Entry["outcome"]): void =>
      enter({ request, outcome, reservedTokens: reserved, startedAtMillis: now })

    const refusal = refuse(request, http.headers["authorization"], options) ?? limit(request, reserved, now)
    if (refusal !== undefined) {
      done(refusal.status)
      return respond(now, refusal)
    }
    count.granted++
    const answered = options.answer(request)
    const answer = Effect.isEffect(answered) ? yield* answered : answered
    const outcome = Fault.isFault(answer) ? answer : Reply.fromInput(answer)
    const wait = Fault.isFault(outcome) ? latency : Duration.sum(latency, outcome.delay)
    const turnedAway = slots === undefined
      ? yield* Duration.isZero(wait) ? Effect.void : Effect.sleep(wait)
      : yield* slots.hold(Effect.sleep(wait))
    if (turnedAway !== undefined) {
      done(turnedAway.status)
      return respond(now, turnedAway)
    }
    if (Reply.isReply(outcome)) {
      done(200)
      return request.stream
        ? streamed(request, outcome, now, undefined, http)
        : HttpServerResponse.text(JSON.stringify(completion(request, outcome, now)), {
          contentType: "application/json",
          headers: headers(now)
        })
    }
    if (outcome._tag === "Respond") {
      done(outcome.status)
      return respond(now, outcome)
    }
    done(outcome._tag === "Drop" ? "dropped" : "hung")
    return outcome.inside === undefined
      ? yield* end(outcome, http)
      : streamed(request, outcome.inside.reply, now, outcome, http)
  })

  /** Ends an exchange the way the fault says; the handler itself goes on until the connection is gone. */
  const end = (fault: Fault.Drop | Fault.Hang, http: HttpServerRequest.HttpServerRequest): Effect.Effect<never> =>
    Effect.suspend(() => {
      if (fault._tag === "Drop") {
        dropped.add(http)
        NodeHttpServerRequest.toServerResponse(http).destroy()
      }
      return Effect.never
    })

  const envelope = (request: SimulatedRequest, now: number): Wire.Envelope => ({
    id: `chatcmpl-${request.index}`,
    model: request.model,
    created: Math.floor(now / 1000)
  })

  const tokens = (request: SimulatedRequest, reply: Reply.Reply): Wire.TokenCount => ({
    prompt: reply.usage?.inputTokens ?? Wire.promptTokens(messagesOf(request.body)),
    cached: reply.usage?.cachedInputTokens ?? 0,
    completion: reply.usage?.outputTokens ?? Reply.estimateTokens(reply.refusal ?? reply.text),
    reasoning: reply.usage?.reasoningTokens ?? 0
  })

  const completion = (request: SimulatedRequest, reply: Reply.Reply, now: number): Wire.Json =>
    Wire.toCompletion(envelope(request, now), reply, toolName(request.body), tokens(request, reply))

  const streamed = (
    request: SimulatedRequest,
    reply: Reply.Reply,
    now: number,
    fault: Fault.Drop | Fault.Hang | undefined,
    http: HttpServerRequest.HttpServerRequest
  ): HttpServerResponse.HttpServerResponse => {
    const cut = fault?.inside
    const events = request.stream
      ? [
        ...Wire.toChunks(envelope(request, now), reply, toolName(request.body), tokens(request, reply), {
          chunkSize: options.chunkSize ?? 8,
          includeUsage: includesUsage(request.body)
        }).map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`),
        "data: [DONE]\n\n"
      ]
      : JSON.stringify(completion(request, reply, now)).match(/[\s\S]{1,64}/g) ?? []
    const pieces = Stream.fromIterable(cut === undefined ? events : events.slice(0, cut.chunks)).pipe(
      Stream.rechunk(1),
      options.chunkDelay === undefined
        ? (self) => self
        : Stream.tap(() => Effect.sleep(options.chunkDelay!)),
      Stream.encodeText,
      options.fragmentSize === undefined
        ? (self) => self
        : Stream.flatMap((bytes: Uint8Array) => Stream.fromIterable(fragments(bytes, options.fragmentSize!)))
    )
    count.inFlight++
    return HttpServerResponse.stream(
      (fault === undefined ? pieces : Stream.concat(pieces, Stream.fromEffect(end(fault, http)))).pipe(
        Stream.ensuring(leave)
      ),
      { contentType: request.stream ? "text/event-stream" : "application/json", headers: headers(now) }
    )
  }

  const limit = (request: SimulatedRequest, reserved: number, now: number): Fault.Respond | undefined => {
    const admission = limiter.admit(reserved, now)
    if (admission._tag === "Granted") return undefined
    count.refused++
    return Limiter.toResponse(admission, request.model, limits.headers !== false)
  }

  const app = Effect.gen(function*() {
    const http = yield* HttpServerRequest.HttpServerRequest
    if (http.method === "GET" && http.url === "/v1/models") {
      return yield* HttpServerResponse.json({
        object: "list",
        data: (options.models ?? ["simulated"]).map((id) => ({
          id,
          object: "model",
          created: 0,
          owned_by: "simulator"
        }))
      })
    }
    if (http.method !== "POST" || http.url !== "/v1/chat/completions") {
      return HttpServerResponse.text(
        JSON.stringify({
          error: {
            message: `Unknown request URL: ${http.method} ${http.url}`,
            type: "invalid_request_error",
            param: null,
            code: "unknown_url"
          }
        }),
        { status: 404, contentType: "application/json" }
      )
    }
    const body = yield* http.text
    count.inFlight++
    count.maxInFlight = Math.max(count.maxInFlight, count.inFlight)
    return yield* chat(http, body).pipe(
      Effect.onInterrupt(() =>
        Effect.sync(() => {
          if (!dropped.has(http)) count.aborted++
        })
      ),
      Effect.ensuring(leave)
    )
  })

  return {
    // A bare server app runs uninterruptibly, and would outlive the clients that hang up on it.
    app: Effect.interruptible(app),
    control: {
      ledger: Effect.sync((): Ledger => ({ ...count, entries: entries.slice(-keep) })),
      setLimits: (next: Limits) =>
        Effect.sync(() => {
          limits = next
          limiter = makeLimiter(next)
        }),
      consume: (use: { readonly requests: number; readonly tokens: number }) =>
        Effect.map(Clock.currentTimeMillis, (now) => limiter.consume(use.requests, use.tokens, now))
    }
  }
}

const makeLimiter = (limits: Limits): Limiter.Limiter =>
  Limiter.make({
    requestsPerMinute: limits.requestsPerMinute,
    tokensPerMinute: limits.tokensPerMinute,
    quantised: limits.quantised ?? false
  })

/** The request, or what is wrong with it. */
const readRequest = (bodyText: string, index: number): SimulatedRequest | string => {
  const parsed = Result.try(() => JSON.parse(bodyText) as unknown)
  if (Result.isFailure(parsed)) return "We could not parse the JSON body of your request."
  const body = parsed.success
  if (!Predicate.isObject(body) || Array.isArray(body)) return "The body of your request is not a JSON object."
  if (!Predicate.isString(body["model"])) return "you must provide a model parameter"
  const messages = body["messages"]
  if (!Array.isArray(messages) || messages.length === 0) return "Missing required parameter: 'messages'."
  const user = messages.findLast((message: unknown) =>
    Predicate.hasProperty(message, "role") && message.role === "user"
  )
  return {
    index,
    model: body["model"],
    mode: modeOf(body),
    text: Wire.messageText(user),
    stream: body["stream"] === true,
    body
  }
}

const messagesOf = (body: SimulatedRequest["body"]): ReadonlyArray<unknown> =>
  Array.isArray(body["messages"]) ? body["messages"] : []

const modeOf = (body: { readonly [key: string]: unknown }): OutputMode => {
  if (Array.isArray(body["tools"])) return "tools"
  const format = body["response_format"]
  const type = Predicate.isObject(format) ? format["type"] : undefined
  return type === "json_schema" ? "json_schema" : type === "json_object" ? "json" : "markdown"
}

/** What the limiter reserves for the answer when the request does not bound it. */
const unboundedAnswer = 16

const maxTokens = (body: SimulatedRequest["body"]): number => {
  const asked = body["max_completion_tokens"] ?? body["max_tokens"]
  return Predicate.isNumber(asked) ? asked : unboundedAnswer
}

const includesUsage = (body: SimulatedRequest["body"]): boolean =>
  Predicate.isObject(body["stream_options"]) && body["stream_options"]["include_usage"] === true

const toolOf = (body: SimulatedRequest["body"]): { readonly [key: string]: unknown } | undefined => {
  const tools = body["tools"]
  const tool: unknown = Array.isArray(tools) ? tools[0] : undefined
  return Predicate.isObject(tool) && Predicate.isObject(tool["function"]) ? tool["function"] : undefined
}

const toolName = (body: SimulatedRequest["body"]): string | undefined => {
  const name = toolOf(body)?.["name"]
  return Predicate.isString(name) ? name : undefined
}

/** What OpenAI says against a request before it looks at the limits. */
const refuse = (
  request: SimulatedRequest,
  authorization: string | undefined,
  options: Options
): Fault.Respond | undefined => {
  const key = authorization?.replace(/^Bearer /, "")
  if (options.apiKey !== undefined && key !== options.apiKey) {
    return Fault.error(401, {
      message: key === undefined || key === ""
        ? "You didn't provide an API key."
        : `Incorrect API key provided: ${key.slice(0, 3)}${"*".repeat(8)}${key.slice(-4)}.`,
      code: "invalid_api_key"
    })
  }
  if (options.models !== undefined && !options.models.includes(request.model)) {
    return Fault.error(404, {
      message: `The model \`${request.model}\` does not exist or you do not have access to it.`,
      code: "model_not_found"
    })
  }
  const complaint = complainOfFormat(request.body)
  return complaint === undefined ? undefined : Fault.error(400, complaint)
}

const complainOfFormat = (
  body: SimulatedRequest["body"]
): { readonly message: string; readonly param: string } | undefined => {
  const format = body["response_format"]
  if (Predicate.isObject(format) && format["type"] === "json_object") {
    return messagesOf(body).some((message) => /json/i.test(Wire.messageText(message))) ? undefined : {
      message: "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
      param: "messages"
    }
  }
  const schema =
    Predicate.isObject(format) && format["type"] === "json_schema" && Predicate.isObject(format["json_schema"])
      ? { param: "response_format", of: "response_format", ...named(format["json_schema"], "schema") }
      : undefined
  const tool = toolOf(body)
  const asked = schema ??
    (tool === undefined
      ? undefined
      : { param: "tools[0].function.parameters", of: "function", ...named(tool, "parameters") })
  if (asked === undefined) return undefined
  if (!/^[\w-]{1,64}$/.test(asked.name)) {
    return {
      message: `Invalid '${asked.of}.name': string does not match pattern. Expected a string that matches ` +
        `'^[a-zA-Z0-9_-]+$', at most 64 long.`,
      param: asked.param
    }
  }
  if (!asked.strict) return undefined
  const complaint = complain(asked.schema)
  return complaint === undefined
    ? undefined
    : { message: `Invalid schema for ${asked.of} '${asked.name}': ${complaint}`, param: asked.param }
}

const named = (format: { readonly [key: string]: unknown }, key: "schema" | "parameters") => ({
  name: Predicate.isString(format["name"]) ? format["name"] : "",
  strict: format["strict"] === true,
  schema: format[key]
})

const fragments = (bytes: Uint8Array, size: number): ReadonlyArray<Uint8Array> =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size))
