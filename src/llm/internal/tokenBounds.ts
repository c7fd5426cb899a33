/** How many tokens a request may come to, before anybody has counted them. */
import { memoize } from "effect/Function"
import * as Predicate from "effect/Predicate"
import type { LlmRequest, Message, OutputFormat, UserPart } from "../LlmRequest.ts"

/** What a picture may come to. */
const fileTokens = 16_384

/** What a server puts around a message, and around the whole. */
const messageTokens = 16
const requestTokens = 64

const encoder = new TextEncoder()

interface Scale {
  readonly text: (text: string) => number
  readonly perMessage: number
  readonly output: (output: OutputFormat) => number
}

const makeScale = (text: (text: string) => number, perMessage: number): Scale => ({
  text,
  perMessage,
  // Every request of an extraction has the same.
  output: memoize(({ description, jsonSchema, name }: OutputFormat) =>
    text(name) + text(description ?? "") + text(JSON.stringify(jsonSchema))
  )
})

const typicalScale = makeScale((text) => Math.ceil(text.length / 4), 4)

const mostScale = makeScale((text) => encoder.encode(text).length, messageTokens)

/** What English text comes to; other languages come to more. */
export const typical = (request: LlmRequest): number => count(request, typicalScale)

/** What an instance of the schema comes to, with texts of a few words and lists of three. */
export const typicalAnswer: (output: OutputFormat) => number = memoize(({ jsonSchema }: OutputFormat) => {
  const definitions = jsonSchema["$defs"]
  // What is defined once counts once, and in itself, where it recurs, next to nothing.
  const defined = new Map<string, number>()

  const reference = (name: string): number => {
    const known = defined.get(name)
    if (known !== undefined) return known
    defined.set(name, 1)
    const tokens = instance(Predicate.isObject(definitions) ? definitions[name] : undefined)
    defined.set(name, tokens)
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

  return instance(jsonSchema)
})

/** No tokenizer makes more tokens of a text than it has bytes. */
export const most = (request: LlmRequest): number => count(request, mostScale) + requestTokens

const count = ({ messages, output }: LlmRequest, scale: Scale): number =>
  messages.reduce((sum, message) => sum + scale.perMessage + messageSize(message, scale), scale.output(output))

const messageSize = (message: Message, { text }: Scale): number => {
  switch (message.role) {
    case "system":
    case "tool":
      return text(message.content)
    case "user":
      return typeof message.content === "string"
        ? text(message.content)
        : message.content.reduce((sum, part) => sum + partSize(part, text), 0)
    case "assistant":
      return (message.toolCalls ?? []).reduce(
        (sum, call) => sum + text(call.id) + text(call.name) + text(call.arguments),
        text(message.content)
      )
  }
}

// A small file may hold a large picture.
const partSize = (part: UserPart, text: Scale["text"]): number =>
  part.type === "text" ? text(part.text) : fileTokens + (part.url.startsWith("data:") ? text(part.url) : 0)
