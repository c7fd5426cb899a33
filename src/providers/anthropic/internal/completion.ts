/** A message on the wire → `Completion`. What the server omits or gets wrong is reported, never guessed. */
import type * as Response from "effect/ai/Response"
import type { Completion, RateLimitWindow } from "../../../llm/Completion.ts"
import type { LlmRequest, ProviderData, ToolCall } from "../../../llm/LlmRequest.ts"
import * as Usage from "../../../llm/Usage.ts"
import { isTokens, type Node, object, objects, string, text, tokens } from "../../internal/wireJson.ts"

/** The parts of a message, whole or collected from a stream. */
export interface Parts {
  readonly id: string
  readonly model: string
  readonly text: string
  readonly calls: ReadonlyArray<ToolCall>
  /** Blocks of thinking, which the next request has to contain. */
  readonly thinking: ReadonlyArray<unknown>
  readonly stopReason: unknown
  readonly stopDetails: unknown
  readonly usage: Node | undefined
}

/** The completion, or what is wrong with the body. */
export const fromBody = (
  body: Node,
  request: LlmRequest,
  redact: (text: string) => string,
  rateLimits: ReadonlyArray<RateLimitWindow> | undefined
): Completion | string => {
  if (!Array.isArray(body["content"])) return `the response has no "content"`
  const blocks = objects(body["content"])
  const isCut = finishReason(body["stop_reason"]) === "length"
  return toCompletion(
    {
      id: string(body["id"]) ?? "",
      model: string(body["model"]) ?? request.model,
      text: blocks.map((block) => block["type"] === "text" ? string(block["text"]) ?? "" : "").join(""),
      calls: blocks.filter(({ type }) => type === "tool_use").map((block, index) => ({
        id: text(block["id"]) ?? `toolu_${index}`,
        name: string(block["name"]) ?? "",
        arguments: isCut && block === blocks.at(-1)
          ? cutOff(block["input"])
          : JSON.stringify(block["input"] ?? {})
      })),
      thinking: blocks.filter(isThinking),
      stopReason: body["stop_reason"],
      stopDetails: body["stop_details"],
      usage: object(body["usage"])
    },
    request,
    redact,
    rateLimits
  )
}

/** The input of a call that was cut off, which the API closes: what is certain of it, so that it is not taken for whole. */
const cutOff = (input: unknown): string =>
  JSON.stringify(input ?? {})
    .replace(/[}\]]+$/, "")
    .replace(/(?:"(?:[^"\\]|\\.)*"|[-+.\w]+)$/, "")

export const isThinking = ({ type }: Node): boolean => type === "thinking" || type === "redacted_thinking"

/** A schema beyond the limits of structured output goes out as a tool, whose arguments are the answer. */
export const answersInTool = ({ output }: LlmRequest): boolean =>
  output.mode === "json_schema" && output.strict === false

export const toCompletion = (
  parts: Parts,
  request: LlmRequest,
  redact: (text: string) => string,
  rateLimits: ReadonlyArray<RateLimitWindow> | undefined
): Completion => {
  const { calls, id, model, stopReason, thinking } = parts
  const [call] = calls
  const inTool = call !== undefined && answersInTool(request)
  const serviceTier = string(parts.usage?.["service_tier"])
  return {
    id: redact(id),
    model: model === request.model ? model : redact(model),
    text: inTool ? call.arguments : parts.text,
    toolCalls: inTool ? [] : calls.map((call) => ({ ...call, id: redact(call.id) })),
    ...(stopReason === "refusal" && { refusal: redact(refusal(parts)) }),
    finishReason: finishReason(inTool && stopReason === "tool_use" ? "end_turn" : stopReason),
    usage: toUsage(parts.usage),
    ...(serviceTier !== undefined && { serviceTier: tier(redact(serviceTier)) }),
    ...(thinking.length > 0 && { providerData: { anthropic: { thinking } } as ProviderData }),
    ...(rateLimits !== undefined && { rateLimits })
  }
}

/** `standard` is what others call the default tier. */
const tier = (serviceTier: string): string => serviceTier === "standard" ? "default" : serviceTier

const refusal = ({ stopDetails, text: said }: Parts): string => {
  const details = object(stopDetails)
  const category = text(details?.["category"])
  return text(details?.["explanation"]) ?? text(said) ??
    (category === undefined ? "The model refused to answer" : `The model refused to answer (${category})`)
}

const finishReason = (reason: unknown): Response.FinishReason => {
  switch (reason) {
    case "end_turn":
    case "stop_sequence":
      return "stop"
    case "max_tokens":
    case "model_context_window_exceeded":
      return "length"
    case "tool_use":
      return "tool-calls"
    case "refusal":
      return "content-filter"
    case "pause_turn":
      return "pause"
    case null:
    case undefined:
      return "unknown"
    default:
      return "other"
  }
}

/** `input_tokens` counts neither what was read from the cache nor what was written to it. */
export const toUsage = (usage: Node | undefined): Usage.Usage => {
  if (usage === undefined || !isTokens(usage["input_tokens"]) && !isTokens(usage["output_tokens"])) {
    return Usage.unreported
  }
  const cachedInputTokens = tokens(usage["cache_read_input_tokens"])
  const cacheWriteTokens = tokens(usage["cache_creation_input_tokens"])
  return {
    ...Usage.zero,
    inputTokens: tokens(usage["input_tokens"]) + cachedInputTokens + cacheWriteTokens,
    cachedInputTokens,
    cacheWriteTokens,
    outputTokens: tokens(usage["output_tokens"]),
    reasoningTokens: tokens(object(usage["output_tokens_details"])?.["thinking_tokens"])
  }
}
