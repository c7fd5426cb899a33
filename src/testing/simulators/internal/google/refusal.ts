/** The errors that Google answers with before it checks the rate limits. */
import type * as Fault from "../../../Fault.ts"
import { list, type Node, object, objects, string } from "../json.ts"
import type { Speaker } from "../speaker.ts"
import { declarations, functionConfig } from "./request.ts"
import { error } from "./wire.ts"

export const refuseKey: Speaker["refuseKey"] = (headers, { apiKey }) => {
  const key = headers["x-goog-api-key"]
  if (apiKey === undefined || key === apiKey) return undefined
  return key === undefined || key === ""
    ? error(
      403,
      "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other " +
        "form of API consumer identity to call this API."
    )
    : error(400, "API key not valid. Please pass a valid API key.", {
      details: [{
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        reason: "API_KEY_INVALID",
        domain: "googleapis.com"
      }]
    })
}

export const refuseModel: Speaker["refuseModel"] = (model, { models }) =>
  models === undefined || models.includes(model)
    ? undefined
    : error(404, `models/${model} is not found for API version v1beta, or is not supported for generateContent.`)

export const refuse: Speaker["refuse"] = (chat, headers, restrictions): Fault.Respond | undefined => {
  const { body, model } = chat.simulated
  const refused = refuseKey(headers, restrictions) ?? refuseModel(model, restrictions)
  if (refused !== undefined) return refused
  const complaint = complainOfFields(body) ?? complainOfContents(objects(body["contents"]), model) ??
    complainOfFormat(object(body["generationConfig"]) ?? {}) ?? complainOfTools(body)
  return complaint === undefined ? undefined : error(400, complaint)
}

const bodyFields = new Set([
  "contents",
  "systemInstruction",
  "generationConfig",
  "tools",
  "toolConfig",
  "safetySettings",
  "serviceTier",
  "cachedContent",
  "labels"
])

const configFields = new Set([
  "maxOutputTokens",
  "temperature",
  "topP",
  "topK",
  "seed",
  "candidateCount",
  "stopSequences",
  "presencePenalty",
  "frequencyPenalty",
  "responseMimeType",
  "responseSchema",
  "responseJsonSchema",
  "thinkingConfig",
  "mediaResolution",
  "responseModalities",
  "responseLogprobs",
  "logprobs"
])

const complainOfFields = (body: Node): string | undefined => {
  const unknown = (node: Node, known: ReadonlySet<string>, at: string): string | undefined => {
    const name = Object.keys(node).find((key) => !known.has(key))
    return name === undefined
      ? undefined
      : `Invalid JSON payload received. Unknown name "${name}"${at}: Cannot find field.`
  }
  return unknown(body, bodyFields, "") ??
    unknown(object(body["generationConfig"]) ?? {}, configFields, " at 'generation_config'")
}

const complainOfContents = (contents: ReadonlyArray<Node>, model: string): string | undefined => {
  for (const [i, content] of contents.entries()) {
    const { role } = content
    if (role !== undefined && role !== "user" && role !== "model") return "Please use a valid role: user, model."
    const parts = objects(content["parts"])
    if (parts.length === 0) return `* GenerateContentRequest.contents[${i}].parts: contents.parts must not be empty.`
    const calls = parts.filter((part) => part["functionCall"] !== undefined)
    if (/^gemini-[3-9]/.test(model) && calls.length > 0 && string(calls[0]!["thoughtSignature"]) === undefined) {
      return "Function call is missing a thought_signature in functionCall parts. This is required for tools to work " +
        "correctly."
    }
    const next = objects(contents[i + 1]?.["parts"]).filter((part) => part["functionResponse"] !== undefined)
    if (calls.length > 0 && next.length !== calls.length) {
      return "Please ensure that the number of function response parts is equal to the number of function call parts " +
        "of the function call turn."
    }
  }
  return undefined
}

const complainOfFormat = (config: Node): string | undefined => {
  const schema = config["responseJsonSchema"]
  if (schema === undefined) return undefined
  if (config["responseMimeType"] !== "application/json") {
    return "JSON mode is required for response schema: set response_mime_type to application/json"
  }
  return complainOfSchema(schema, "generation_config.response_json_schema")
}

const complainOfTools = (body: Node): string | undefined => {
  const all = declarations(body)
  const allowed = list(functionConfig(body)?.["allowedFunctionNames"])
  const missing = allowed.find((name) => !all.some((declared) => declared["name"] === name))
  if (missing !== undefined) {
    return `${JSON.stringify(missing)} is not in the set of function declarations: allowed_function_names`
  }
  for (const [i, { name, parameters, parametersJsonSchema }] of all.entries()) {
    if (!/^[a-zA-Z_][\w.:-]{0,63}$/.test(String(name))) {
      return `Invalid function name at tools[0].function_declarations[${i}].name`
    }
    if (parameters !== undefined && parametersJsonSchema !== undefined) {
      return "parameters and parameters_json_schema are mutually exclusive"
    }
    const complaint = parametersJsonSchema === undefined
      ? undefined
      : complainOfSchema(parametersJsonSchema, `tools[0].function_declarations[${i}].parameters_json_schema`)
    if (complaint !== undefined) return complaint
  }
  return undefined
}

const keywords = new Set([
  "$id",
  "$defs",
  "$ref",
  "$anchor",
  "type",
  "format",
  "title",
  "description",
  "enum",
  "items",
  "prefixItems",
  "minItems",
  "maxItems",
  "minimum",
  "maximum",
  "anyOf",
  "oneOf",
  "properties",
  "additionalProperties",
  "required",
  "propertyOrdering"
])

export const complainOfSchema = (root: unknown, at: string): string | undefined => {
  const definitions = object(object(root)?.["$defs"]) ?? {}
  const visit = (node: unknown, open: ReadonlyArray<string>, required: boolean): string | undefined => {
    const schema = object(node)
    if (schema === undefined) return undefined
    const unknown = Object.keys(schema).find((key) => !keywords.has(key))
    if (unknown !== undefined) return `Invalid value at '${at}': unsupported keyword "${unknown}"`
    const ref = string(schema["$ref"])
    if (ref !== undefined) {
      if (Object.keys(schema).some((key) => !key.startsWith("$"))) return `Invalid value at '${at}': $ref has siblings`
      if (open.includes(ref)) {
        return required
          ? `Invalid value at '${at}': cyclic $ref in a required property`
          : undefined
      }
      return visit(definitions[ref.replace("#/$defs/", "")], [...open, ref], required)
    }
    const needed = list(schema["required"])
    for (const [name, child] of Object.entries(object(schema["properties"]) ?? {})) {
      const complaint = visit(child, open, required && needed.includes(name))
      if (complaint !== undefined) return complaint
    }
    const below = [
      schema["items"],
      schema["additionalProperties"],
      ...list(schema["anyOf"]),
      ...list(schema["oneOf"]),
      ...list(schema["prefixItems"])
    ]
    for (const child of below) {
      const complaint = visit(child, open, required)
      if (complaint !== undefined) return complaint
    }
    return undefined
  }
  return visit(root, [], true)
}
