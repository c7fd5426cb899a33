/**
 * What a request will be counted for. Before anything is known it is a guess from the characters, and from then on the
 * usage of the answers says what the guess was worth: their prompts' tokens are close to a straight line over it, whose
 * height holds what every request of an extraction has in common, its schema for one.
 */
import type { LlmRequest, Message, OutputFormat } from "../../../llm/LlmRequest.ts"
import type { Usage } from "../../../llm/Usage.ts"

export type CountTokens = (text: string) => number

/** About as OpenAI frames messages. */
const perRequest = 3
const perMessage = 4
/** An image or a page, about. */
const perFile = 800
/** Answers whose guess and usage are remembered. */
const memory = 50
const samplesToTrust = 5

/** Four characters a token, and fewer where the text is not Latin: as many as a look at some of its characters says. */
export const guessTokens: CountTokens = (text) => {
  const { length } = text
  if (length === 0) return 0
  const step = Math.max(1, Math.floor(length / 32))
  let looked = 0
  let wide = 0
  for (let i = 0; i < length; i += step) {
    looked++
    // Latin with its accents ends here; what comes after it is Greek, Cyrillic and all the others.
    if (text.charCodeAt(i) >= 0x370) wide++
  }
  const share = wide / looked
  return Math.ceil(length * ((1 - share) / 4 + share * 0.6))
}

const messageTokens = (message: Message, count: CountTokens): number => {
  const { content } = message
  if (typeof content === "string") {
    return message.role === "assistant" && message.toolCalls !== undefined
      ? message.toolCalls.reduce((sum, call) => sum + count(call.arguments), count(content))
      : count(content)
  }
  return content.reduce((sum, part) => sum + (part.type === "text" ? count(part.text) : perFile), 0)
}

export const guessPrompt = ({ messages }: LlmRequest, count: CountTokens): number =>
  messages.reduce((sum, message) => sum + perMessage + messageTokens(message, count), perRequest)

/** What was learned of one extraction's requests. */
interface Learned {
  samples: number
  x: number
  y: number
  xx: number
  xy: number
  /** Tokens of its answers. */
  output: number
  readonly outputs: Array<number>
}

export interface TokenEstimator {
  /** Tokens the server will count for a prompt that was guessed at so many. */
  readonly prompt: (request: LlmRequest, guess: number) => number
  /** Tokens it will count for the answer. */
  readonly answer: (request: LlmRequest) => number
  readonly learn: (request: LlmRequest, guess: number, usage: Usage) => void
  /** The most tokens answers need, once enough of them are known. */
  readonly mostOutput: (request: LlmRequest) => number | undefined
}

/** What an answer of no stated length counts for at first. */
const unboundedAnswer = 16
/** The answers that say how long an answer may be, and how many it takes to go by them. */
const outputsKept = 200
const outputsToTrust = 30

export const make = (): TokenEstimator => {
  // All requests of an extraction share the one value, and what is known about it goes when it goes.
  const byFormat = new WeakMap<OutputFormat, Learned>()

  return {
    prompt: ({ output }, guess) => {
      const learned = byFormat.get(output)
      if (learned === undefined || learned.samples < samplesToTrust) return guess
      const { x, xx, xy, y } = learned
      if (x === 0) return guess
      const variance = xx - x * x
      if (variance < 1 || variance < 1e-4 * x * x) return Math.max(1, guess * y / x)
      const slope = Math.min(4, Math.max(0.1, (xy - x * y) / variance))
      return Math.max(1, y + slope * (guess - x))
    },
    answer: ({ output, parameters: { maxTokens } }) =>
      maxTokens ?? Math.max(unboundedAnswer, byFormat.get(output)?.output ?? 0),
    learn: ({ output }, guess, { inputTokens, outputTokens, unreported }) => {
      if (unreported > 0) return
      let learned = byFormat.get(output)
      if (learned === undefined) {
        learned = { samples: 0, x: 0, y: 0, xx: 0, xy: 0, output: 0, outputs: [] }
        byFormat.set(output, learned)
      }
      const weight = 1 / Math.min(++learned.samples, memory)
      learned.output += weight * (outputTokens - learned.output)
      learned.outputs[(learned.samples - 1) % outputsKept] = outputTokens
      // Servers that do not count prompts say 0.
      if (inputTokens === 0) return
      learned.x += weight * (guess - learned.x)
      learned.y += weight * (inputTokens - learned.y)
      learned.xx += weight * (guess * guess - learned.xx)
      learned.xy += weight * (guess * inputTokens - learned.xy)
    },
    mostOutput: ({ output }) => {
      const learned = byFormat.get(output)
      return learned === undefined || learned.samples < outputsToTrust ? undefined : Math.max(...learned.outputs)
    }
  }
}
