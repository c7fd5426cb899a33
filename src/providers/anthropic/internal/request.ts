/** `LlmRequest` → the body of `POST /v1/messages`. */
import * as AiError from "effect/ai/AiError"
import { memoize } from "effect/Function"
import * as Result from "effect/Result"
import type { JsonFormat, LlmRequest, Message, Parameters, UserPart } from "../../../llm/LlmRequest.ts"
import { argumentsObject, base64Of, list, type Node, object, ownData } from "../../internal/wireJson.ts"

/** The most tokens of an answer to a request that sets no limit. The API requires one. */
const defaultMaxTokens = 8192

type Block = Node

interface Turn {
  readonly role: "user" | "assistant"
  readonly content: string | ReadonlyArray<Block>
}

/** Fails only for files that the API does not accept. */
export const toBody = (request: LlmRequest, streams: boolean): Result.Result<object, AiError.InvalidUserInputError> => {
  const { messages, model, output, parameters } = request
  const turns: Array<Turn> = []
  const system: Array<string> = []
  for (const message of messages) {
    if (message.role === "system") {
      system.push(message.content)
      continue
    }
    const turn = toTurn(message)
    if (Result.isFailure(turn)) return Result.fail(turn.failure)
    if (turn.success.content.length > 0) push(turns, turn.success)
  }
  const { extra, max_tokens, output_config: effort, ...rest } = toParameters(parameters)
  const { output_config: format, ...tools } = output.mode === "text"
    ? {}
    : toFormat(output)(model, isThinking(parameters))
  const config = { ...format, ...effort, ...object(extra?.["output_config"]) }
  return Result.succeed({
    model,
    max_tokens,
    ...(system.length > 0 && { system: toSystem(system.join("\n\n"), parameters) }),
    messages: turns,
    ...tools,
    ...rest,
    ...extra,
    ...(Object.keys(config).length > 0 && { output_config: config }),
    ...(streams && { stream: true })
  })
}

/** Turns of one role that follow each other are one turn: the results of all calls belong into one. */
const push = (turns: Array<Turn>, turn: Turn): void => {
  const last = turns.at(-1)
  if (last?.role === turn.role) {
    turns[turns.length - 1] = { role: turn.role, content: [...blocksOf(last.content), ...blocksOf(turn.content)] }
  } else turns.push(turn)
}

const blocksOf = (content: Turn["content"]): ReadonlyArray<Block> =>
  typeof content === "string" ? [{ type: "text", text: content }] : content

/** A key for the prompt cache marks the end of what requests have in common. */
const toSystem = (text: string, { promptCacheKey }: Parameters): string | ReadonlyArray<Block> =>
  promptCacheKey === undefined ? text : [{ type: "text", text, cache_control: { type: "ephemeral" } }]

const isThinking = ({ extra }: Parameters): boolean => {
  const type = object(extra?.["thinking"])?.["type"]
  return type === "enabled" || type === "adaptive"
}

// All requests of an extraction share one output format and one set of parameters.
const toFormat = memoize((output: JsonFormat) =>
  memoizeByModel((model, thinks): { readonly output_config?: object } & Node => {
    const { jsonSchema, mode, strict } = output
    if (mode === "json" || mode === "markdown") return {}
    return mode === "json_schema" && strict !== false
      ? { output_config: { format: { type: "json_schema", schema: jsonSchema } } }
      : toTool(output, model, thinks)
  })
)

const memoizeByModel = <A>(make: (model: string, thinks: boolean) => A) => {
  const known = new Map<string, A>()
  return (model: string, thinks: boolean): A => {
    const key = `${thinks ? "thinking" : ""} ${model}`
    const found = known.get(key)
    if (found !== undefined) return found
    const made = make(model, thinks)
    // A name of a model may come from outside.
    if (known.size < 64) known.set(key, made)
    return made
  }
}

/** Models that always think, and those that think unless they are told not to. A tool cannot be forced while they do. */
const alwaysThinks = /^claude-(?:fable|mythos|opus-(?:5-[5-9]|[6-9]))/
const thinksByDefault = /^claude-(?:opus-5|sonnet-[5-9]|haiku-[5-9])/

const toTool = ({ description, jsonSchema, name, strict }: JsonFormat, model: string, thinks: boolean) => {
  const free = thinks || alwaysThinks.test(model)
  return {
    tools: [{
      name,
      ...(description !== undefined && { description }),
      input_schema: jsonSchema,
      ...(strict === true && { strict })
    }],
    tool_choice: free
      ? { type: "auto", disable_parallel_tool_use: true }
      : { type: "tool", name, disable_parallel_tool_use: true },
    ...(!free && thinksByDefault.test(model) && { thinking: { type: "disabled" } })
  }
}

const toParameters = memoize((parameters: Parameters) => ({
  max_tokens: parameters.maxTokens ?? defaultMaxTokens,
  ...(parameters.stop !== undefined && { stop_sequences: [...parameters.stop] }),
  ...(parameters.serviceTier !== undefined && {
    service_tier: parameters.serviceTier === "default" ? "standard_only" : parameters.serviceTier
  }),
  output_config: parameters.reasoningEffort === undefined ? undefined : { effort: parameters.reasoningEffort },
  extra: parameters.extra
}))

/** The parameters that the API does not have. */
export const dropped = ({ parameters }: LlmRequest): ReadonlyArray<string> =>
  (["temperature", "topP", "seed", "frequencyPenalty", "presencePenalty", "verbosity", "logprobs"] as const).filter((
    name
  ) => parameters[name] !== undefined)

const toTurn = (
  message: Exclude<Message, { readonly role: "system" }>
): Result.Result<Turn, AiError.InvalidUserInputError> => {
  switch (message.role) {
    case "assistant": {
      const { content, providerData, toolCalls } = message
      const thinking = list(ownData(providerData, "anthropic")?.["thinking"]) as ReadonlyArray<Block>
      return Result.succeed({
        role: "assistant",
        content: [
          ...thinking,
          ...(content.trim() === "" ? [] : [{ type: "text", text: content }]),
          ...(toolCalls ?? []).map((call) => ({
            type: "tool_use",
            id: call.id,
            name: call.name,
            input: argumentsObject(call.arguments)
          }))
        ]
      })
    }
    case "tool":
      return Result.succeed({
        role: "user",
        content: [{ type: "tool_result", tool_use_id: message.toolCallId, content: message.content }]
      })
    case "user":
      return typeof message.content === "string"
        ? Result.succeed({ role: "user", content: message.content })
        : Result.map(
          Result.all(message.content.filter((part) => part.type !== "text" || part.text !== "").map(toPart)),
          (content) => ({ role: "user", content })
        )
  }
}

const images = new Set(["image/jpeg", "image/png", "image/gif", "image/webp"])

const toPart = (part: UserPart): Result.Result<Block, AiError.InvalidUserInputError> => {
  if (part.type === "text") return Result.succeed({ type: "text", text: part.text })
  const { fileName, mediaType, url } = part
  const data = base64Of(url)
  const source = data === undefined ? { type: "url", url } : { type: "base64", media_type: mediaType, data }
  const title = fileName === undefined ? {} : { title: fileName }
  if (images.has(mediaType)) return Result.succeed({ type: "image", source })
  if (mediaType === "application/pdf") return Result.succeed({ type: "document", source, ...title })
  return Result.fail(
    new AiError.InvalidUserInputError({
      description: `Anthropic accepts images (JPEG, PNG, GIF, WebP) and PDFs, not files of type "${mediaType}"`
    })
  )
}
