/**
 * The subset of JSON Schema that OpenAI's strict structured output accepts, with its limits.
 *
 * Rules and limits: OpenAI's guide to structured outputs, as of 2026-02.
 */
import * as Result from "effect/Result"
import type { Dialect, SchemaDocument, Unsupported } from "../Dialect.ts"
import { withDefinitions } from "../internal/jsonSchema.ts"
import * as StrictForm from "../internal/strictForm.ts"

const limits = { properties: 5000, depth: 10, characters: 120_000, enumValues: 1000 } as const

const formats = new Set([
  "date-time",
  "time",
  "date",
  "duration",
  "email",
  "hostname",
  "ipv4",
  "ipv6",
  "uuid"
])

// The grammar engines of strict output do not support look-around, back references and named groups.
const unsupportedPattern = /\(\?[=!<]|\\[1-9]|\\k</

const rules: StrictForm.Rules = {
  maxDepth: limits.depth,
  hasFormat: (format) => formats.has(format),
  hasPattern: (pattern) => !unsupportedPattern.test(pattern),
  hasBounds: true,
  optional: () => "nullable"
}

export const openAi: Dialect = {
  name: "openai",
  accept: (document) =>
    Result.flatMap(StrictForm.make(document, rules), ({ size, ...strict }) => {
      const excess = excessOf(size)
      return excess === undefined
        ? Result.succeed({ jsonSchema: withDefinitions(strict as SchemaDocument), strict: true })
        : Result.fail({ path: "$", description: excess } satisfies Unsupported)
    })
}

const excessOf = ({ characters, enumValues, properties }: StrictForm.Size): string | undefined => {
  if (properties > limits.properties) return `it has more than ${limits.properties} properties`
  if (enumValues > limits.enumValues) return `it lists more than ${limits.enumValues} literal values`
  if (characters > limits.characters) {
    return `its names and literal values have more than ${limits.characters} characters`
  }
  return undefined
}
