/** Sample answers for a simulator: values that fit the schema of the request, the same ones for the same text. */
import * as Predicate from "effect/Predicate"
import type * as Schema from "effect/Schema"
import * as JsonText from "../../answer/JsonText.ts"
import * as Reply from "../../testing/Reply.ts"
import type { SimulatedRequest } from "../../testing/simulators/OpenAiSimulator.ts"
import * as SampleValue from "./sampleValue.ts"

/** `fallback` is the schema for requests without one. */
export const make = (request: SimulatedRequest, fallback: unknown): Reply.Input => {
  const { body, mode, text } = request
  const schema = request.schema ?? schemaInProse(firstContent(body)) ?? fallback
  if (Predicate.isObject(schema)) return Reply.json(SampleValue.make(schema, text))
  const prose = `You said: ${text}`
  // OpenAI answers a request for a JSON object with one, even without a schema.
  return mode === "json" || mode === "tools" ? Reply.json({ answer: prose }) : Reply.text(prose)
}

const firstContent = ({ messages }: SimulatedRequest["body"]): unknown => {
  const first: unknown = Array.isArray(messages) ? messages[0] : undefined
  return Predicate.isObject(first) ? first["content"] : undefined
}

const schemaInProse = (prose: unknown): Schema.Json | undefined => {
  if (!Predicate.isString(prose)) return undefined
  for (const json of JsonText.candidates(prose)) if (Predicate.isObject(json)) return json
  return undefined
}
