/**
 * Estimates of the tokens of a request, before a provider has counted them: with the Tokenizer of the context, or from
 * the number of characters.
 */
import * as Tokenizer from "effect/ai/Tokenizer"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { memoize } from "effect/Function"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type { LlmRequest, Message, OutputFormat, UserPart } from "./LlmRequest.ts"

export type CountText = (text: string) => number

/** The tokens that OpenAI adds for each message and for each request. */
const perMessage = 4
const perRequest = 3

/** The tokens of a typical image or page, and of the largest. */
const typicalFile = 800
const maximumFile = 16_384

/** The most tokens that a server adds for each message and for each request. */
const maximumPerMessage = 16
const maximumPerRequest = 64

/** One token for four Latin characters, and more tokens for other scripts, by a sample of the characters. */
export const guessText: CountText = (text) => {
  const { length } = text
  if (length === 0) return 0
  const step = Math.max(1, Math.floor(length / 32))
  let sampled = 0
  let wide = 0
  for (let i = 0; i < length; i += step) {
    sampled++
    // Latin letters end here. Greek, Cyrillic and the other scripts follow.
    if (text.charCodeAt(i) >= 0x370) wide++
  }
  const share = wide / sampled
  return Math.ceil(length * ((1 - share) / 4 + share * 0.6))
}

/** Counts with the `effect/ai` Tokenizer of the context, if there is one and it answers synchronously. Otherwise guesses. */
export const fromContext: Effect.Effect<CountText> = Effect.map(
  Effect.serviceOption(Tokenizer.Tokenizer),
  Option.match({
    onNone: () => guessText,
    onSome: ({ tokenize }) => (text) => {
      const exit = Effect.runSyncExit(tokenize(text))
      return Exit.isSuccess(exit) ? exit.value.length : guessText(text)
    }
  })
)

interface Scale {
  readonly text: CountText
  readonly perMessage: number
  readonly perFile: number
}

/** The tokens of a prompt with its schema. */
export const prompt = (request: LlmRequest, text: CountText): number =>
  sum(request, { text, perMessage, perFile: typicalFile }) + schemaSize(text)(request.output) + perRequest

const encoder = new TextEncoder()

/** A text has at most as many tokens as bytes. */
const bytes: CountText = (text) => encoder.encode(text).length

/** The most tokens that a prompt with its schema can have. */
export const maximumPrompt = (request: LlmRequest): number =>
  sum(request, { text: bytes, perMessage: maximumPerMessage, perFile: maximumFile }) +
  schemaSize(bytes)(request.output) + maximumPerRequest

// All requests of an extraction share one output format, whose schema may be long.
const schemaSize = memoize((text: CountText) =>
  memoize((output: OutputFormat): number =>
    output.mode === "text"
      ? 0
      : text(output.name) + text(output.description ?? "") + text(JSON.stringify(output.jsonSchema))
  )
)

const sum = ({ messages }: LlmRequest, scale: Scale): number =>
  messages.reduce((sum, message) => sum + scale.perMessage + messageSize(message, scale), 0)

const messageSize = (message: Message, scale: Scale): number => {
  const { text } = scale
  switch (message.role) {
    case "system":
    case "tool":
      return text(message.content)
    case "user":
      return typeof message.content === "string"
        ? text(message.content)
        : message.content.reduce((sum, part) => sum + partSize(part, scale), 0)
    case "assistant":
      return (message.toolCalls ?? []).reduce(
        (sum, call) => sum + text(call.id) + text(call.name) + text(call.arguments),
        text(message.content)
      )
  }
}

// A small file may contain a large picture, and a provider may count the text of a data URL.
const partSize = (part: UserPart, { perFile, text }: Scale): number => {
  if (part.type === "text") return text(part.text)
  return perFile === maximumFile && part.url.startsWith("data:") ? perFile + text(part.url) : perFile
}

/** The tokens of a typical answer to a schema: texts have a few words, and lists three elements. */
export const typicalAnswer: (output: OutputFormat) => number = memoize((output: OutputFormat) => {
  if (output.mode === "text") return 256
  const definitions = output.jsonSchema["$defs"]
  // A definition that refers to itself counts as one token there.
  const sizes = new Map<string, number>()

  const reference = (name: string): number => {
    const known = sizes.get(name)
    if (known !== undefined) return known
    sizes.set(name, 1)
    const tokens = instance(Predicate.isObject(definitions) ? definitions[name] : undefined)
    sizes.set(name, tokens)
    return tokens
  }

  const instance = (schema: unknown): number => {
    if (!Predicate.isObject(schema)) return 1
    const { $ref, anyOf, items, oneOf, prefixItems, properties, type } = schema
    if (schema["const"] !== undefined || Array.isArray(schema["enum"])) return 3
    if (Predicate.isString($ref)) return reference($ref.replace(/^.*\//, ""))
    const alternatives = anyOf ?? oneOf
    if (Array.isArray(alternatives)) return Math.max(1, ...alternatives.map(instance))
    if (Predicate.isObject(properties)) {
      return Object.entries(properties).reduce(
        (sum, [name, property]) => sum + Math.ceil(name.length / 4) + 3 + instance(property),
        2
      )
    }
    if (Array.isArray(prefixItems)) return prefixItems.reduce((sum: number, item) => sum + 1 + instance(item), 2)
    if (items !== undefined) return 2 + 3 * (1 + instance(items))
    return type === "string" ? 8 : type === "number" || type === "integer" ? 3 : 2
  }

  return instance(output.jsonSchema)
})
