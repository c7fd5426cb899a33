/** A request to `POST /chat/completions` as the server reads it. */
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type { OutputMode } from "../../../llm/LlmRequest.ts"
import * as Reply from "../../Reply.ts"
import type { SimulatedRequest } from "../OpenAiSimulator.ts"

export interface ChatRequest {
  readonly simulated: SimulatedRequest
  /** The function that the answer calls, if it calls one. */
  readonly tool: string | undefined
  /** The number of answers. */
  readonly choices: number
  readonly stop: ReadonlyArray<string>
  readonly maxTokens: number | undefined
  readonly includesUsage: boolean
  readonly promptTokens: number
  /** Whether the model thinks before it answers, where the API shows that. */
  readonly thinks?: boolean | undefined
}

export type Body = SimulatedRequest["body"]

type Node = { readonly [key: string]: unknown }

/** The request, or the message of a 400. */
export const read = (bodyText: string, index: number): ChatRequest | string => {
  const parsed = Result.try(() => JSON.parse(bodyText) as unknown)
  if (Result.isFailure(parsed)) return "We could not parse the JSON body of your request."
  const body = parsed.success
  if (!Predicate.isObject(body)) return "The body of your request is not a JSON object."
  const { model } = body
  if (!Predicate.isString(model)) return "you must provide a model parameter"
  const messages = messagesOf(body)
  if (messages.length === 0) return "Missing required parameter: 'messages'."
  const tool = calledTool(body)
  const { n, stop, stream, stream_options } = body
  return {
    simulated: {
      index,
      model,
      mode: tool === undefined ? formatMode(body) : "tools",
      schema: schemaOf(body, tool),
      text: messageText(messages.findLast((message) => roleOf(message) === "user")),
      stream: stream === true,
      body
    },
    tool,
    choices: Predicate.isNumber(n) ? n : 1,
    stop: Predicate.isString(stop) ? [stop] : Array.isArray(stop) ? stop.filter(Predicate.isString) : [],
    maxTokens: maxTokensOf(body),
    includesUsage: Predicate.isObject(stream_options) && stream_options["include_usage"] === true,
    promptTokens: promptTokens(messages)
  }
}

/** The tokens of messages, roughly as OpenAI estimates them before it reads them. */
export const promptTokens = (messages: ReadonlyArray<unknown>): number =>
  messages.reduce<number>((sum, message) => sum + 4 + Reply.estimateTokens(messageText(message)), 3)

export const messagesOf = (body: Body): ReadonlyArray<unknown> =>
  Array.isArray(body["messages"]) ? body["messages"] : []

const roleOf = (message: unknown): unknown => Predicate.isObject(message) ? message["role"] : undefined

export const messageText = (message: unknown): string => {
  if (!Predicate.isObject(message)) return ""
  const content = message["content"]
  if (Predicate.isString(content)) return content
  if (!Array.isArray(content)) return ""
  return content.map((part) => Predicate.hasProperty(part, "text") && Predicate.isString(part.text) ? part.text : "")
    .join("")
}

const formatMode = (body: Body): OutputMode => {
  const format = body["response_format"]
  const type = Predicate.isObject(format) ? format["type"] : undefined
  return type === "json_schema" ? "json_schema" : type === "json_object" ? "json" : "markdown"
}

const schemaOf = (body: Body, tool: string | undefined): Node | undefined => {
  const format = body["response_format"]
  const schema = tool !== undefined
    ? functionsOf(body).find(({ name }) => name === tool)?.["parameters"]
    : Predicate.isObject(format) && Predicate.isObject(format["json_schema"])
    ? format["json_schema"]["schema"]
    : undefined
  return Predicate.isObject(schema) ? schema : undefined
}

/** `max_tokens` is the older name. */
const maxTokensOf = (body: Body): number | undefined => {
  const max = body["max_completion_tokens"] ?? body["max_tokens"]
  return Predicate.isNumber(max) ? max : undefined
}

/** The definitions of the functions among the tools. */
export const functionsOf = (body: Body): ReadonlyArray<Node> => {
  const { tools } = body
  if (!Array.isArray(tools)) return []
  return tools.flatMap((tool: unknown) =>
    Predicate.isObject(tool) && Predicate.isObject(tool["function"]) ? [tool["function"]] : []
  )
}

/** The function that `tool_choice` names, if it names one. */
export const chosenFunction = (body: Body): string | undefined => {
  const choice = body["tool_choice"]
  const name = Predicate.isObject(choice) && Predicate.isObject(choice["function"])
    ? choice["function"]["name"]
    : undefined
  return Predicate.isString(name) ? name : undefined
}

/** A model that may choose calls the first function, and answers in text once it has the function's result. */
const calledTool = (body: Body): string | undefined => {
  const choice = body["tool_choice"]
  const chosen = chosenFunction(body)
  if (chosen !== undefined || choice === "none") return chosen
  // `any` is what Mistral says for `required`.
  if (choice !== "required" && choice !== "any" && roleOf(messagesOf(body).at(-1)) === "tool") return undefined
  const name = functionsOf(body)[0]?.["name"]
  return Predicate.isString(name) ? name : undefined
}
