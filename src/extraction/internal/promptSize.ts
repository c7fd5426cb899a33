/** Whether a server has read the whole prompt. */
import type { Completion } from "../../llm/Completion.ts"
import type { LlmRequest } from "../../llm/LlmRequest.ts"
import * as TokenCount from "../../llm/TokenCount.ts"
import { PromptTruncated } from "../ExtractionError.ts"

/** Estimates are right within a factor of two, so that a quarter cannot be the whole. Short prompts are never cut. */
const least = 0.25
const shortest = 500

/** Tokenizers join spaces and repeated characters. */
const dense = (text: string): string => text.replace(/\s+/g, " ").replace(/([^\p{L}\p{N}])\1+/gu, "$1")

const textsOf = ({ messages }: LlmRequest): ReadonlyArray<string> =>
  messages.flatMap(({ content }) =>
    typeof content === "string" ? [content] : content.flatMap((part) => part.type === "text" ? [part.text] : [])
  )

/** The reason to reject an answer to a prompt that was cut off in silence. */
export const cut = (request: LlmRequest, { usage }: Completion): PromptTruncated | undefined => {
  const inputTokens = usage.inputTokens + usage.cachedInputTokens + usage.cacheWriteTokens
  if (inputTokens === 0 || usage.unreported > 0) return undefined
  const texts = textsOf(request)
  // Most prompts need no closer look.
  if (texts.reduce((sum, { length }) => sum + length, 0) * least <= inputTokens) return undefined
  const expected = texts.reduce((sum, text) => sum + TokenCount.guessText(dense(text)), 0)
  return expected >= shortest && inputTokens < least * expected
    ? new PromptTruncated({ inputTokens, expected })
    : undefined
}
