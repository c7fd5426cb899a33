/** A chat completion on the wire → `Completion`. What a server omits or gets wrong is reported, never guessed. */
import type * as AiResponse from "effect/ai/Response"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as ExactNumber from "../../../internal/exactNumber.ts"
import type { Completion } from "../../../llm/Completion.ts"
import type { ToolCall } from "../../../llm/LlmRequest.ts"
import * as Usage from "../../../llm/Usage.ts"
import type { Headers, Response } from "../../../transport/Transport.ts"
import { readWindows } from "../../internal/rateLimit.ts"
import type { Secrets } from "../../internal/secrets.ts"
import { incomplete, invalid, type Server } from "../../internal/server.ts"
import type { Failure } from "../../Protocol.ts"
import { errorIn, type Fields, fromInside } from "./error.ts"

/** The completion in the body of a response with status 200. The content type does not matter, the JSON does. */
export const fromResponse = (
  { body: text, headers }: Response<string>,
  requestedModel: string,
  server: Server,
  nowMillis: () => number
): Result.Result<Completion, Failure> => {
  const parsed = Result.try((): unknown => ExactNumber.parseKeepingDigits(text))
  if (Result.isFailure(parsed)) return Result.fail(unreadable(text, headers, server))
  return fromJson(parsed.success, headers, requestedModel, server, nowMillis)
}

/** The completion in a body that has been parsed. */
export const fromJson = (
  body: unknown,
  headers: Headers,
  requestedModel: string,
  server: Server,
  nowMillis: () => number
): Result.Result<Completion, Failure> => {
  if (!Predicate.isObject(body)) {
    return Result.fail(invalid(`the response is ${kindOf(body)}, not a chat completion`, server))
  }
  const error = errorIn(body, false) ?? choiceError(body)
  if (error !== undefined) return Result.fail(fromInside(error, headers, server, nowMillis(), reported(body["usage"])))
  const completion = fromBody(body, headers, requestedModel, server)
  return typeof completion === "string"
    ? Result.fail(invalid(completion, server, reported(body["usage"])))
    : Result.succeed(completion)
}

/** JSON that is broken or missing may arrive whole the next time; a page comes from a server of another kind. */
const unreadable = (text: string, headers: Headers, server: Server): Failure => {
  const start = text.trimStart()[0]
  if (start === undefined) return incomplete("the response has an empty body", server)
  return start === "{" || start === "[" || /json/i.test(headers["content-type"] ?? "")
    ? incomplete("the response is not valid JSON", server)
    : invalid("the server answered with something that is not JSON", server)
}

const kindOf = (value: unknown): string => {
  if (value === null) return "null"
  if (Array.isArray(value)) return "a list"
  return `a ${typeof value}`
}

/** The completion, or what is wrong with the body. */
const fromBody = (
  body: { readonly [key: string]: unknown },
  headers: Headers,
  requestedModel: string,
  { rateLimits: names, secrets: { redact } }: Server
): Completion | string => {
  const choices = body["choices"]
  if (!Array.isArray(choices)) return `the response has no "choices"`
  const choice: unknown = choices[0]
  if (!Predicate.isObject(choice)) return `"choices" is empty`
  const message = choice["message"]
  if (!Predicate.isObject(message)) return `the first choice has no "message"`
  const refusal = message["refusal"]
  const rateLimits = readWindows(headers, names)
  const serviceTier = string(body["service_tier"])
  const logprobs = logprobsOf(choice)
  const model = string(body["model"]) ?? requestedModel
  return {
    id: redact(string(body["id"]) ?? ""),
    model: model === requestedModel ? model : redact(model),
    text: contentText(message["content"]),
    toolCalls: toolCalls(message["tool_calls"], redact),
    ...(Predicate.isString(refusal) && refusal !== "" && { refusal: redact(refusal) }),
    finishReason: finishReason(choice["finish_reason"]),
    usage: usage(body["usage"]),
    ...(serviceTier !== undefined && { serviceTier: redact(serviceTier) }),
    ...(logprobs.length > 0 && { logprobs }),
    ...(rateLimits !== undefined && { rateLimits })
  }
}

