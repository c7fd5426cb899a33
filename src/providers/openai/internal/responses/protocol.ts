/** The Responses API as pure functions. */
import * as Result from "effect/Result"
import type { Completion } from "../../../../llm/Completion.ts"
import type { Headers } from "../../../../transport/Transport.ts"
import { readWindows } from "../../../internal/rateLimit.ts"
import { incomplete, invalid, type Server } from "../../../internal/server.ts"
import { object, parse } from "../../../internal/wireJson.ts"
import type { Failure, Protocol } from "../../../Protocol.ts"
import * as Errors from "../error.ts"
import * as Collector from "./collector.ts"
import * as Output from "./output.ts"
import * as Request from "./request.ts"

export const path = "/responses"

/** The functions that do not depend on how a request is sent. */
export const fromServer = (
  server: Server,
  url: string,
  headers: Readonly<Record<string, string>>
): Protocol => ({
  server,
  url: () => url,
  headers,
  encode: Request.toText,
  decode: ({ body: raw, headers }, { model }, nowMillis) => {
    const parsed = parse(raw)
    if (Result.isSuccess(parsed)) return fromJson(parsed.success, headers, model, server, nowMillis)
    return Result.fail(
      raw.trim() === "" || /^\s*[{[]/.test(raw)
        ? incomplete("the response is not valid JSON", server)
        : invalid("the server answered with something that is not JSON", server)
    )
  },
  failure: (response, nowMillis) => Errors.fromResponse(response, server, nowMillis),
  collect: (head, { model }, nowMillis) => Collector.make(head, model, server, nowMillis)
})

/** The completion in a body that has been parsed: that of a response, or of a line in a batch. */
export const fromJson = (
  value: unknown,
  headers: Headers,
  model: string,
  server: Server,
  nowMillis: () => number
): Result.Result<Completion, Failure> => {
  const body = object(value)
  if (body === undefined) return Result.fail(invalid("the body is not a response", server))
  const error = Output.errorOf(body)
  const usage = Output.reported(body)
  if (error !== undefined) return Result.fail(Errors.fromInside(error, headers, server, nowMillis(), usage))
  const completion = Output.fromBody(body, {
    model,
    redact: server.secrets.redact,
    rateLimits: readWindows(headers, server.rateLimits)
  })
  return typeof completion === "string" ? Result.fail(invalid(completion, server, usage)) : Result.succeed(completion)
}
