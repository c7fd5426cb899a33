import OpenAI from "openai"
import { body, Person } from "./shared.mjs"

export default (baseURL, fetch) => {
  const client = new OpenAI({ apiKey: "none", baseURL, maxRetries: 0, ...(fetch && { fetch }) })
  return async (text) => {
    const { choices } = await client.chat.completions.create(body(text))
    return Person.parse(JSON.parse(choices[0].message.content))
  }
}
