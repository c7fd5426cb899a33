import { Agent, request } from "undici"
import { body, Person } from "./shared.mjs"

export default (baseURL) => {
  const dispatcher = new Agent({ allowH2: false })
  return async (text) => {
    const answer = await request(`${baseURL}/chat/completions`, {
      dispatcher,
      method: "POST",
      headers: { "content-type": "application/json", authorization: "Bearer none" },
      body: JSON.stringify(body(text))
    })
    const { choices } = await answer.body.json()
    return Person.parse(JSON.parse(choices[0].message.content))
  }
}
