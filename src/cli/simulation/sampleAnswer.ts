/** Answers of a simulator that knows only the requested schema: made up, and the same for the same text. */
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Reply from "../../testing/Reply.ts"
import type * as OpenAiSimulator from "../../testing/simulators/OpenAiSimulator.ts"
import * as SampleValue from "./sampleValue.ts"

/** `fallback` is the schema of requests that carry none. */
export const make = (request: OpenAiSimulator.SimulatedRequest, fallback: unknown): Reply.Input => {
  const schema = schemaOf(request) ?? fallback
  return Predicate.isObject(schema)
    ? Reply.json(SampleValue.make(schema, request.text))
    : Reply.text(`You said: ${request.text}`)
}

const schemaOf = ({ body, mode }: OpenAiSimulator.SimulatedRequest): unknown => {
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