/** The tokens of the content of a choice or of a piece of it. Those of tool calls have none. */
export const logprobsOf = (choice: { readonly [key: string]: unknown }): NonNullable<Completion["logprobs"]> => {
  const content = detail(choice["logprobs"], "content")
  if (!Array.isArray(content)) return []
  return content.flatMap((entry: unknown) => {
    if (!Predicate.isObject(entry) || !Predicate.isString(entry["token"])) return []
    const logprob = Number(entry["logprob"])
    return Number.isFinite(logprob) ? [{ token: entry["token"], logprob }] : []
  })
}

const string = (value: unknown): string | undefined => Predicate.isString(value) ? value : undefined

/** Content is a string, but some servers send a list of text parts, as requests may contain. */
export const contentText = (content: unknown): string => {
  if (Predicate.isString(content)) return content
  if (!Array.isArray(content)) return ""
  return content.map((part) => Predicate.hasProperty(part, "text") ? string(part.text) ?? "" : "").join("")
}

const toolCalls = (calls: unknown, redact: Secrets["redact"]): ReadonlyArray<ToolCall> => {
  if (!Array.isArray(calls)) return []
  return calls.flatMap((call: unknown, index) => {
    if (!Predicate.hasProperty(call, "function") || !Predicate.isObject(call.function)) return []
    const args = call.function["arguments"]
    return [{
      // The id links a call to its result. A server that sends none still expects one in the next request.
      id: redact((Predicate.hasProperty(call, "id") ? string(call.id) : undefined) || `call_${index}`),
      name: string(call.function["name"]) ?? "",
      // OpenAI sends a string, some servers the object itself.
      arguments: Predicate.isString(args) ? args : args === undefined || args === null ? "" : JSON.stringify(args)
    }]
  })
}

/** Reasons that mean that the server failed midway, so that the same request may succeed. */
const failedReasons = new Set<unknown>(["error", "insufficient_system_resource"])

/** The error of the first choice. Routers answer with status 200 before they know that the server behind them fails. */
export const choiceError = (body: { readonly [key: string]: unknown }): Fields | undefined => {
  const choice: unknown = Array.isArray(body["choices"]) ? body["choices"][0] : undefined
  if (!Predicate.isObject(choice)) return undefined
  if (Predicate.isObject(choice["error"])) return choice["error"]
  const reason = choice["finish_reason"]
  return failedReasons.has(reason)
    ? { message: `the server stopped in the midst of the answer (${String(reason)})` }
    : undefined
}

export const finishReason = (reason: unknown): AiResponse.FinishReason => {
  switch (reason) {
    case "stop":
    case "length":
      return reason
    case "eos":
      return "stop"
    case "model_length":
      return "length"
    case "tool_calls":
    case "function_call":
      return "tool-calls"
    case "content_filter":
      return "content-filter"
    case null:
    case undefined:
      return "unknown"
    default:
      return "other"
  }
}

export const usage = (value: unknown): Usage.Usage => {
  if (!Predicate.isObject(value) || !isNatural(value["prompt_tokens"]) && !isNatural(value["completion_tokens"])) {
    return Usage.unreported
  }
  const inputTokens = natural(value["prompt_tokens"])
  const outputTokens = natural(value["completion_tokens"])
  const reasoningTokens = natural(detail(value["completion_tokens_details"], "reasoning_tokens"))
  // Some servers do not count reasoning among the completion, which only the total tells.
  const isApart = reasoningTokens > 0 && value["total_tokens"] === inputTokens + outputTokens + reasoningTokens
  return {
    ...Usage.zero,
    inputTokens,
    cachedInputTokens: natural(
      detail(value["prompt_tokens_details"], "cached_tokens") ?? value["prompt_cache_hit_tokens"]
    ),
    cacheWriteTokens: natural(detail(value["prompt_tokens_details"], "cache_write_tokens")),
    outputTokens: isApart ? outputTokens + reasoningTokens : outputTokens,
    reasoningTokens
  }
}

/** The usage, or `undefined` where the server did not report it. */
const reported = (value: unknown): Usage.Usage | undefined => {
  const used = usage(value)
  return used.unreported > 0 ? undefined : used
}

const detail = (details: unknown, key: string): unknown => Predicate.isObject(details) ? details[key] : undefined

/** More tokens than this are no usage of one request, and sums of them could exceed the safe integers. */
const maxTokens = 1_000_000_000

const isNatural = (value: unknown): value is number =>
  Number.isInteger(value) && Number(value) >= 0 && Number(value) <= maxTokens

const natural = (value: unknown): number => isNatural(value) ? value : 0
