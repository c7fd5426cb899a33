/** Ordinary JSON Schema, for servers that compile any schema into a grammar: vLLM, Ollama, llama.cpp. */
import * as Result from "effect/Result"
import type { Dialect } from "../Dialect.ts"
import { withDefinitions } from "../internal/jsonSchema.ts"

export const plain: Dialect = {
  name: "plain",
  accept: (document) => Result.succeed({ jsonSchema: withDefinitions(document), strict: false })
}
