/** A request to `generateContent` as the server reads it. */
import * as Reply from "../../../Reply.ts"
import type { ChatRequest } from "../chatRequest.ts"
import { list, type Node, number, object, objects, parse, string } from "../json.ts"
import type { Route } from "../speaker.ts"

/** The request, or the message of a 400. */
export const read = (bodyText: string, index: number, route: Route): ChatRequest | string => {
  const body = object(parse(bodyText))
  if (body === undefined) return "Invalid JSON payload received."
  const contents = objects(body["contents"])
  if (contents.length === 0) return "* GenerateContentRequest.contents: contents is not specified"
  const config = object(body["generationConfig"]) ?? {}
  const tool = calledTool(body, contents)
  const isJson = config["responseMimeType"] === "application/json"
  const schema = object(config["responseJsonSchema"]) ?? object(config["responseSchema"])
  return {
    simulated: {
      index,
      model: route.model ?? "",
      mode: tool !== undefined ? "tools" : schema !== undefined ? "json_schema" : isJson ? "json" : "markdown",
      schema: tool === undefined
        ? schema
        : object(declarations(body).find(({ name }) => name === tool)?.["parametersJsonSchema"]),
      text: textOf(contents.findLast(({ role }) => role !== "model")),
      stream: route.stream === true,
      body
    },
    tool,
    choices: 1,
    stop: list(config["stopSequences"]).flatMap((stop) => string(stop) ?? []),
    maxTokens: number(config["maxOutputTokens"]),
    includesUsage: true,
    thinks: object(config["thinkingConfig"])?.["includeThoughts"] === true,
    promptTokens: Reply.estimateTokens(textOf(object(body["systemInstruction"]))) +
      contents.reduce((sum, content) => sum + 1 + Reply.estimateTokens(textOf(content)), 0)
  }
}

const textOf = (content: Node | undefined): string =>
  objects(content?.["parts"]).map((part) => {
    const response = object(object(part["functionResponse"])?.["response"])
    return string(part["text"]) ?? (response === undefined ? "" : JSON.stringify(response))
  }).join("")

export const declarations = (body: Node): ReadonlyArray<Node> =>
  objects(body["tools"]).flatMap((tool) => objects(tool["functionDeclarations"]))

export const functionConfig = (body: Node): Node | undefined =>
  object(object(body["toolConfig"])?.["functionCallingConfig"])

const calledTool = (body: Node, contents: ReadonlyArray<Node>): string | undefined => {
  const first = string(declarations(body)[0]?.["name"])
  const config = functionConfig(body)
  switch (config?.["mode"]) {
    case "ANY":
      return string(list(config["allowedFunctionNames"])[0]) ?? first
    case "NONE":
      return undefined
    default:
      return objects(contents.at(-1)?.["parts"]).some((part) => part["functionResponse"] !== undefined)
        ? undefined
        : first
  }
}
