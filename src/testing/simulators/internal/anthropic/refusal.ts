/** The errors that Anthropic answers with before it checks the rate limits. */
import type * as Fault from "../../../Fault.ts"
import type { ChatRequest } from "../chatRequest.ts"
import { type Node, object, objects, string } from "../json.ts"
import type { Speaker } from "../speaker.ts"
import { complain } from "./schema.ts"
import { error } from "./wire.ts"

export const refuseKey: Speaker["refuseKey"] = (headers, { apiKey }) => {
  const key = headers["x-api-key"] ?? headers["authorization"]?.replace(/^Bearer /, "")
  if (apiKey === undefined || key === apiKey) return undefined
  return error(401, "authentication_error", key === undefined ? "x-api-key header is required" : "invalid x-api-key")
}

export const refuseModel: Speaker["refuseModel"] = (model, { models }) =>
  models === undefined || models.includes(model) ? undefined : error(404, "not_found_error", `model: ${model}`)

export const refuse: Speaker["refuse"] = (chat, headers, restrictions): Fault.Respond | undefined => {
  const { body, model } = chat.simulated
  if (headers["anthropic-version"] === undefined) {
    return error(400, "invalid_request_error", "anthropic-version: header is required")
  }
  const refused = refuseKey(headers, restrictions) ?? refuseModel(model, restrictions)
  if (refused !== undefined) return refused
  const complaint = complainOfParameters(chat) ?? complainOfMessages(objects(body["messages"]), isThinking(body)) ??
    complainOfFormat(body) ?? complainOfTools(body)
  return complaint === undefined ? undefined : error(400, "invalid_request_error", complaint)
}

/** Newer models take no sampling parameters. */
const withoutSampling = /^claude-(?:fable|mythos|(?:opus|sonnet|haiku)-(?:[5-9]|4-[78]))/

const known = new Set([
  "model",
  "max_tokens",
  "messages",
  "system",
  "stop_sequences",
  "metadata",
  "service_tier",
  "thinking",
  "output_config",
  "cache_control",
  "tools",
  "tool_choice",
  "stream",
  "temperature",
  "top_p",
  "top_k",
  "container",
  "inference_geo"
])

const complainOfParameters = ({ simulated: { body, model } }: ChatRequest): string | undefined => {
  const unknown = Object.keys(body).find((key) => !known.has(key))
  if (unknown !== undefined) return `${unknown}: Extra inputs are not permitted`
  const { temperature } = body
  if (withoutSampling.test(model) && temperature !== undefined && temperature !== 1) {
    return "temperature: this parameter is not supported by this model"
  }
  return undefined
}

export const isThinking = ({ thinking }: Node): boolean =>
  /^(?:enabled|adaptive)$/.test(String(object(thinking)?.["type"]))

const complainOfMessages = (messages: ReadonlyArray<Node>, thinks: boolean): string | undefined => {
  for (const [i, { content, role }] of messages.entries()) {
    if (role !== "user" && role !== "assistant") return `messages.${i}.role: Input should be 'user' or 'assistant'`
    if (content === "" || Array.isArray(content) && content.length === 0) {
      return `messages.${i}: all messages must have non-empty content`
    }
    const blocks = objects(content)
    if (blocks.some(({ text, type }) => type === "text" && text === "")) {
      return "messages: text content blocks must be non-empty"
    }
    const calls = blocks.filter(({ type }) => type === "tool_use")
    if (calls.some(({ input }) => object(input) === undefined)) {
      return `messages.${i}.content: tool_use.input: Input should be a valid dictionary`
    }
    if (thinks && calls.length > 0 && !String(blocks[0]?.["type"]).endsWith("thinking")) {
      return `messages.${i}.content.0.type: Expected \`thinking\` or \`redacted_thinking\`, but found \`${
        String(blocks[0]?.["type"])
      }\`. When \`thinking\` is enabled, a final \`assistant\` message must start with a thinking block.`
    }
    const results = new Set(objects(messages[i + 1]?.["content"]).map(({ tool_use_id }) => tool_use_id))
    const missing = calls.find(({ id }) => !results.has(id))
    if (missing !== undefined) {
      return `messages.${i}: \`tool_use\` ids were found without \`tool_result\` blocks immediately after: ${
        String(missing["id"])
      }`
    }
  }
  return undefined
}

const complainOfFormat = (body: Node): string | undefined => {
  const format = object(object(body["output_config"])?.["format"])
  if (format === undefined) return undefined
  const extra = Object.keys(format).find((key) => key !== "type" && key !== "schema")
  if (extra !== undefined) return `output_config.format.${extra}: Extra inputs are not permitted`
  if (format["type"] !== "json_schema") return "output_config.format.type: Input should be 'json_schema'"
  const complaint = complain(object(format["schema"]))
  return complaint === undefined ? undefined : `output_config.format.schema: ${complaint}`
}

const complainOfTools = (body: Node): string | undefined => {
  const tools = objects(body["tools"])
  const choice = object(body["tool_choice"])
  const chosen = string(choice?.["name"])
  if (choice?.["type"] === "tool" && !tools.some(({ name }) => name === chosen)) {
    return `Tool '${chosen}' not found in provided tools`
  }
  if (isThinking(body) && (choice?.["type"] === "tool" || choice?.["type"] === "any")) {
    return "Thinking may not be enabled when tool_choice forces tool use."
  }
  for (const [i, { input_schema, name, strict }] of tools.entries()) {
    if (!/^[a-zA-Z0-9_-]{1,64}$/.test(String(name))) {
      return `tools.${i}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{1,64}$'`
    }
    const schema = object(input_schema)
    if (schema?.["type"] !== "object") return `tools.${i}.custom.input_schema.type: Input should be 'object'`
    const complaint = strict === true ? complain(schema) : undefined
    if (complaint !== undefined) return `tools.${i}.custom.input_schema: ${complaint}`
  }
  return undefined
}
