import { createOpenAI } from "@ai-sdk/openai"
import { generateText, Output } from "ai"
import { instructions, model, Person } from "./shared.mjs"

export default (baseURL) => {
  const chat = createOpenAI({ apiKey: "none", baseURL }).chat(model)
  const output = Output.object({ schema: Person })
  return async (text) => (await generateText({ model: chat, instructions, prompt: text, output, maxRetries: 0 })).output
}
