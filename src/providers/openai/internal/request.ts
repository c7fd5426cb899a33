/** `LlmRequest` → the body of `POST /chat/completions`. */
import * as AiError from "effect/ai/AiError"
import { memoize } from "effect/Function"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type * as OpenAI from "openai"
import type {
  JsonFormat,
  LlmRequest,
  Message,
  OutputFormat,
  Parameters,
  ProviderData,
  ToolCall,
  UserPart
} from "../../../llm/LlmRequest.ts"

export type Body = OpenAI.OpenAI.ChatCompletionCreateParamsNonStreaming
type MessageParam = OpenAI.OpenAI.ChatCompletionMessageParam
type ContentPart = OpenAI.OpenAI.ChatCompletionContentPart
type FunctionCall = OpenAI.OpenAI.ChatCompletionMessageFunctionToolCall

/** Fails only for files that Chat Completions does not accept. */
export const toBody = (request: LlmRequest): Result.Result<Body, AiError.InvalidUserInputError> => {
  return Result.map(toMessages(request), (messages) => ({
    model: request.model,
    messages,
    ...toFormat(request.output),
    ...toParameters(request.parameters)
  }))
}

const toMessages = (request: LlmRequest): Result.Result<Array<MessageParam>, AiError.InvalidUserInputError> => {
  const messages: Array<MessageParam> = []
  for (const message of request.messages) {
    const param = toMessage(message)
    if (Result.isFailure(param)) return Result.fail(param.failure)
    messages.push(param.success)
  }
  return Result.succeed(messages)
}

/** The JSON text of the body. Fails also for parameters that JSON cannot express. */
export const toText = (
  request: LlmRequest,
  streaming: boolean
): Result.Result<string, AiError.InvalidUserInputError> => {
  const tail = tailOf(request.output)(request.parameters)
  if (tail === false) {
    return Result.flatMap(toBody(request), (body) => write(streaming ? { ...body, ...streamed } : body))
  }
  const messages = toMessages(request)
  return Result.isFailure(messages) ? Result.fail(messages.failure) : Result.succeed(
    `{"model":${JSON.stringify(request.model)},"messages":${JSON.stringify(messages.success)}${tail}${
      streaming ? streamedTail : "}"
    }`
  )
}

const streamed = { stream: true, stream_options: { include_usage: true } }
const streamedTail = `,${JSON.stringify(streamed).slice(1)}`

const write = (body: object): Result.Result<string, AiError.InvalidUserInputError> =>
  Result.try({
    try: () => JSON.stringify(body),
    catch: (error) =>
      new AiError.InvalidUserInputError({
        description: `The parameters of the request cannot be written as JSON: ${String(error)}`
      })
  })

/** What follows the messages: the same text for all requests of an extraction, whose schema may be long. */
const tailOf = memoize((output: OutputFormat) =>
  memoize((parameters: Parameters): string | false => {
    const tail = { ...toFormat(output), ...toParameters(parameters) }
    // Extra parameters may replace any other.
    if (["model", "messages", "stream", "stream_options"].some((name) => name in tail)) return false
    const text = Result.getOrUndefined(write(tail))
    return text === undefined ? false : text === "{}" ? "" : `,${text.slice(1, -1)}`
  })
)

// All requests of an extraction share one output format and one set of parameters.
const toFormat = memoize((output: OutputFormat): Partial<Body> => {
  switch (output.mode) {
    case "json_schema":
      return {
        response_format: {
          type: "json_schema",
          json_schema: { ...named(output), schema: output.jsonSchema, ...strict(output) }
        }
      }
    case "tools":
      return {
        tools: [{ type: "function", function: { ...named(output), parameters: output.jsonSchema, ...strict(output) } }],
        tool_choice: { type: "function", function: { name: output.name } },
        parallel_tool_calls: false
      }
    case "json":
      return { response_format: { type: "json_object" } }
    case "markdown":
    case "text":
      return {}
  }
})

const named = ({ description, name }: JsonFormat) => ({ name, ...(description !== undefined && { description }) })

const strict = ({ strict }: JsonFormat) => strict === undefined ? {} : { strict }

const toParameters = memoize((parameters: Parameters): Partial<Body> => ({
  ...(parameters.maxTokens !== undefined && { max_completion_tokens: parameters.maxTokens }),
  ...(parameters.temperature !== undefined && { temperature: parameters.temperature }),
  ...(parameters.topP !== undefined && { top_p: parameters.topP }),
  ...(parameters.seed !== undefined && { seed: parameters.seed }),
  ...(parameters.stop !== undefined && { stop: [...parameters.stop] }),
  ...(parameters.frequencyPenalty !== undefined && { frequency_penalty: parameters.frequencyPenalty }),
  ...(parameters.presencePenalty !== undefined && { presence_penalty: parameters.presencePenalty }),
  ...(parameters.reasoningEffort !== undefined && { reasoning_effort: parameters.reasoningEffort }),
  ...(parameters.verbosity !== undefined && { verbosity: parameters.verbosity }),
  ...(parameters.serviceTier !== undefined && { service_tier: parameters.serviceTier }),
  ...(parameters.promptCacheKey !== undefined && { prompt_cache_key: parameters.promptCacheKey }),
  ...parameters.extra
  // Efforts, verbosities and tiers are plain strings here, because servers accept more than the SDK's types list.
} as Partial<Body>))

const toMessage = (message: Message): Result.Result<MessageParam, AiError.InvalidUserInputError> => {
  switch (message.role) {
    case "system":
      return Result.succeed({ role: "system", content: message.content })
    case "assistant":
      return Result.succeed({
        role: "assistant",
        content: message.content,
        ...(message.toolCalls !== undefined && { tool_calls: message.toolCalls.map(toCall) }),
        ...own(message.providerData)
      })
    case "tool":
      return Result.succeed({ role: "tool", tool_call_id: message.toolCallId, content: message.content })
    case "user":
      return typeof message.content === "string"
        ? Result.succeed({ role: "user", content: message.content })
        : Result.map(Result.all(message.content.map(toPart)), (content) => ({ role: "user", content }))
  }
}

const toCall = (call: ToolCall): FunctionCall => ({
  id: call.id,
  type: "function",
  function: { name: call.name, arguments: call.arguments },
  ...own(call.providerData)
})

/** The provider data that came from OpenAI; another provider's would be refused. */
const own = (data: ProviderData | undefined): object => {
  const ours = data?.["openai"]
  return Predicate.isObject(ours) ? ours : {}
}

const toPart = (part: UserPart): Result.Result<ContentPart, AiError.InvalidUserInputError> => {
  if (part.type === "text") return Result.succeed({ type: "text", text: part.text })
  if (part.mediaType.startsWith("image/")) return Result.succeed({ type: "image_url", image_url: { url: part.url } })
  const data = /^data:[^,]*;base64,(.*)$/s.exec(part.url)?.[1]
  if (data === undefined) {
    return Result.fail(
      new AiError.InvalidUserInputError({
        description: `Chat Completions accepts a file of type "${part.mediaType}" only as bytes, not by its URL. ` +
          `Download it and pass its bytes`
      })
    )
  }
  const audio = /^audio\/(?:x-)?(wav|mp3|mpeg)$/.exec(part.mediaType)?.[1]
  return Result.succeed(
    audio === undefined
      ? { type: "file", file: { filename: part.fileName ?? "file", file_data: part.url } }
      : { type: "input_audio", input_audio: { data, format: audio === "wav" ? "wav" : "mp3" } }
  )
}
