/** The errors that OpenAI answers with before it checks the rate limits. */
import * as Predicate from "effect/Predicate"
import * as Fault from "../../Fault.ts"
import { type Body, type ChatRequest, chosenFunction, functionsOf, messagesOf, messageText } from "./chatRequest.ts"
import { complain } from "./strictSchema.ts"

interface Options {
  readonly apiKey?: string | undefined
  readonly models?: ReadonlyArray<string> | undefined
}

export interface Complaint {
  readonly message: string
  readonly param: string
}

export const refuse = (
  { simulated: { body, model } }: ChatRequest,
  authorization: string | undefined,
  options: Options
): Fault.Respond | undefined => {
  const refusal = refuseKey(authorization, options) ?? refuseModel(model, options)
  if (refusal !== undefined) return refusal
  const complaint = complainOfParameters(body) ?? complainOfFormat(body) ?? complainOfTools(body)
  return complaint === undefined ? undefined : Fault.error(400, complaint)
}

export const refuseKey = (authorization: string | undefined, { apiKey }: Options): Fault.Respond | undefined => {
  const key = authorization?.replace(/^Bearer /, "")
  if (apiKey === undefined || key === apiKey) return undefined
  return Fault.error(401, {
    message: key === undefined || key === ""
      ? "You didn't provide an API key."
      : `Incorrect API key provided: ${key.slice(0, 3)}${"*".repeat(8)}${key.slice(-4)}.`,
    code: "invalid_api_key"
  })
}

export const refuseModel = (model: string, { models }: Options): Fault.Respond | undefined =>
  models === undefined || models.includes(model) ? undefined : Fault.error(404, {
    message: `The model \`${model}\` does not exist or you do not have access to it.`,
    code: "model_not_found"
  })

const complainOfParameters = ({ max_completion_tokens, max_tokens, n, stop }: Body): Complaint | undefined =>
  complainOfCount("n", n, 128) ??
    complainOfCount("max_completion_tokens", max_completion_tokens, Infinity) ??
    complainOfCount("max_tokens", max_tokens, Infinity) ??
    (Array.isArray(stop) && stop.length > 4
      ? { message: "Invalid 'stop': array too long. Expected an array with maximum length 4.", param: "stop" }
      : undefined)

const complainOfCount = (param: string, value: unknown, maximum: number): Complaint | undefined => {
  if (value === undefined || value === null) return undefined
  if (!Predicate.isNumber(value) || !Number.isInteger(value)) {
    return { message: `Invalid type for '${param}': expected an integer.`, param }
  }
  if (value >= 1 && value <= maximum) return undefined
  const [side, bound] = value < 1 ? ["below minimum", ">= 1"] : ["above maximum", `<= ${maximum}`]
  return { message: `Invalid '${param}': integer ${side} value. Expected a value ${bound}, but got ${value}.`, param }
}

const complainOfFormat = (body: Body): Complaint | undefined => {
  const format = body["response_format"]
  if (!Predicate.isObject(format)) return undefined
  if (format["type"] === "json_object") {
    return messagesOf(body).some((message) => /json/i.test(messageText(message))) ? undefined : {
      message: "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
      param: "messages"
    }
  }
  const schema = format["json_schema"]
  return format["type"] === "json_schema" && Predicate.isObject(schema)
    ? complainOfSchema("response_format", schema, schema["schema"], "response_format")
    : undefined
}

const complainOfTools = (body: Body): Complaint | undefined => {
  const functions = functionsOf(body)
  const chosen = chosenFunction(body)
  if (chosen !== undefined && !functions.some(({ name }) => name === chosen)) {
    return { message: `Tool choice '${chosen}' not found in 'tools' parameter.`, param: "tool_choice" }
  }
  for (const [i, fn] of functions.entries()) {
    const complaint = complainOfSchema("function", fn, fn["parameters"], `tools[${i}].function.parameters`)
    if (complaint !== undefined) return complaint
  }
  return undefined
}

export const complainOfSchema = (
  kind: "response_format" | "text.format" | "function",
  { name, strict }: { readonly [key: string]: unknown },
  schema: unknown,
  param: string
): Complaint | undefined => {
  if (!Predicate.isString(name) || !/^[\w-]{1,64}$/.test(name)) {
    return {
      message: `Invalid '${kind}.name': string does not match pattern. Expected a string that matches ` +
        `'^[a-zA-Z0-9_-]+$', at most 64 long.`,
      param
    }
  }
  const complaint = strict === true ? complain(schema) : undefined
  return complaint === undefined ? undefined : { message: `Invalid schema for ${kind} '${name}': ${complaint}`, param }
}
