/** Chat completions as OpenAI's server writes them. */
import type * as Response from "effect/ai/Response"
import * as Predicate from "effect/Predicate"
import type * as Schema from "effect/Schema"
import * as Reply from "../../Reply.ts"

export type Json = Schema.Json

export interface Envelope {
  readonly id: string
  readonly model: string
  /** Seconds since the epoch. */
  readonly created: number
}

export interface TokenCount {
  readonly prompt: number
  /** Those of the prompt that were in the cache. */
  readonly cached: number
  readonly completion: number
  /** Those of the completion that went into reasoning. */
  readonly reasoning: number
}

const finishReasons: Readonly<Record<Response.FinishReason, string>> = {
  stop: "stop",
  length: "length",
  "content-filter": "content_filter",
  "tool-calls": "tool_calls",
  error: "error",
  pause: "pause",
  other: "other",
  unknown: "stop"
}

const finishReason = (reply: Reply.Reply, tool: string | undefined): string =>
  tool !== undefined && reply.finishReason === "stop" && reply.refusal === undefined
    ? "tool_calls"
    : finishReasons[reply.finishReason]

const toUsage = ({ cached, completion, prompt, reasoning }: TokenCount): Json => ({
  prompt_tokens: prompt,
  completion_tokens: completion,
  total_tokens: prompt + completion,
  prompt_tokens_details: { cached_tokens: cached, audio_tokens: 0 },
  completion_tokens_details: {
    reasoning_tokens: reasoning,
    audio_tokens: 0,
    accepted_prediction_tokens: 0,
    rejected_prediction_tokens: 0
  }
})

/** The body of an answer. `tool` names the function that was to be called. */
export const toCompletion = (
  envelope: Envelope,
  reply: Reply.Reply,
  tool: string | undefined,
  tokens: TokenCount
): Json => {
  const asTool = tool !== undefined && reply.refusal === undefined
  return {
    id: envelope.id,
    object: "chat.completion",
    created: envelope.created,
    model: envelope.model,
    choices: [{
      index: 0,
      message: {
        role: "assistant",
        content: asTool || reply.refusal !== undefined ? null : reply.text,
        refusal: reply.refusal ?? null,
        annotations: [],
        ...(asTool && {
          tool_calls: [{
            id: `call_${envelope.id}`,
            type: "function",
            function: { name: tool, arguments: reply.text }
          }]
        })
      },
      logprobs: null,
      finish_reason: finishReason(reply, tool)
    }],
    usage: toUsage(tokens),
    service_tier: "default",
    system_fingerprint: "fp_simulated"
  }
}

/** The events of a streamed answer, without the final `[DONE]`. */
export const toChunks = (
  envelope: Envelope,
  reply: Reply.Reply,
  tool: string | undefined,
  tokens: TokenCount,
  options: { readonly chunkSize: number; readonly includeUsage: boolean }
): ReadonlyArray<Json> => {
  const chunk = (choices: Json, usage?: Json): Json => ({
    id: envelope.id,
    object: "chat.completion.chunk",
    created: envelope.created,
    model: envelope.model,
    service_tier: "default",
    system_fingerprint: "fp_simulated",
    choices,
    ...(options.includeUsage && { usage: usage ?? null })
  })
  const delta = (delta: Json, finish_reason: string | null = null): Json =>
    chunk([{ index: 0, delta, logprobs: null, finish_reason }])
  const asTool = tool !== undefined && reply.refusal === undefined
  const pieces = split(reply.refusal ?? reply.text, options.chunkSize)
  return [
    delta(
      asTool
        ? {
          role: "assistant",
          content: null,
          tool_calls: [{
            index: 0,
            id: `call_${envelope.id}`,
            type: "function",
            function: { name: tool, arguments: "" }
          }],
          refusal: null
        }
        : { role: "assistant", content: reply.refusal === undefined ? "" : null, refusal: null }
    ),
    ...pieces.map((piece) =>
      delta(
        asTool
          ? { tool_calls: [{ index: 0, function: { arguments: piece } }] }
          : reply.refusal === undefined
          ? { content: piece }
          : { refusal: piece }
      )
    ),
    delta({}, finishReason(reply, tool)),
    ...(options.includeUsage ? [chunk([], toUsage(tokens))] : [])
  ]
}

const split = (text: string, size: number): ReadonlyArray<string> => {
  const out: Array<string> = []
  for (let at = 0; at < text.length;) {
    let end = at + size
    // JSON cannot carry half a surrogate pair, and no server sends one.
    if (/[\uD800-\uDBFF]/.test(text[end - 1] ?? "")) end++
    out.push(text.slice(at, end))
    at = end
  }
  return out
}

/** The tokens of a request's messages, about as OpenAI estimates them before it reads them. */
export const promptTokens = (messages: ReadonlyArray<unknown>): number =>
  messages.reduce<number>((sum, message) => sum + 4 + Reply.estimateTokens(messageText(message)), 3)

export const messageText = (message: unknown): string => {
  if (!Predicate.isObject(message)) return ""
  const content = message["content"]
  if (Predicate.isString(content)) return content
  return Array.isArray(content)
    ? content.map((part) => Predicate.hasProperty(part, "text") && Predicate.isString(part.text) ? part.text : "").join(
      ""
    )
    : ""
}
