/** Messages, events and errors as Anthropic's server writes them. */
import type * as Response from "effect/ai/Response"
import * as Fault from "../../../Fault.ts"
import { object, parse, split } from "../json.ts"
import type { Answer, Json } from "../wire.ts"

export const error = (
  status: number,
  type: string,
  message: string,
  options?: { readonly headers?: Readonly<Record<string, string>>; readonly details?: Json }
): Fault.Respond =>
  Fault.respond({
    status,
    headers: options?.headers,
    body: JSON.stringify({
      type: "error",
      error: { type, message, ...(options?.details !== undefined && { details: options.details }) },
      request_id: "req_simulated"
    })
  })

const stopReasons: Readonly<Record<Response.FinishReason, string>> = {
  stop: "end_turn",
  length: "max_tokens",
  "content-filter": "refusal",
  "tool-calls": "tool_use",
  error: "end_turn",
  pause: "pause_turn",
  other: "end_turn",
  unknown: "end_turn"
}

const stopReason = (answer: Answer, calls: boolean): string => {
  if (answer.reply.refusal !== undefined) return "refusal"
  return calls && answer.reply.finishReason === "stop" ? "tool_use" : stopReasons[answer.reply.finishReason]
}

const stopDetails = ({ reply }: Answer): Json =>
  reply.refusal === undefined ? null : { type: "refusal", category: null, explanation: reply.refusal }

/** `input_tokens` does not contain what was read from the cache. */
const usage = ({ usage: { cached, completion, prompt, reasoning } }: Answer) => ({
  input_tokens: prompt - cached,
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: cached,
  cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 },
  output_tokens: completion,
  output_tokens_details: { thinking_tokens: reasoning },
  server_tool_use: null,
  service_tier: "standard"
})

const thinkingBlock = ({ id }: Answer) => ({
  type: "thinking",
  thinking: "The answer is simple.",
  signature: `sig_${id}`
})

const thinks = (answer: Answer): boolean => answer.thinks === true || answer.usage.reasoning > 0

/** What a model that was told to call a tool wrote instead is prose. */
const inputOf = (answer: Answer): Json | undefined => {
  if (answer.tool === undefined) return undefined
  const input = object(parse(answer.reply.text)) as Json | undefined
  return input ?? (answer.reply.finishReason === "length" ? {} : undefined)
}

export const toMessage = (answer: Answer): Json => {
  const input = inputOf(answer)
  const { reply } = answer
  return {
    id: answer.id,
    type: "message",
    role: "assistant",
    model: answer.model,
    content: [
      ...(thinks(answer) ? [thinkingBlock(answer)] : []),
      ...(input !== undefined
        ? [{ type: "tool_use", id: `toolu_${answer.id}`, name: answer.tool!, input }]
        : reply.refusal !== undefined || reply.text === ""
        ? []
        : [{ type: "text", text: reply.text, citations: null }])
    ],
    stop_reason: stopReason(answer, input !== undefined),
    stop_sequence: null,
    stop_details: stopDetails(answer),
    container: null,
    usage: usage(answer)
  }
}

/** The events of a streamed message. */
export const toEvents = (
  answer: Answer,
  { chunkSize }: { readonly chunkSize: number }
): ReadonlyArray<string> => {
  const { reply, tool } = answer
  const { output_tokens, output_tokens_details, ...input } = usage(answer)
  const events: Array<Json> = [{
    type: "message_start",
    message: {
      id: answer.id,
      type: "message",
      role: "assistant",
      model: answer.model,
      content: [],
      stop_reason: null,
      stop_sequence: null,
      stop_details: null,
      container: null,
      usage: { ...input, output_tokens: 1 }
    }
  }]
  let index = 0
  const block = (content_block: Json, deltas: ReadonlyArray<Json>): void => {
    events.push({ type: "content_block_start", index, content_block })
    if (index === 0) events.push({ type: "ping" })
    for (const delta of deltas) events.push({ type: "content_block_delta", index, delta })
    events.push({ type: "content_block_stop", index })
    index++
  }
  if (thinks(answer)) {
    const { signature, thinking, type } = thinkingBlock(answer)
    block({ type, thinking: "", signature: "" }, [
      { type: "thinking_delta", thinking },
      { type: "signature_delta", signature }
    ])
  }
  if (tool !== undefined) {
    block(
      { type: "tool_use", id: `toolu_${answer.id}`, name: tool, input: {} },
      ["", ...split(reply.text, chunkSize)].map((partial_json) => ({ type: "input_json_delta", partial_json }))
    )
  } else if (reply.refusal === undefined) {
    block({ type: "text", text: "" }, split(reply.text, chunkSize).map((text) => ({ type: "text_delta", text })))
  }
  events.push(
    {
      type: "message_delta",
      delta: {
        stop_reason: stopReason(answer, tool !== undefined),
        stop_sequence: null,
        stop_details: stopDetails(answer)
      },
      usage: { output_tokens, output_tokens_details }
    },
    { type: "message_stop" }
  )
  return events.map((event) => `event: ${String(object(event)!["type"])}\ndata: ${JSON.stringify(event)}\n\n`)
}
