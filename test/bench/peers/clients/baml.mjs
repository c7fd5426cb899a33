import { ClientRegistry } from "@boundaryml/baml"
import { b } from "../baml_client/index.mjs"
import { model } from "./shared.mjs"

export default (baseURL) => {
  const clientRegistry = new ClientRegistry()
  clientRegistry.addLlmClient("Bench", "openai", { model, base_url: baseURL, api_key: "none" })
  clientRegistry.setPrimary("Bench")
  return (text) => b.ExtractPerson(text, { clientRegistry })
}
