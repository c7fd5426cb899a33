/** Gemini's `generateContent` as pure functions. */
import * as Result from "effect/Result"
import type { CompletionPart } from "../../../llm/Completion.ts"
import type { LlmRequest } from "../../../llm/LlmRequest.ts"
import type { Head } from "../../../transport/Transport.ts"
import { incomplete, invalid, type Server } from "../../internal/server.ts"
import { object, parse, rootOf } from "../../internal/wireJson.ts"
import type { Collector, Protocol } from "../../Protocol.ts"
import * as FromResponse from "./completion.ts"
import { errorIn, toFailure } from "./error.ts"
import { toBody } from "./request.ts"

export const path = "/v1beta/models"

export const make = (options: {
  readonly server: Server
  readonly baseUrl: string
  readonly apiKey: string | undefined
  readonly headers: Readonly<Record<string, string>> | undefined
}): Protocol => {
  const { server } = options
  const root = rootOf(options.baseUrl)
  return {
    server,
    url: ({ model }, streaming) =>
      `${root}/v1beta/${resourceOf(model)}:${streaming ? "streamGenerateContent?alt=sse" : "generateContent"}`,
    headers: {
      "content-type": "application/json",
      ...(options.apiKey !== undefined && { "x-goog-api-key": options.apiKey }),
      ...options.headers
    },
    encode: (request) => Result.map(toBody(request), (body) => JSON.stringify(body)),
    decode: ({ body: raw, headers, status }, request, nowMillis) => {
      const parsed = parse(raw)
      if (Result.isFailure(parsed)) {
        return Result.fail(
          raw.trim() === "" || /^\s*[{[]/.test(raw)
            ? incomplete("the response is not valid JSON", server)
            : invalid("the server answered with something that is not JSON", server)
        )
      }
      const error = errorIn(parsed.success)
      if (error !== undefined) {
        return Result.fail(toFailure(error, raw, { status: undefined, headers }, server, nowMillis()))
      }
      const body = object(parsed.success)
      if (body === undefined) return Result.fail(invalid("the response is not an answer", server))
      const parts = FromResponse.empty(request)
      FromResponse.add(parts, body)
      const usage = FromResponse.toUsage(parts.usage)
      return FromResponse.hasEnded(parts) || Array.isArray(body["candidates"]) && body["candidates"].length > 0
        ? Result.succeed(FromResponse.toCompletion(parts, request, server.secrets.redact))
        : Result.fail({
          ...invalid(`the response has no "candidates"`, server, usage.unreported > 0 ? undefined : usage),
          status
        })
    },
    failure: ({ body, headers, status }, nowMillis) =>
      toFailure(errorIn(Result.getOrUndefined(parse(body))), body, { status, headers }, server, nowMillis),
    collect: (head, request, nowMillis) => collect(head, request, server, nowMillis)
  }
}

/** The name of a model may be that of a resource, such as `tunedModels/mine`. */
const resourceOf = (model: string): string =>
  (model.includes("/") ? model : `models/${model}`).split("/").map(encodeURIComponent).join("/")

const collect = (head: Head, request: LlmRequest, server: Server, nowMillis: () => number): Collector => {
  const parts = FromResponse.empty(request)
  const usage = () => {
    const used = FromResponse.toUsage(parts.usage)
    return used.unreported > 0 ? undefined : used
  }
  return {
    event: (_, data, out: Array<CompletionPart>) => {
      const parsed = parse(data)
      if (Result.isFailure(parsed)) return incomplete("an event of the stream is not valid JSON", server, usage())
      const error = errorIn(parsed.success)
      if (error !== undefined) {
        const used = usage()
        return {
          ...toFailure(error, data, { status: undefined, headers: head.headers }, server, nowMillis()),
          ...(used !== undefined && { usage: used })
        }
      }
      const body = object(parsed.success)
      if (body === undefined) return undefined
      const first = parts.calls.length
      const { calls, text } = FromResponse.add(parts, body)
      if (text !== "") out.push({ _tag: "TextDelta", delta: text })
      calls.forEach((call, i) => out.push({ _tag: "ToolArgumentsDelta", index: first + i, delta: call.arguments }))
      return undefined
    },
    usage,
    finish: () =>
      FromResponse.hasEnded(parts) ? FromResponse.toCompletion(parts, request, server.secrets.redact) : undefined
  }
}
