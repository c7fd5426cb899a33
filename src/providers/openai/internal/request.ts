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
import * as BodyText from "./bodyText.ts"
import type { Traits } from "./traits.ts"

type Body = OpenAI.OpenAI.ChatCompletionCreateParamsNonStreaming
type MessageParam = OpenAI.OpenAI.ChatCompletionMessageParam
type ContentPart = OpenAI.OpenAI.ChatCompletionContentPart
type FunctionCall = OpenAI.OpenAI.ChatCompletionMessageFunctionToolCall

/** The encoder of a server. */
export interface Encoder {
  /** Fails only for files that Chat Completions does not accept. */
  readonly toBody: (request: LlmRequest) => Result.Result<Body, AiError.InvalidUserInputError>
  /** The JSON text of the body. Fails also for parameters that JSON cannot express. */
  readonly toText: (request: LlmRequest, streaming: boolean) => Result.Result<string, AiError.InvalidUserInputError>
}

const toMessages = (
  request: LlmRequest,
  showsSchema: boolean
): Result.Result<Array<MessageParam>, AiError.InvalidUserInputError> => {
  const messages: Array<MessageParam> = []
  for (const message of request.messages) {
    const param = toMessage(message)
    if (Result.isFailure(param)) return Result.fail(param.failure)
    messages.push(param.success)
  }
  return Result.succeed(
    showsSchema && request.output.mode === "json_schema" ? shown(messages, request.output) : messages
  )
}

/** The messages with the schema at the end of the system message. */
const shown = (messages: Array<MessageParam>, { jsonSchema }: JsonFormat): Array<MessageParam> => {
  const text =
    "Answer with one JSON object that is an instance of this JSON Schema, and with nothing else. Write the JSON " +
    `on one line, without indentation:\n${JSON.stringify(jsonSchema)}`
  const [first, ...rest] = messages
  return first?.role === "system" && Predicate.isString(first.content)
    ? [{ role: "system", content: `${first.content}\n\n${text}` }, ...rest]
    : [{ role: "system", content: text }, ...messages]
}

export const make = (traits: Traits): Encoder => {
  const { showsSchema = false, streamOptions = true, streamsSchema = true } = traits
  const streamed = { stream: true, ...(streamOptions && { stream_options: { include_usage: true } }) }
  const streamedTail = `,${JSON.stringify(streamed).slice(1)}`

  // All requests of an extraction share one output format and one set of parameters.
  const toFormat = memoize((output: OutputFormat): Partial<Body> => formatOf(output, traits))
  const toStreamedFormat = streamsSchema
    ? toFormat
    : memoize((output: OutputFormat): Partial<Body> =>
      output.mode === "json_schema" ? { response_format: { type: "json_object" } } : formatOf(output, traits)
    )
  const toParameters = memoize((parameters: Parameters): Partial<Body> => parametersOf(parameters, traits))

  const bodyOf = (request: LlmRequest, streaming: boolean): Result.Result<Body, AiError.InvalidUserInputError> =>
    Result.map(toMessages(request, showsSchema || streaming && !streamsSchema), (messages) => ({
      model: request.model,
      messages,
      ...(streaming ? toStreamedFormat : toFormat)(request.output),
      ...traits.adds,
      ...toParameters(request.parameters)
    }))

  // Extra parameters may replace any other.
  const apart = ["model", "messages", "stream", "stream_options"]
  const tailOf = (format: typeof toFormat) =>
    BodyText.tail(
      (output, parameters) => ({ ...format(output), ...traits.adds, ...toParameters(parameters) }),
      apart
    )
  const wholeTail = tailOf(toFormat)
  const streamTail = streamsSchema ? wholeTail : tailOf(toStreamedFormat)

  return {
    toBody: (request) => bodyOf(request, false),
    toText: (request, streaming) => {
      const tail = (streaming ? streamTail : wholeTail)(request.output)(request.parameters)
      if (tail === false) {
        return Result.flatMap(
          bodyOf(request, streaming),
          (body) => BodyText.write(streaming ? { ...body, ...streamed } : body)
        )
      }
      const messages = toMessages(request, showsSchema || streaming && !streamsSchema)
      return Result.isFailure(messages) ? Result.fail(messages.failure) : Result.succeed(
        `{"model":${JSON.stringify(request.model)},"messages":${JSON.stringify(messages.success)}${tail}${
          streaming ? streamedTail : "}"
        }`
      )
    }
  }
}

/** OpenAI's own. */
export const openAi: Encoder = make({})

const formatOf = (output: OutputFormat, traits: Traits): Partial<Body> => {
  switch (output.mode) {
    case "json_schema":
      return {
        response_format: {
          type: "json_schema",
          json_schema: { ...named(output), schema: output.jsonSchema, ...strict(output, traits) }
        }
      }
    case "tools":
      return {
        tools: [{
          type: "function",
          function: { ...named(output), parameters: output.jsonSchema, ...strict(output, traits) }
        }],
        tool_choice: toolChoice(output, traits),
        ...(traits.parallelToolCalls !== false && { parallel_tool_calls: false })
      }
    case "json":
      return {
        response_format: traits.jsonFormat === "json_schema"
          ? { type: "json_schema", json_schema: { name: output.name, schema: { type: "object" } } }
          : { type: "json_object" }
      }
    case "markdown":
    case "text":
      return {}
  }
}

const toolChoice = ({ name }: JsonFormat, { toolChoice = "named" }: Traits): NonNullable<Body["tool_choice"]> =>
  // Mistral says `any` for what OpenAI calls `required`.
  toolChoice === "named" ? { type: "function", function: { name } } : toolChoice as "required" | "auto"

const named = ({ description, name }: JsonFormat) => ({ name, ...(description !== undefined && { description }) })

const strict = ({ strict }: JsonFormat, traits: Traits) =>
  strict === undefined || traits.strict === false ? {} : { strict }

const parametersOf = (given: Parameters, traits: Traits): Partial<Body> => {
  const { lengthField = "max_completion_tokens", maxTokens, seedField = "seed" } = traits
  const parameters: Partial<Parameters> = traits.drops === undefined
    ? given
    : Object.fromEntries(Object.entries(given).filter(([name]) => !traits.drops!.includes(name as keyof Parameters)))
  const most = parameters.maxTokens ?? maxTokens
  return {
    ...(most !== undefined && { [lengthField]: most }),
    ...(parameters.temperature !== undefined && { temperature: parameters.temperature }),
    ...(parameters.topP !== undefined && { top_p: parameters.topP }),
    ...(parameters.seed !== undefined && { [seedField]: parameters.seed }),
    ...(parameters.stop !== undefined && { stop: [...parameters.stop] }),
    ...(parameters.frequencyPenalty !== undefined && { frequency_penalty: parameters.frequencyPenalty }),
    ...(parameters.presencePenalty !== undefined && { presence_penalty: parameters.presencePenalty }),
    ...(parameters.reasoningEffort !== undefined && { reasoning_effort: parameters.reasoningEffort }),
    ...(parameters.logprobs !== undefined && { logprobs: parameters.logprobs }),
    ...(parameters.verbosity !== undefined && { verbosity: parameters.verbosity }),
    ...(parameters.serviceTier !== undefined && { service_tier: parameters.serviceTier }),
    ...(parameters.promptCacheKey !== undefined && { prompt_cache_key: parameters.promptCacheKey }),
    ...parameters.extra
    // Efforts, verbosities and tiers are plain strings here, because servers accept more than the SDK's types list.
  } as Partial<Body>
}

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
