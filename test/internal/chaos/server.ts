/** A server that answers with its input, unless it feels like something worse. It counts what it bills. */
import { Duration, Effect, Stream } from "effect"
import { Transport } from "effect-instructor"
import type { Random } from "./random.ts"
import type { Time } from "./time.ts"

export interface Server {
  readonly transport: Transport.Transport["Service"]
  isHostile: boolean
  /** How often the right answer to each text was billed. */
  readonly billed: ReadonlyMap<string, number>
  /** The number of right answers. */
  readonly answers: () => number
  /** The number of right answers in the last milliseconds. */
  readonly answeredSince: (millis: number) => number
  /** Answers that were billed and never sent. */
  lost: number
  faults: number
}

export interface Options {
  readonly random: Random
  readonly time: Time
  readonly key: string
  readonly latencyMillis: number
  /** Finds the input in a request. */
  readonly textOf: (body: string) => string
}

type Sent = Effect.Effect<Transport.Response<string>, Transport.TransportError>

const broken = (code: string, description: string): Sent =>
  Effect.fail(
    new Transport.TransportError({
      reason: "Connection",
      description,
      cause: Object.assign(new Error(description), { code })
    })
  )

const completion = (message: object, fields: object = {}): string =>
  JSON.stringify({
    id: "chatcmpl-1",
    object: "chat.completion",
    created: 1_700_000_000,
    model: "m",
    choices: [{ index: 0, message: { role: "assistant", ...message }, finish_reason: "stop", ...fields }],
    usage: { prompt_tokens: 20, completion_tokens: 10, total_tokens: 30 }
  })

export const make = ({ key, latencyMillis, random, textOf, time }: Options): Server => {
  const billed = new Map<string, number>()
  const times: Array<number> = []
  const { below, chance, pick } = random

  const echoes = (): string => pick([key, `Bearer ${key}`, Buffer.from(key).toString("base64"), ` ${key}\n`])

  const respond = (status: number, body: string, headers: Record<string, string> = {}): Sent =>
    Effect.succeed({
      status,
      body,
      headers: {
        "content-type": "application/json",
        ...(chance(0.2) && { "x-request-id": echoes(), via: key }),
        ...headers
      }
    })

  const error = (status: number, fields: object, headers?: Record<string, string>): Sent =>
    respond(status, JSON.stringify({ error: { message: `no \u001b[31m for ${echoes()}`, ...fields } }), headers)

  const rateLimited = (): Sent =>
    error(429, { code: "rate_limit_exceeded", type: pick(["requests", "tokens", key]) }, {
      ...pick<Record<string, string>>([
        {},
        { "retry-after": "0" },
        { "retry-after": "-5" },
        { "retry-after": "2" },
        { "retry-after-ms": "350" },
        { "retry-after": "1e308" },
        { "retry-after": "nonsense" },
        { "retry-after": new Date(time.wall() - 60_000).toUTCString() },
        { "retry-after": new Date(time.wall() + 4000).toUTCString() }
      ]),
      ...(chance(0.4) && {
        "x-ratelimit-limit-requests": pick(["60", "0", "-1", "NaN", "5000"]),
        "x-ratelimit-remaining-requests": pick(["0", "1", "-3", "1e400"]),
        "x-ratelimit-reset-requests": pick(["1s", "6m0s", "-1s", key])
      })
    })

  const right = (text: string): string => {
    billed.set(text, (billed.get(text) ?? 0) + 1)
    times.push(time.now())
    return completion({ content: JSON.stringify({ echo: text }) })
  }

  const hostile = (text: string): Sent => {
    self.faults++
    switch (below(18)) {
      case 0:
      case 1:
        return rateLimited()
      case 2:
        return error(pick([500, 502, 503, 529]), { code: key, type: key, param: echoes() })
      case 3:
        return broken("ECONNRESET", "socket hang up")
      case 4: {
        // The answer was billed, and its end never arrives.
        right(text)
        self.lost++
        return broken("UND_ERR_SOCKET", "other side closed")
      }
      case 5: {
        const whole = right(text)
        self.lost++
        return respond(200, whole.slice(0, below(whole.length)))
      }
      case 6:
        return respond(
          200,
          pick(["", "null", "[]", "1e999", "nonsense", `{"choices": nonsense ${key}`, `{"choices":[]}`])
        )
      case 7:
        return respond(200, completion({ content: "Sorry, no JSON today" }))
      case 8:
        return respond(200, completion({ content: `{"echo": 5}` }))
      case 9:
        return respond(200, completion({ content: `{"echo": "ha` }, { finish_reason: "length" }))
      case 10:
        return respond(200, completion({ content: null, refusal: `I refuse \u001b[2J` }))
      case 11:
        return respond(200, completion({ content: "" }, { finish_reason: "content_filter" }))
      case 12:
        // Until the deadline of the request.
        return Effect.never
      case 13:
        return respond(200, right(text), { "content-type": "text/plain" })
      case 14: {
        // Too deep for a journal, or not.
        const depth = 1 + below(6000)
        right(text)
        self.lost++
        const more = `${"[".repeat(depth)}${"]".repeat(depth)}`
        return respond(200, completion({ content: `{"echo": ${JSON.stringify(text)}, "more": ${more}}` }))
      }
      case 15:
        return respond(200, right(text), { "content-encoding": "constructor" })
      case 16:
        return chance(0.1)
          ? error(pick([401, 403, 404]), { code: pick(["invalid_api_key", "model_not_found", key]) })
          : chance(0.2)
          ? error(429, { code: "insufficient_quota" })
          : error(pick([408, 409, 422, 400]), { code: key })
      default:
        return Effect.fail(
          new Transport.TransportError({
            reason: pick(["Redirect", "LimitExceeded", "Timeout"]),
            description: "The response cannot be used"
          })
        )
    }
  }

  const send = ({ body, deadline }: Transport.Request): Sent => {
    const text = textOf(String(body))
    const answered = Effect.suspend(() => self.isHostile && chance(0.2) ? hostile(text) : respond(200, right(text)))
    const delayed = Effect.andThen(Effect.sleep(latencyMillis * (0.5 + random.next())), answered)
    return Effect.timeoutOrElse(delayed, {
      duration: deadline ?? Duration.infinity,
      orElse: () =>
        Effect.fail(
          new Transport.TransportError({ reason: "Timeout", description: "The server did not answer in time" })
        )
    })
  }

  const self: Server = {
    transport: Transport.Transport.of({
      send,
      stream: () => Effect.succeed({ status: 500, headers: {}, body: Stream.empty })
    }),
    isHostile: true,
    billed,
    answers: () => times.length,
    answeredSince: (millis) => times.filter((at) => at >= time.now() - millis).length,
    lost: 0,
    faults: 0
  }
  return self
}
