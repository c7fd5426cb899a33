/** Responses and events as OpenAI's server writes them. */
import { object, split } from "./json.ts"
import type { Answer, Json } from "./wire.ts"

const usage = ({ usage: { cached, completion, prompt, reasoning } }: Answer): Json => ({
  input_tokens: prompt,
  input_tokens_details: { cached_tokens: cached, cache_write_tokens: 0 },
  output_tokens: completion,
  output_tokens_details: { reasoning_tokens: reasoning },
  total_tokens: prompt + completion
})

const statusOf = ({ reply: { finishReason } }: Answer): "completed" | "incomplete" =>
  finishReason === "length" || finishReason === "content-filter" ? "incomplete" : "completed"

const reasonOf = ({ reply: { finishReason } }: Answer): Json =>
  finishReason === "length"
    ? { reason: "max_output_tokens" }
    : finishReason === "content-filter"
    ? { reason: "content_filter" }
    : null

const reasoning = ({ id }: Answer) => ({
  id: `rs_${id}`,
  type: "reasoning",
  summary: [],
  encrypted_content: `encrypted_${id}`
})

const partOf = ({ reply }: Answer, text: string) =>
  reply.refusal === undefined
    ? { type: "output_text", text, annotations: [], logprobs: [] }
    : { type: "refusal", refusal: text }

const callOf = (answer: Answer, status: string, args: string) => ({
  id: `fc_${answer.id}`,
  type: "function_call",
  status,
  call_id: `call_${answer.id}`,
  name: answer.tool!,
  arguments: args
})

const messageOf = ({ id }: Answer, status: string, content: ReadonlyArray<Json>) => ({
  id: `msg_${id}`,
  type: "message",
  status,
  role: "assistant",
  content: [...content]
})

const saidBy = ({ reply }: Answer): string => reply.refusal ?? reply.text

const lastItem = (answer: Answer): Json =>
  answer.tool !== undefined
    ? callOf(answer, statusOf(answer), answer.reply.text)
    : messageOf(answer, statusOf(answer), [partOf(answer, saidBy(answer))])

const thinks = (answer: Answer): boolean => answer.thinks === true

const outputOf = (answer: Answer): ReadonlyArray<Json> => [
  ...(thinks(answer) ? [reasoning(answer)] : []),
  ...(saidBy(answer) === "" && answer.tool === undefined ? [] : [lastItem(answer)])
]

const response = (answer: Answer, status: string, output: ReadonlyArray<Json>) => ({
  id: answer.id,
  object: "response",
  created_at: answer.created,
  status,
  error: null,
  incomplete_details: status === "incomplete" ? reasonOf(answer) : null,
  model: answer.model,
  output: [...output],
  parallel_tool_calls: false,
  store: false,
  service_tier: "default",
  text: { format: { type: "text" } },
  tools: [],
  tool_choice: "auto",
  usage: status === "in_progress" ? null : usage(answer)
})

export const toResponse = (answer: Answer): Json => response(answer, statusOf(answer), outputOf(answer))

/** The events of a streamed response. */
export const toEvents = (answer: Answer, { chunkSize }: { readonly chunkSize: number }): ReadonlyArray<string> => {
  const events: Array<Json> = []
  const push = (type: string, fields: Json): void => {
    events.push({ type, sequence_number: events.length, ...object(fields) as { readonly [key: string]: Json } })
  }
  push("response.created", { response: response(answer, "in_progress", []) })
  push("response.in_progress", { response: response(answer, "in_progress", []) })
  if (thinks(answer)) {
    const { encrypted_content, ...begun } = reasoning(answer)
    push("response.output_item.added", { output_index: 0, item: { ...begun, encrypted_content: "" } })
    push("response.output_item.done", { output_index: 0, item: { ...begun, encrypted_content } })
  }
  const output_index = thinks(answer) ? 1 : 0
  if (answer.tool !== undefined) {
    const at = { output_index, item_id: `fc_${answer.id}` }
    push("response.output_item.added", { output_index, item: callOf(answer, "in_progress", "") })
    for (const delta of split(answer.reply.text, chunkSize)) {
      push("response.function_call_arguments.delta", { ...at, delta })
    }
    push("response.function_call_arguments.done", { ...at, name: answer.tool, arguments: answer.reply.text })
    push("response.output_item.done", { output_index, item: lastItem(answer) })
  } else if (saidBy(answer) !== "") {
    const kind = answer.reply.refusal === undefined ? "output_text" : "refusal"
    const at = { output_index, content_index: 0, item_id: `msg_${answer.id}` }
    const logprobs = kind === "output_text" ? { logprobs: [] } : {}
    const whole = kind === "output_text" ? { text: saidBy(answer), ...logprobs } : { refusal: saidBy(answer) }
    push("response.output_item.added", { output_index, item: messageOf(answer, "in_progress", []) })
    push("response.content_part.added", { ...at, part: partOf(answer, "") })
    for (const delta of split(saidBy(answer), chunkSize)) push(`response.${kind}.delta`, { ...at, delta, ...logprobs })
    push(`response.${kind}.done`, { ...at, ...whole })
    push("response.content_part.done", { ...at, part: partOf(answer, saidBy(answer)) })
    push("response.output_item.done", { output_index, item: lastItem(answer) })
  }
  push(`response.${statusOf(answer)}`, { response: toResponse(answer) })
  return events.map((event) => `event: ${String(object(event)!["type"])}\ndata: ${JSON.stringify(event)}\n\n`)
}
