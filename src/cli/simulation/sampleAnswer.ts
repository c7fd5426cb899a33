/** Answers of a simulator that knows only the requested schema: made up, and the same for the same text. */
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Reply from "../../testing/Reply.ts"
import type * as OpenAiSimulator from "../../testing/simulators/OpenAiSimulator.ts"
import * as SampleValue from "./sampleValue.ts"

/** `fallback` is the schema of requests that carry none. */
export const make = (request: OpenAiSimulator.SimulatedRequest, fallback: unknown): Reply.Input => {
  const { body, mode, text } = request
  const schema = request.schema ?? schemaInProse(firstContent(body)) ?? fallback
  if (Predicate.isObject(schema)) return Reply.json(SampleValue.make(schema, text))
  const prose = `You said: ${text}`
  // OpenAI answers a request for a JSON object with one, even without a schema.
  return mode === "json" || mode === "tools" ? Reply.json({ answer: prose }) : Reply.text(prose)
}

/** The system message, wherever the API has it. */
const firstContent = ({ messages, system, systemInstruction }: OpenAiSimulator.SimulatedRequest["body"]): unknown => {
  const first: unknown = Array.isArray(messages) ? messages[0] : undefined
  if (Predicate.isString(system)) return system
  const parts = Predicate.isObject(systemInstruction) ? systemInstruction["parts"] : undefined
  if (Array.isArray(parts) && Predicate.isObject(parts[0])) return parts[0]["text"]
  return Predicate.isObject(first) ? first["content"] : undefined
}

/** The last JSON object in a prompt, which is how a mode without a response format shows its schema. */
const schemaInProse = (prose: unknown): unknown => {
  if (!Predicate.isString(prose)) return undefined
  const end = prose.lastIndexOf("}") + 1
  for (let start = prose.indexOf("{"); start !== -1 && start < end; start = prose.indexOf("{", start + 1)) {
    const parsed = Result.try((): unknown => JSON.parse(prose.slice(start, end)))
    if (Result.isSuccess(parsed)) return parsed.success
  }
  return undefined
}
