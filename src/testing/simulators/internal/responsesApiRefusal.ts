/** The errors that `POST /responses` answers with before it checks the rate limits. */
import * as Fault from "../../Fault.ts"
import { list, type Node, number, object, objects, string } from "./json.ts"
import { complainOfSchema, type Complaint, refuseKey, refuseModel } from "./refusal.ts"
import { itemsOf, reasons, textOf } from "./responsesApiRequest.ts"
import type { Speaker } from "./speaker.ts"

const fields = new Set([
  "model",
  "input",
  "instructions",
  "store",
  "include",
  "text",
  "tools",
  "tool_choice",
  "parallel_tool_calls",
  "max_output_tokens",
  "temperature",
  "top_p",
  "reasoning",
  "service_tier",
  "prompt_cache_key",
  "stream",
  "stream_options",
  "metadata",
  "truncation",
  "user",
  "safety_identifier",
  "previous_response_id",
  "background"
])

export const refuse: Speaker["refuse"] = (chat, headers, restrictions) => {
  const { body, model } = chat.simulated
  const refused = refuseKey(headers["authorization"], restrictions) ?? refuseModel(model, restrictions)
  if (refused !== undefined) return refused
  const complaint = complainOfFields(body) ?? complainOfFormat(body) ?? complainOfTools(body) ??
    complainOfInclude(body, model) ?? complainOfItems(itemsOf(body))
  return complaint === undefined ? undefined : Fault.error(complaint.status ?? 400, complaint)
}

type Refused = Complaint & { readonly status?: number }

const complainOfFields = (body: Node): Refused | undefined => {
  const unknown = Object.keys(body).find((name) => !fields.has(name))
  if (unknown !== undefined) return { message: `Unknown parameter: '${unknown}'.`, param: unknown }
  const length = number(body["max_output_tokens"])
  return length === undefined || length >= 16 ? undefined : {
    message:
      `Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got ${length} instead.`,
    param: "max_output_tokens"
  }
}

const complainOfFormat = (body: Node): Refused | undefined => {
  const format = object(object(body["text"])?.["format"])
  if (format?.["type"] === "json_schema") {
    return complainOfSchema("text.format", format, format["schema"], "text.format.schema")
  }
  return format?.["type"] !== "json_object" || itemsOf(body).some((item) => /json/i.test(textOf(item))) ? undefined : {
    message: "Response input messages must contain the word 'json' in some form to use 'text.format' of type " +
      "'json_object'.",
    param: "input"
  }
}

/** Functions are strict unless they say otherwise. */
const complainOfTools = (body: Node): Refused | undefined => {
  const tools = objects(body["tools"])
  for (const [i, tool] of tools.entries()) {
    if (string(tool["name"]) === undefined) {
      return { message: `Missing required parameter: 'tools[${i}].name'.`, param: `tools[${i}].name` }
    }
    const named = { ...tool, strict: tool["strict"] !== false }
    const complaint = complainOfSchema("function", named, tool["parameters"], `tools[${i}].parameters`)
    if (complaint !== undefined) return complaint
  }
  const chosen = string(object(body["tool_choice"])?.["name"])
  return chosen === undefined || tools.some(({ name }) => name === chosen)
    ? undefined
    : { message: `Tool choice '${chosen}' not found in 'tools' parameter.`, param: "tool_choice" }
}

const complainOfInclude = (body: Node, model: string): Refused | undefined =>
  list(body["include"]).includes("reasoning.encrypted_content") && !reasons(model)
    ? { message: "Encrypted content is not supported with this model.", param: "include" }
    : undefined

/** Nothing is stored, so a reference to an item that was is not found. */
const complainOfItems = (items: ReadonlyArray<Node>): Refused | undefined => {
  for (const [i, item] of items.entries()) {
    const { call_id: id, type } = item
    if (
      type === "function_call_output" && !items.slice(0, i).some((other) => isCall(other) && other["call_id"] === id)
    ) {
      return { message: `No tool call found for function call output with call_id ${String(id)}.`, param: "input" }
    }
    if (isCall(item) && !items.slice(i).some((other) => isResult(other) && other["call_id"] === id)) {
      return { message: `No tool output found for function call ${String(id)}.`, param: "input" }
    }
    if (type !== "reasoning") continue
    if (string(item["encrypted_content"]) === undefined) {
      return {
        status: 404,
        message: `Item with id '${
          String(item["id"])
        }' not found. Items are not persisted when \`store\` is set to false.`,
        param: "input"
      }
    }
    const next = items[i + 1]
    if (next === undefined || !isCall(next) && next["type"] !== "message" && next["type"] !== "reasoning") {
      return {
        message: `Item '${String(item["id"])}' of type 'reasoning' was provided without its required following item.`,
        param: "input"
      }
    }
  }
  return undefined
}

const isCall = ({ type }: Node): boolean => type === "function_call"
const isResult = ({ type }: Node): boolean => type === "function_call_output"
