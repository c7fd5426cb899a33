/** A request to `POST /v1/messages` as the server reads it. */
import * as Reply from "../../../Reply.ts"
import type { ChatRequest } from "../chatRequest.ts"
import { list, type Node, number, object, objects, parse, string } from "../json.ts"

/** The request, or the message of a 400. */
export const read = (bodyText: string, index: number): ChatRequest | string => {
  const body = object(parse(bodyText))
  if (body === undefined) return "The request body is not valid JSON"
  const model = string(body["model"])
  if (model === undefined) return "model: Field required"
  const maxTokens = number(body["max_tokens"])
  if (maxTokens === undefined) return "max_tokens: Field required"
  if (!Number.isInteger(maxTokens) || maxTokens < 1) return "max_tokens: must be greater than or equal to 1"
  if (!Array.isArray(body["messages"])) return "messages: Field required"
  const messages = objects(body["messages"])
  if (messages.length === 0) return "messages: at least one message is required"
  const tool = calledTool(body, messages)
  const format = object(object(body["output_config"])?.["format"])
  return {
    simulated: {
      index,
      model,
      mode: tool !== undefined ? "tools" : format?.["type"] === "json_schema" ? "json_schema" : "markdown",
      schema: tool === undefined
        ? object(format?.["schema"])
        : object(objects(body["tools"]).find(({ name }) => name === tool)?.["input_schema"]),
      text: textOf(messages.findLast(({ role }) => role === "user")?.["content"]),
      stream: body["stream"] === true,
      body
    },
    tool,
    choices: 1,
    stop: list(body["stop_sequences"]).flatMap((stop) => string(stop) ?? []),
    maxTokens,
    includesUsage: true,
    promptTokens: 3 + Reply.estimateTokens(textOf(body["system"])) +
      messages.reduce((sum, { content }) => sum + 4 + Reply.estimateTokens(textOf(content)), 0)
  }
}

/** The text of content, the results of tools included. */
const textOf = (content: unknown): string =>
  string(content) ??
    objects(content).map((block) => string(block["text"]) ?? textOf(block["content"])).join("")

/** The tool that is forced, or the first one where the model may choose and has not called it yet. */
const calledTool = (body: Node, messages: ReadonlyArray<Node>): string | undefined => {
  const choice = object(body["tool_choice"])
  const first = string(objects(body["tools"])[0]?.["name"])
  switch (choice?.["type"]) {
    case "tool":
      return string(choice["name"])
    case "any":
      return first
    case "none":
      return undefined
    default:
      return isToolResult(messages.at(-1)) && choice === undefined ? undefined : first
  }
}

const isToolResult = (message: Node | undefined): boolean =>
  objects(message?.["content"]).some(({ type }) => type === "tool_result")
