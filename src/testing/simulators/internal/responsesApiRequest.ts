/** A request to `POST /responses` as the server reads it. */
import * as Reply from "../../Reply.ts"
import type { ChatRequest } from "./chatRequest.ts"
import { list, type Node, number, object, objects, parse, string } from "./json.ts"

/** The request, or the message of a 400. */
export const read = (bodyText: string, index: number): ChatRequest | string => {
  const body = object(parse(bodyText))
  if (body === undefined) return "We could not parse the JSON body of your request."
  const model = string(body["model"])
  if (model === undefined) return "Missing required parameter: 'model'."
  const input = itemsOf(body)
  if (input.length === 0) return "Missing required parameter: 'input'."
  const tool = calledTool(body, input)
  const format = object(object(body["text"])?.["format"])
  return {
    simulated: {
      index,
      model,
      mode: tool !== undefined
        ? "tools"
        : format?.["type"] === "json_schema"
        ? "json_schema"
        : format?.["type"] === "json_object"
        ? "json"
        : "markdown",
      schema: tool === undefined
        ? object(format?.["schema"])
        : object(objects(body["tools"]).find(({ name }) => name === tool)?.["parameters"]),
      text: textOf(input.findLast(({ role }) => role === "user")),
      stream: body["stream"] === true,
      body
    },
    tool,
    choices: 1,
    stop: [],
    maxTokens: number(body["max_output_tokens"]),
    includesUsage: true,
    thinks: reasons(model),
    promptTokens: 3 + Reply.estimateTokens(string(body["instructions"]) ?? "") +
      input.reduce((sum, item) => sum + 4 + Reply.estimateTokens(textOf(item)), 0)
  }
}

/** The models of the simulator that reason. */
export const reasons = (model: string): boolean => /^(?:o\d|gpt-[5-9])/.test(model)

/** A text is a message of the user. */
export const itemsOf = ({ input }: Node): ReadonlyArray<Node> => {
  const text = string(input)
  return text === undefined ? objects(input) : [{ role: "user", content: text }]
}

export const textOf = (item: Node | undefined): string => {
  const output = string(item?.["output"])
  return string(item?.["content"]) ?? output ??
    objects(item?.["content"]).map((part) => string(part["text"]) ?? "").join("")
}

const calledTool = (body: Node, input: ReadonlyArray<Node>): string | undefined => {
  const choice = body["tool_choice"]
  const chosen = string(object(choice)?.["name"])
  if (chosen !== undefined || choice === "none") return chosen
  if (choice !== "required" && input.at(-1)?.["type"] === "function_call_output") return undefined
  return string(objects(list(body["tools"]))[0]?.["name"])
}
