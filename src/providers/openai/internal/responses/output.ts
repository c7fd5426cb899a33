/** A response on the wire → `Completion`. What a server omits or gets wrong is reported, never guessed. */
import type * as AiResponse from "effect/ai/Response"
import type { Completion, RateLimitWindow } from "../../../../llm/Completion.ts"
import type { ProviderData, ToolCall } from "../../../../llm/LlmRequest.ts"
import * as Usage from "../../../../llm/Usage.ts"
import { isTokens, type Node, object, objects, string, text, tokens } from "../../../internal/wireJson.ts"
import type { Fields } from "../error.ts"

/** The name of the provider data: what Chat Completions keeps has another form. */
export const key = "openai-responses"

interface Context {
  readonly model: string
  readonly redact: (text: string) => string
  readonly rateLimits: ReadonlyArray<RateLimitWindow> | undefined
}

/** The completion, or what is wrong with the body. */
export const fromBody = (body: Node, { model: requested, rateLimits, redact }: Context): Completion | string => {
  if (!Array.isArray(body["output"])) return `the response has no "output"`
  const status = body["status"]
  if (status === "in_progress" || status === "queued" || status === "cancelled") {
    return `the response is ${status}, not completed`
  }
  const output = objects(body["output"])
  const calls = callsOf(output, redact)
  const refusal = refusalOf(output)
  const model = string(body["model"]) ?? requested
  const serviceTier = string(body["service_tier"])
  return {
    id: redact(string(body["id"]) ?? ""),
    model: model === requested ? model : redact(model),
    text: textOf(output),
    toolCalls: calls,
    ...(refusal !== "" && { refusal: redact(refusal) }),
    finishReason: finishReason(body, calls.length > 0),
    usage: toUsage(object(body["usage"])),
    ...(serviceTier !== undefined && { serviceTier: redact(serviceTier) }),
    ...(hasReasoning(output) && { providerData: { [key]: { output } } as ProviderData }),
    ...(rateLimits !== undefined && { rateLimits })
  }
}

/** The error of a response that has failed with the status 200. */
export const errorOf = (body: Node): Fields | undefined => {
  const error = object(body["error"])
  if (error !== undefined) return error
  return body["status"] === "failed" ? { message: "the response has failed, without an error" } : undefined
}

/** The text of the messages in an output. */
export const textOf = (output: ReadonlyArray<Node>): string =>
  contents(output).map((part) => part["type"] === "output_text" ? string(part["text"]) ?? "" : "").join("")

const contents = (output: ReadonlyArray<Node>): ReadonlyArray<Node> =>
  output.flatMap(({ content, type }) => type === "message" ? objects(content) : [])

const refusalOf = (output: ReadonlyArray<Node>): string =>
  contents(output).map((part) => part["type"] === "refusal" ? string(part["refusal"]) ?? "" : "").join("")

const callsOf = (output: ReadonlyArray<Node>, redact: Context["redact"]): ReadonlyArray<ToolCall> =>
  output.filter(({ type }) => type === "function_call").map((call, index) => ({
    // The id links a call to its result.
    id: redact(text(call["call_id"]) ?? text(call["id"]) ?? `call_${index}`),
    name: string(call["name"]) ?? "",
    arguments: string(call["arguments"]) ?? ""
  }))

/** Reasoning can be sent back only in its encrypted form, because nothing is stored. */
const hasReasoning = (output: ReadonlyArray<Node>): boolean =>
  output.some(({ type }) => type === "reasoning") &&
  output.every(({ encrypted_content: encrypted, type }) => type !== "reasoning" || text(encrypted) !== undefined)

const finishReason = ({ incomplete_details, status }: Node, calls: boolean): AiResponse.FinishReason => {
  switch (status) {
    case "completed":
      return calls ? "tool-calls" : "stop"
    case "incomplete": {
      const reason = object(incomplete_details)?.["reason"]
      return reason === "max_output_tokens" ? "length" : reason === "content_filter" ? "content-filter" : "other"
    }
    case undefined:
    case null:
      return "unknown"
    default:
      return "other"
  }
}

const toUsage = (usage: Node | undefined): Usage.Usage => {
  if (usage === undefined || !isTokens(usage["input_tokens"]) && !isTokens(usage["output_tokens"])) {
    return Usage.unreported
  }
  const input = object(usage["input_tokens_details"])
  return {
    ...Usage.zero,
    inputTokens: tokens(usage["input_tokens"]),
    cachedInputTokens: tokens(input?.["cached_tokens"]),
    cacheWriteTokens: tokens(input?.["cache_write_tokens"]),
    outputTokens: tokens(usage["output_tokens"]),
    reasoningTokens: tokens(object(usage["output_tokens_details"])?.["reasoning_tokens"])
  }
}

/** The usage, or `undefined` where the server did not report it. */
export const reported = (body: Node | undefined): Usage.Usage | undefined => {
  const usage = toUsage(object(body?.["usage"]))
  return usage.unreported > 0 ? undefined : usage
}
