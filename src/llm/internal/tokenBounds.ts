/** How many tokens a request may come to, before anybody has counted them. */
import { memoize } from "effect/Function"
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
