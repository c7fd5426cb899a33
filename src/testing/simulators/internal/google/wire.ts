/** Responses and errors of `generateContent` as Google's server writes them. */
import type * as Response from "effect/ai/Response"
import * as Fault from "../../../Fault.ts"
import { object, parse, split } from "../json.ts"
import type { Answer, Json } from "../wire.ts"

const statuses: Readonly<Record<number, string>> = {
  400: "INVALID_ARGUMENT",
  401: "UNAUTHENTICATED",
  402: "FAILED_PRECONDITION",
  403: "PERMISSION_DENIED",
  404: "NOT_FOUND",
  429: "RESOURCE_EXHAUSTED",
  500: "INTERNAL",
  503: "UNAVAILABLE",
  504: "DEADLINE_EXCEEDED"
}

export const error = (
  code: number,
  message: string,
  options?: { readonly headers?: Readonly<Record<string, string>>; readonly details?: ReadonlyArray<Json> }
): Fault.Respond =>
  Fault.respond({
    status: code,
    headers: options?.headers,
    body: JSON.stringify({
      error: {
        code,
        message,
        status: statuses[code] ?? "UNKNOWN",
        ...(options?.details !== undefined && options.details.length > 0 && { details: options.details })
      }
    })
  })

export const retryInfo = (millis: number): Json => ({
  "@type": "type.googleapis.com/google.rpc.RetryInfo",
  retryDelay: `${millis / 1000}s`
})

export const quotaFailure = (quotaId: string, quotaValue: number): Json => ({
  "@type": "type.googleapis.com/google.rpc.QuotaFailure",
  violations: [{
    quotaMetric: "generativelanguage.googleapis.com/generate_content_requests",
    quotaId,
    quotaDimensions: { location: "global" },
    quotaValue: String(quotaValue)
  }]
})

const finishReasons: Readonly<Record<Response.FinishReason, string>> = {
  stop: "STOP",
  length: "MAX_TOKENS",
  "content-filter": "SAFETY",
  "tool-calls": "STOP",
  error: "OTHER",
  pause: "OTHER",
  other: "OTHER",
  unknown: "FINISH_REASON_UNSPECIFIED"
}

/** `candidatesTokenCount` does not contain the thoughts. */
const usage = ({ usage: { cached, completion, prompt, reasoning } }: Answer): Json => ({
  promptTokenCount: prompt,
  candidatesTokenCount: completion - reasoning,
  totalTokenCount: prompt + completion,
  ...(cached > 0 && { cachedContentTokenCount: cached }),
  ...(reasoning > 0 && { thoughtsTokenCount: reasoning }),
  promptTokensDetails: [{ modality: "TEXT", tokenCount: prompt }]
})

const response = (answer: Answer, candidate: Json | undefined): Json => ({
  ...(candidate !== undefined && { candidates: [candidate] }),
  usageMetadata: usage(answer),
  modelVersion: answer.model,
  responseId: answer.id
})

const candidate = (parts: ReadonlyArray<Json>, finishReason?: string): Json => ({
  content: { parts: [...parts], role: "model" },
  ...(finishReason !== undefined && { finishReason }),
  index: 0
})

const signature = ({ id }: Answer): string => `signature${id}`

/** The call of the tool, or `undefined` where the model wrote no arguments for one. */
const callOf = (answer: Answer): Json | undefined => {
  const args = answer.tool === undefined ? undefined : object(parse(answer.reply.text)) as Json | undefined
  return args === undefined
    ? undefined
    : { functionCall: { name: answer.tool!, args }, thoughtSignature: signature(answer) }
}

const blocked = (answer: Answer): Json => ({
  promptFeedback: { blockReason: "PROHIBITED_CONTENT", blockReasonMessage: answer.reply.refusal! },
  usageMetadata: usage(answer),
  modelVersion: answer.model,
  responseId: answer.id
})

const malformed = (answer: Answer): Json => ({
  ...object(candidate([])),
  finishReason: "MALFORMED_FUNCTION_CALL",
  finishMessage: `Malformed function call: ${answer.reply.text}`
})

export const toResponse = (answer: Answer): Json => {
  const { reply, tool } = answer
  if (reply.refusal !== undefined) return blocked(answer)
  const call = callOf(answer)
  if (tool !== undefined && call === undefined && reply.finishReason === "stop") {
    return response(answer, malformed(answer))
  }
  const thought = answer.usage.reasoning > 0 && answer.thinks === true
    ? [{ text: "The answer is simple.", thought: true }]
    : []
  const parts = call !== undefined ? [call] : reply.text === "" || tool !== undefined ? [] : [{ text: reply.text }]
  return response(answer, candidate([...thought, ...parts], finishReasons[reply.finishReason]))
}

/** The events of a streamed response. A call arrives whole. */
export const toEvents = (
  answer: Answer,
  { chunkSize }: { readonly chunkSize: number }
): ReadonlyArray<string> => {
  const { reply, tool } = answer
  const isWhole = reply.refusal !== undefined || tool !== undefined
  const pieces = isWhole ? [] : split(reply.text, chunkSize)
  const last = pieces.at(-1)
  const events = isWhole
    ? [toResponse(answer)]
    : [
      ...pieces.slice(0, -1).map((text) => response(answer, candidate([{ text }]))),
      response(answer, candidate(last === undefined ? [] : [{ text: last }], finishReasons[reply.finishReason]))
    ]
  return events.map((event) => `data: ${JSON.stringify(event)}\r\n\r\n`)
}
