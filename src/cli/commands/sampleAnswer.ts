/** Answers for a simulator that knows nothing but the schema asked for: made up, the same for the same text. */
import * as Predicate from "effect/Predicate"
import type * as Schema from "effect/Schema"
import * as JsonText from "../../answer/JsonText.ts"
import type { SimulatedRequest } from "../../testing/simulators/OpenAiSimulator.ts"
import * as Reply from "../../testing/Reply.ts"
import * as SampleValue from "./sampleValue.ts"

/** `fallback` is for requests that carry no schema. */
export const make = (request: SimulatedRequest, fallback: unknown): Reply.Input => {
  const schema = schemaOf(request) ?? fallback
  return Predicate.isObject(schema)
    ? Reply.json(SampleValue.make(schema, request.text))
    : Reply.text(`You said: ${request.text}`)
}

const schemaOf = ({ body, mode }: SimulatedRequest): unknown => {
  switch (mode) {
    case "json_schema":
      return at(body, "response_format", "json_schema", "schema")
    case "tools":
      return at(body, "tools", 0, "function", "parameters")
    case "json":
    case "markdown":
      return schemaInProse(at(body, "messages", 0, "content"))
  }
}

const at = (value: unknown, ...path: ReadonlyArray<string | number>): unknown =>
  path.reduce(
    (inner: unknown, key) =>
      Predicate.isObjectOrArray(inner) ? (inner as Record<string | number, unknown>)[key] : undefined,
    value
  )

const schemaInProse = (prose: unknown): Schema.Json | undefined => {
  if (!Predicate.isString(prose)) return undefined
  for (const json of JsonText.candidates(prose)) if (Predicate.isObject(json)) return json
  return undefined
}
