import { ChatOpenAI } from "@langchain/openai"
import { messages, model, Person } from "./shared.mjs"

export default (baseURL) => {
  const chat = new ChatOpenAI({ model, apiKey: "none", maxRetries: 0, configuration: { baseURL } })
    .withStructuredOutput(Person, { method: "jsonSchema", strict: true, name: "Person" })
  return (text) => chat.invoke(messages(text))
}
