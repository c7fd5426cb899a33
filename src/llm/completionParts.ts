/** A completion as the parts of a stream, with its text in one piece. */
import type { Completion, CompletionPart } from "./Completion.ts"

export const completionParts = (completion: Completion): ReadonlyArray<CompletionPart> => [
  ...(completion.text === "" ? [] : [{ _tag: "TextDelta", delta: completion.text } as const]),
  ...completion.toolCalls.map((call, index) => ({
    _tag: "ToolArgumentsDelta" as const,
    index,
    delta: call.arguments
  })),
  { _tag: "Finish", completion }
]
