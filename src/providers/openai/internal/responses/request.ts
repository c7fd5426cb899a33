/** `LlmRequest` → the body of `POST /responses`. */
import * as AiError from "effect/ai/AiError"
import { memoize } from "effect/Function"
import * as Result from "effect/Result"
import type {
  JsonFormat,
  LlmRequest,
  Message,
  OutputFormat,
  Parameters,
  ToolCall,
  UserPart
} from "../../../../llm/LlmRequest.ts"
import { base64Of, type Node, object, objects, ownData } from "../../../internal/wireJson.ts"
import * as BodyText from "../bodyText.ts"
import * as Output from "./output.ts"

type InvalidInput = AiError.InvalidUserInputError

type Item = Node

/** Fails only for files that the API does not accept. */
export const toBody = (request: LlmRequest): Result.Result<Node, InvalidInput> =>
  Result.map(toInput(request.messages), (input) => ({
    ...start(request),
    input,
    ...toTail(request.output, request.parameters)
  }))

/** The JSON text of the body. Fails also for parameters that JSON cannot express. */
export const toText = (request: LlmRequest, streaming: boolean): Result.Result<string, InvalidInput> => {
  const tail = tailText(request.output)(request.parameters)
  if (tail === false) {
    return Result.flatMap(toBody(request), (body) => BodyText.write(streaming ? { ...body, stream: true } : body))
  }
  return Result.map(
    toInput(request.messages),
    (input) =>
      `${JSON.stringify(start(request)).slice(0, -1)},"input":${JSON.stringify(input)}${tail}${
        streaming ? ",\"stream\":true}" : "}"
      }`
  )
}

/** Nothing is stored at the server, so its reasoning has to come back with the answer. */
const start = ({ model }: LlmRequest): Node =>
  reasons(model)
    ? { model, store: false, include: ["reasoning.encrypted_content"] }
    : { model, store: false }

/** The models that reason. Others refuse to include what they do not have. */
const reasons = (model: string): boolean =>
  /(?:^|\/)(?:openai\.)?(?:o\d|gpt-(?:[5-9]|\d{2})|gpt-oss|codex)/.test(model) && !model.includes("-chat")

// All requests of an extraction share one output format and one set of parameters, and the schema may be long.
const toTail = (output: OutputFormat, parameters: Parameters): Node => {
  const { format, ...tools } = toFormat(output)
  const { extra, maxTokens, promptCacheKey, reasoningEffort, serviceTier, temperature, topP, verbosity } = parameters
  const text = {
    ...(format !== undefined && { format }),
    ...(verbosity !== undefined && { verbosity }),
    ...object(extra?.["text"])
  }
  const reasoning = {
    ...(reasoningEffort !== undefined && { effort: reasoningEffort }),
    ...object(extra?.["reasoning"])
  }
  return {
    ...tools,
    ...(maxTokens !== undefined && { max_output_tokens: maxTokens }),
    ...(temperature !== undefined && { temperature }),
    ...(topP !== undefined && { top_p: topP }),
    ...(serviceTier !== undefined && { service_tier: serviceTier }),
    ...(promptCacheKey !== undefined && { prompt_cache_key: promptCacheKey }),
    ...extra,
    ...(Object.keys(text).length > 0 && { text }),
    ...(Object.keys(reasoning).length > 0 && { reasoning })
  }
}

const tailText = BodyText.tail(toTail, ["model", "store", "include", "input", "stream"])

const toFormat = memoize((output: OutputFormat): Node => {
  switch (output.mode) {
    case "json_schema":
      return {
        format: { type: "json_schema", ...named(output), schema: output.jsonSchema, strict: output.strict === true }
      }
    case "tools":
      return {
        // Unlike Chat Completions, a function is strict unless it says otherwise.
        tools: [{
          type: "function",
          ...named(output),
          parameters: output.jsonSchema,
          strict: output.strict === true
        }],
        tool_choice: { type: "function", name: output.name },
        parallel_tool_calls: false
      }
    case "json":
      return { format: { type: "json_object" } }
    case "markdown":
    case "text":
      return {}
  }
})

const named = ({ description, name }: JsonFormat) => ({ name, ...(description !== undefined && { description }) })

/** The parameters that the API does not have. */
export const dropped = ({ parameters }: LlmRequest): ReadonlyArray<string> =>
  (["seed", "stop", "frequencyPenalty", "presencePenalty"] as const).filter((name) => parameters[name] !== undefined)

const toInput = (messages: ReadonlyArray<Message>): Result.Result<ReadonlyArray<Item>, InvalidInput> => {
  const input: Array<Item> = []
  for (const message of messages) {
    switch (message.role) {
      case "system":
        // Not as `instructions`: a JSON object has to be asked for in the input.
        input.push({ role: "system", content: message.content })
        break
      case "assistant":
        input.push(...toOutput(message))
        break
      case "tool":
        input.push({ type: "function_call_output", call_id: message.toolCallId, output: message.content })
        break
      case "user": {
        const content = toContent(message.content)
        if (Result.isFailure(content)) return Result.fail(content.failure)
        input.push({ role: "user", content: content.success })
      }
    }
  }
  return Result.succeed(input)
}

/** An answer with reasoning goes back as it came. */
const toOutput = (message: Extract<Message, { role: "assistant" }>): ReadonlyArray<Item> => {
  const kept = objects(ownData(message.providerData, Output.key)?.["output"])
  if (kept.length > 0 && Output.textOf(kept) === message.content) return kept
  return [
    ...(message.content === "" ? [] : [{ role: "assistant", content: message.content }]),
    ...(message.toolCalls ?? []).map(toCall)
  ]
}

const toCall = (call: ToolCall): Item => ({
  type: "function_call",
  call_id: call.id,
  name: call.name,
  arguments: call.arguments
})

const toContent = (
  content: string | ReadonlyArray<UserPart>
): Result.Result<string | ReadonlyArray<Item>, InvalidInput> =>
  typeof content === "string" ? Result.succeed(content) : Result.all(content.map(toPart))

const toPart = (part: UserPart): Result.Result<Item, InvalidInput> => {
  if (part.type === "text") return Result.succeed({ type: "input_text", text: part.text })
  const { fileName, mediaType, url } = part
  if (mediaType.startsWith("image/")) {
    return Result.succeed({ type: "input_image", image_url: url, detail: "auto" })
  }
  if (mediaType.startsWith("audio/") || mediaType.startsWith("video/")) {
    return Result.fail(
      new AiError.InvalidUserInputError({
        description: `The Responses API accepts images and documents, not files of type "${mediaType}". ` +
          `Chat Completions accepts WAV and MP3 audio`
      })
    )
  }
  return Result.succeed(
    base64Of(url) === undefined
      ? { type: "input_file", file_url: url }
      : { type: "input_file", filename: fileName ?? "file", file_data: url }
  )
}
