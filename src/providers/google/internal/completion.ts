/** A response of `generateContent` → `Completion`. What the server omits or gets wrong is reported, never guessed. */
import type * as Response from "effect/ai/Response"
import type { Completion } from "../../../llm/Completion.ts"
import type { LlmRequest, ToolCall } from "../../../llm/LlmRequest.ts"
import * as Usage from "../../../llm/Usage.ts"
import { isTokens, list, type Node, object, string, text, tokens } from "../../internal/wireJson.ts"

/** The parts of an answer, whole or collected from a stream. */
export interface Parts {
  id: string
  model: string
  readonly text: Array<string>
  readonly calls: Array<ToolCall>
  /** The signature of a thought behind the text, which the next request should contain. */
  signature: string | undefined
  finishReason: unknown
  finishMessage: unknown
  promptFeedback: Node | undefined
  usage: Node | undefined
  serviceTier: string | undefined
}

export const empty = (request: LlmRequest): Parts => ({
  id: "",
  model: request.model,
  text: [],
  calls: [],
  signature: undefined,
  finishReason: undefined,
  finishMessage: undefined,
  promptFeedback: undefined,
  usage: undefined,
  serviceTier: undefined
})

/** Adds a response, or an event of a stream, to the parts. Returns the text and the calls that it contains. */
export const add = (parts: Parts, body: Node): { readonly text: string; readonly calls: ReadonlyArray<ToolCall> } => {
  parts.id = text(body["responseId"]) ?? parts.id
  parts.model = text(body["modelVersion"]) ?? parts.model
  parts.usage = object(body["usageMetadata"]) ?? parts.usage
  parts.serviceTier = text(object(body["usageMetadata"])?.["serviceTier"]) ?? parts.serviceTier
  parts.promptFeedback = object(body["promptFeedback"]) ?? parts.promptFeedback
  const candidate = object(list(body["candidates"])[0])
  if (candidate === undefined) return { text: "", calls: [] }
  parts.finishReason = candidate["finishReason"] ?? parts.finishReason
  parts.finishMessage = candidate["finishMessage"] ?? parts.finishMessage
  const said: Array<string> = []
  const calls: Array<ToolCall> = []
  for (const item of list(object(candidate["content"])?.["parts"])) {
    const part = object(item)
    // A thought is no part of the answer.
    if (part === undefined || part["thought"] === true) continue
    const signature = text(part["thoughtSignature"])
    const call = object(part["functionCall"])
    if (call !== undefined) {
      calls.push({
        id: text(call["id"]) ?? `call_${parts.calls.length + calls.length}`,
        name: string(call["name"]) ?? "",
        arguments: JSON.stringify(call["args"] ?? {}),
        ...(signature !== undefined && { providerData: { google: { thoughtSignature: signature } } })
      })
      continue
    }
    parts.signature = signature ?? parts.signature
    const piece = text(part["text"])
    if (piece !== undefined) said.push(piece)
  }
  parts.text.push(...said)
  parts.calls.push(...calls)
  return { text: said.join(""), calls }
}

/** Whether the answer has ended: with a reason, or because the prompt was blocked. */
export const hasEnded = ({ finishReason, promptFeedback }: Parts): boolean =>
  finishReason !== undefined && finishReason !== null || text(promptFeedback?.["blockReason"]) !== undefined

export const toCompletion = (
  parts: Parts,
  request: LlmRequest,
  redact: (text: string) => string
): Completion => {
  const { calls, id, model, promptFeedback, serviceTier, signature } = parts
  const blocked = text(promptFeedback?.["blockReason"])
  return {
    id: redact(id),
    model: model === request.model ? model : redact(model),
    text: parts.text.join(""),
    toolCalls: calls,
    ...(blocked !== undefined && {
      refusal: redact(text(promptFeedback?.["blockReasonMessage"]) ?? `The prompt was blocked (${blocked})`)
    }),
    finishReason: blocked === undefined ? finishReason(parts.finishReason, calls.length > 0) : "content-filter",
    usage: toUsage(parts.usage),
    ...(serviceTier !== undefined && { serviceTier: tier(redact(serviceTier)) }),
    ...(signature !== undefined && { providerData: { google: { thoughtSignature: signature } } })
  }
}

/** `STANDARD` is what others call the default tier. */
const tier = (serviceTier: string): string => {
  const name = serviceTier.toLowerCase()
  return name === "standard" ? "default" : name
}

const finishReason = (reason: unknown, calls: boolean): Response.FinishReason => {
  switch (reason) {
    case "STOP":
      return calls ? "tool-calls" : "stop"
    case "MAX_TOKENS":
      return "length"
    case "SAFETY":
    case "RECITATION":
    case "LANGUAGE":
    case "BLOCKLIST":
    case "PROHIBITED_CONTENT":
    case "SPII":
    case "MODEL_ARMOR":
      return "content-filter"
    case null:
    case undefined:
    case "FINISH_REASON_UNSPECIFIED":
      return "unknown"
    default:
      return typeof reason === "string" && reason.startsWith("IMAGE_") ? "content-filter" : "other"
  }
}

/** `candidatesTokenCount` does not contain the thoughts, and `promptTokenCount` does contain what was cached. */
export const toUsage = (usage: Node | undefined): Usage.Usage => {
  if (usage === undefined || !isTokens(usage["promptTokenCount"]) && !isTokens(usage["candidatesTokenCount"])) {
    return Usage.unreported
  }
  const reasoningTokens = tokens(usage["thoughtsTokenCount"])
  return {
    ...Usage.zero,
    inputTokens: tokens(usage["promptTokenCount"]) + tokens(usage["toolUsePromptTokenCount"]),
    cachedInputTokens: tokens(usage["cachedContentTokenCount"]),
    outputTokens: tokens(usage["candidatesTokenCount"]) + reasoningTokens,
    reasoningTokens
  }
}
