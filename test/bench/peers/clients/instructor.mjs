import Instructor from "@instructor-ai/instructor"
import OpenAI from "openai"
// Version 1.7 asks for nothing when it is given a schema of Zod 4.
import { z } from "zod/v3"
import { messages, model } from "./shared.mjs"

const Person = z.object({ name: z.string(), age: z.number().int() })

export default (baseURL) => {
  const client = Instructor({ client: new OpenAI({ apiKey: "none", baseURL, maxRetries: 0 }), mode: "TOOLS" })
  return (text) =>
    client.chat.completions.create({
      model,
      messages: messages(text),
      response_model: { schema: Person, name: "Person" }
    })
}
