/** Completions in tests. */
import { type Completion, Usage } from "effect-instructor"

export const completion = (options: Partial<Completion.Completion>): Completion.Completion => ({
  id: "1",
  model: "small",
  text: "",
  toolCalls: [],
  finishReason: "stop",
  usage: Usage.zero,
  ...options
})
