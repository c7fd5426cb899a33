/**
 * The subset of JSON Schema that OpenAI's strict structured output accepts, with its limits. A schema that has no strict
 * form, because it accepts any value somewhere, is sent as it is with `strict: false`, and shown to the model.
 *
 * Rules and limits: OpenAI's guide to structured outputs, as of 2026-02.
 */
import type { Dialect } from "../Dialect.ts"
import type * as Limits from "../internal/limits.ts"
import * as StrictForm from "../internal/strictForm.ts"

const limits: Limits.Limits = {
  properties: 5000,
  depth: 10,
  characters: 120_000,
  enumValues: 1000,
  largeEnum: { values: 250, characters: 15_000 }
}

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

export const openAi: Dialect = {
  name: "openai",
  accept: (document) =>
    StrictForm.accept(document, {
      limits,
      hasFormat: (format) => formats.has(format),
      hasPattern: (pattern) => !unsupportedPattern.test(pattern)
    })
}
