/** A chat completion as the wire has it → `Completion`. What servers leave out or get wrong is told, never guessed. */
import type * as Response from "effect/ai/Response"
import * as Predicate from "effect/Predicate"
import type { Completion } from "../../../llm/Completion.ts"
import type { ToolCall } from "../../../llm/LlmRequest.ts"
import * as Usage from "../../../llm/Usage.ts"
import { parseRateLimit, type ResponseHeaders } from "./rateLimit.ts"

/** The completion, or in words what is wrong with the response. */
export const fromResponse = (
  body: unknown,
  headers: ResponseHeaders,
  requestedModel: string
): Completion | string => {
  if (!Predicate.isObject(body)) {
    return `the server answered with ${
      Predicate.isString(body) ? "something that is not JSON" : "an empty body"
    }. Check the base URL`
  }
  const choices = body["choices"]
  if (!Array.isArray(choices)) return `the response has no "choices". Check the base URL`
  const choice: unknown = choices[0]
  if (!Predicate.isObject(choice)) return `"choices" is empty`
  const message = choice["message"]
  if (!Predicate.isObject(message)) return `the first choice has no "message"`
  const refusal = message["refusal"]
  const rateLimit = parseRateLimit(headers)
  const serviceTier = string(body["service_tier"])
  return {
    id: string(body["id"]) ?? "",
    model: string(body["model"]) ?? requestedModel,
    text: contentText(message["content"]),
    toolCalls: toolCalls(message["tool_calls"]),
    ...(Predicate.isString(refusal) && refusal !== "" && { refusal }),
    finishReason: finishReason(choice["finish_reason"]),
    usage: usage(body["usage"]),
    ...(serviceTier !== undefined && { serviceTier }),
    ...(rateLimit !== undefined && { rateLimit })
  }
}

const string = (value: unknown): string | undefined => Predicate.isString(value) ? value : undefined

/** Content is a string; some servers send the list of text parts that requests may have. */
export const contentText = (content: unknown): string => {
  if (Predicate.isString(content)) return content
  if (!Array.isArray(content)) return ""
  return content.map((part) => Predicate.hasProperty(part, "text") ? string(part.text) ?? "" : "").join("")
}

const toolCalls = (calls: unknown): ReadonlyArray<ToolCall> => {
  if (!Array.isArray(calls)) return []
  return calls.flatMap((call: unknown, index) => {
    if (!Predicate.hasProperty(call, "function") || !Predicate.isObject(call.function)) return []
    const args = call.function["arguments"]
    return [{
      // The id links a call to its result; a server that gives none still wants one back.
      id: (Predicate.hasProperty(call, "id") ? string(call.id) : undefined) || `call_${index}`,
      name: string(call.function["name"]) ?? "",
      // A string on OpenAI's wire; some servers send the object itself.
      arguments: Predicate.isString(args) ? args : args === undefined || args === null ? "" : JSON.stringify(args)
    }]
  })
}

export const finishReason = (reason: unknown): Response.FinishReason => {
  switch (reason) {
    case "stop":
    case "length":
      return reason
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
  return {
    ...Usage.zero,
    inputTokens: natural(value["prompt_tokens"]),
    cachedInputTokens: natural(detail(value["prompt_tokens_details"], "cached_tokens")),
    cacheWriteTokens: natural(detail(value["prompt_tokens_details"], "cache_write_tokens")),
    outputTokens: natural(value["completion_tokens"]),
    reasoningTokens: natural(detail(value["completion_tokens_details"], "reasoning_tokens"))
  }
}

const detail = (details: unknown, key: string): unknown => Predicate.isObject(details) ? details[key] : undefined

const isNatural = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0

const natural = (value: unknown): number => isNatural(value) ? value : 0
