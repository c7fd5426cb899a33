/** Anthropic's Messages API as pure functions. */
import * as Result from "effect/Result"
import { incomplete, invalid, type Server } from "../../internal/server.ts"
import { object, parse, rootOf } from "../../internal/wireJson.ts"
import type { Protocol } from "../../Protocol.ts"
import * as Collector from "./collector.ts"
import { fromBody, toUsage } from "./completion.ts"
import { toFailure } from "./error.ts"
import { readWindows } from "./rateLimit.ts"
import { toBody } from "./request.ts"

export const path = "/v1/messages"

/** The version of the API. It names the format of requests and responses, and not the newest features. */
const version = "2023-06-01"

export const make = (options: {
  readonly server: Server
  readonly baseUrl: string
  readonly apiKey: string | undefined
  readonly headers: Readonly<Record<string, string>> | undefined
}): Protocol => {
  const { server } = options
  const url = `${rootOf(options.baseUrl)}${path}`
  return {
    server,
    url: () => url,
    headers: {
      "content-type": "application/json",
      "anthropic-version": version,
      ...(options.apiKey !== undefined && { "x-api-key": options.apiKey }),
      ...options.headers
    },
    encode: (request, streaming) => Result.map(toBody(request, streaming), (body) => JSON.stringify(body)),
    decode: ({ body: raw, headers, status }, request, nowMillis) => {
      const parsed = parse(raw)
      if (Result.isFailure(parsed)) {
        return Result.fail(
          raw.trim() === "" || /^\s*\{/.test(raw)
            ? incomplete("the response is not valid JSON", server)
            : invalid("the server answered with something that is not JSON", server)
        )
      }
      const body = object(parsed.success)
      if (body === undefined) return Result.fail(invalid("the response is not a message", server))
      if (body["type"] === "error") {
        return Result.fail(toFailure(body, raw, { status: undefined, headers }, server, nowMillis()))
      }
      const completion = fromBody(body, request, server.secrets.redact, readWindows(headers, nowMillis()))
      const usage = toUsage(object(body["usage"]))
      return typeof completion === "string"
        ? Result.fail({ ...invalid(completion, server, usage.unreported > 0 ? undefined : usage), status })
        : Result.succeed(completion)
    },
    failure: ({ body, headers, status }, nowMillis) =>
      toFailure(object(Result.getOrUndefined(parse(body))), body, { status, headers }, server, nowMillis),
    collect: (head, request, nowMillis) => Collector.make(head, request, server, nowMillis)
  }
}
