/** A schema, a value of it, and a request for one, for tests of providers. */
import { Schema } from "effect"
import { Llm, type LlmRequest } from "effect-instructor"

export const Person = Schema.Struct({ name: Schema.String, age: Schema.Int })

export const person = { name: "Ada", age: 36 }

export const format: LlmRequest.JsonFormat = {
  mode: "json_schema",
  name: "Person",
  jsonSchema: {
    type: "object",
    properties: { name: { type: "string" } },
    required: ["name"],
    additionalProperties: false
  },
  strict: true
}

export const request: LlmRequest.LlmRequest = {
  model: "test-model",
  messages: [{ role: "user", content: "I am Ada" }],
  output: format,
  parameters: {}
}

export const complete = Llm.Llm.use((llm) => llm.complete(request))
