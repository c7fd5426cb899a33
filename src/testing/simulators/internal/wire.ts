/** Chat completions as OpenAI's server writes them. */
import type * as Response from "effect/ai/Response"
import type * as Schema from "effect/Schema"
import type * as Reply from "../../Reply.ts"
import { split } from "./json.ts"

export type Json = Schema.Json

/** An answer with everything that its JSON depends on. */
export interface Answer {
  readonly id: string
  readonly model: string
  /** Seconds since the epoch. */
  readonly created: number
  readonly reply: Reply.Reply
  /** The function that the answer calls. */
  readonly tool: string | undefined
  /** The number of choices, all with the same reply. */
  readonly choices: number
  readonly usage: TokenCount
  /** Whether the model thinks before it answers, where the API shows that. */
  readonly thinks?: boolean | undefined
}

interface TokenCount {
  readonly prompt: number
  /** The part of the prompt that was in the cache. */
  readonly cached: number
  readonly completion: number
  /** The part of the completion that was spent on reasoning. */
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

const finishReason = ({ reply, tool }: Answer): string =>
  tool !== undefined && reply.finishReason === "stop" ? "tool_calls" : finishReasons[reply.finishReason]

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

const callId = ({ id }: Answer, index: number): string => index === 0 ? `call_${id}` : `call_${id}_${index}`

const indexes = ({ choices }: Answer): ReadonlyArray<number> => Array.from({ length: choices }, (_, index) => index)

/** The body of a response. */
export const toCompletion = (answer: Answer): Json => ({
  id: answer.id,
  object: "chat.completion",
  created: answer.created,
  model: answer.model,
  choices: indexes(answer).map((index) => ({
    index,
    message: toMessage(answer, index),
    logprobs: null,
    finish_reason: finishReason(answer)
  })),
  usage: toUsage(answer.usage),
  service_tier: "default",
  system_fingerprint: "fp_simulated"
})

const toMessage = (answer: Answer, index: number): Json => {
  const { reply, tool } = answer
  return {
    role: "assistant",
    content: tool !== undefined || reply.refusal !== undefined ? null : reply.text,
    refusal: reply.refusal ?? null,
    annotations: [],
    ...(tool !== undefined && {
      tool_calls: [{
        id: callId(answer, index),
        type: "function",
        function: { name: tool, arguments: reply.text }
      }]
    })
  }
}

/** The events of a streamed response, without the final `[DONE]`. */
export const toChunks = (
  answer: Answer,
  { chunkSize, includesUsage }: { readonly chunkSize: number; readonly includesUsage: boolean }
): ReadonlyArray<Json> => {
  const chunk = (choices: Json, usage: Json = null): Json => ({
    id: answer.id,
    object: "chat.completion.chunk",
    created: answer.created,
    model: answer.model,
    service_tier: "default",
    system_fingerprint: "fp_simulated",
    choices,
    ...(includesUsage && { usage })
  })
  const ofChoice = (index: number): ReadonlyArray<Json> => {
    const delta = (delta: Json, finish_reason: string | null = null): Json =>
      chunk([{ index, delta, logprobs: null, finish_reason }])
    return [
      delta(firstDelta(answer, index)),
      ...split(answer.reply.refusal ?? answer.reply.text, chunkSize).map((piece) => delta(pieceDelta(answer, piece))),
      delta({}, finishReason(answer))
    ]
  }
  return [...indexes(answer).flatMap(ofChoice), ...(includesUsage ? [chunk([], toUsage(answer.usage))] : [])]
}

const firstDelta = (answer: Answer, index: number): Json => {
  const { reply, tool } = answer
  if (tool === undefined) return { role: "assistant", content: reply.refusal === undefined ? "" : null, refusal: null }
  const call = { index: 0, id: callId(answer, index), type: "function", function: { name: tool, arguments: "" } }
  return { role: "assistant", content: null, tool_calls: [call], refusal: null }
}

const pieceDelta = ({ reply, tool }: Answer, piece: string): Json => {
  if (tool !== undefined) return { tool_calls: [{ index: 0, function: { arguments: piece } }] }
  return reply.refusal === undefined ? { content: piece } : { refusal: piece }
}
