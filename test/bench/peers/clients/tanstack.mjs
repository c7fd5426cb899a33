import { chat } from "@tanstack/ai"
import { createOpenaiChatCompletions } from "@tanstack/ai-openai"
import { instructions, model, Person } from "./shared.mjs"

export default (baseURL) => {
  const adapter = createOpenaiChatCompletions(model, "none", { baseURL, maxRetries: 0 })
  return (text) =>
    chat({
      adapter,
      systemPrompts: [instructions],
      messages: [{ role: "user", content: text }],
      outputSchema: Person
    })
}
