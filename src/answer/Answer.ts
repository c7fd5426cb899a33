/** The kind of answer that a completion is, before anything is decoded. */
import type { Completion } from "../llm/Completion.ts"
import type { JsonFormat } from "../llm/LlmRequest.ts"

export type Answer =
  | { readonly _tag: "Complete"; readonly text: string }
  /** Cut off at the token limit. */
  | { readonly _tag: "Truncated"; readonly text: string }
  /** Declined by the model. The text is its own words. */
  | { readonly _tag: "Refused"; readonly text: string }
  /** Stopped by the provider's content filter. */
  | { readonly _tag: "Filtered"; readonly text: string }

/** Reads a completion as the answer to a request with this output format. */
export const read = (completion: Completion, output: JsonFormat): Answer => {
  const text = answerText(completion, output)
  if (completion.refusal !== undefined) return { _tag: "Refused", text: completion.refusal }
  switch (completion.finishReason) {
    case "content-filter":
      return { _tag: "Filtered", text }
    case "length":
      return { _tag: "Truncated", text }
    default:
      return { _tag: "Complete", text }
  }
}

/** The arguments of the forced tool call, or the text. A model may confuse the two. */
const answerText = (completion: Completion, output: JsonFormat): string => {
  if (output.mode !== "tools" && completion.text !== "") return completion.text
  const call = completion.toolCalls.find(({ name }) => name === output.name) ?? completion.toolCalls[0]
  return call?.arguments ?? completion.text
}
