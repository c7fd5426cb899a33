/** `LlmRequest` → the body of `generateContent`. */
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
} from "../../../llm/LlmRequest.ts"
import type { SchemaDocument } from "../../../schema/Dialect.ts"
import { google } from "../../../schema/dialects/google.ts"
import { argumentsObject, base64Of, type Node, object, ownData, text } from "../../internal/wireJson.ts"

interface Content {
  readonly role: "user" | "model"
  readonly parts: ReadonlyArray<Node>
}

/** Fails only for files that the API does not accept. */
export const toBody = (request: LlmRequest): Result.Result<object, AiError.InvalidUserInputError> => {
  const { messages, output, parameters } = request
  const contents: Array<Content> = []
  const system: Array<string> = []
  const names = new Map<string, string>()
  for (const message of messages) {
    if (message.role === "system") {
      system.push(message.content)
      continue
    }
    if (message.role === "assistant") { for (const { id, name } of message.toolCalls ?? []) names.set(id, name) }
    const content = toContent(message, request.model, names)
    if (Result.isFailure(content)) return Result.fail(content.failure)
    if (content.success.parts.length > 0) push(contents, content.success)
  }
  const { generationConfig: format, ...tools } = toFormat(output)
  const { config, extra, rest } = toParameters(parameters)
  const generationConfig = { ...object(format), ...config, ...object(extra["generationConfig"]) }
  return Result.succeed({
    contents,
    ...(system.length > 0 && { systemInstruction: { parts: [{ text: system.join("\n\n") }] } }),
    ...tools,
    ...rest,
    ...extra,
    ...(Object.keys(generationConfig).length > 0 && { generationConfig })
  })
}

/** The results of all calls belong into one turn. */
const push = (contents: Array<Content>, content: Content): void => {
  const last = contents.at(-1)
  if (last?.role === content.role) {
    contents[contents.length - 1] = { role: content.role, parts: [...last.parts, ...content.parts] }
  } else contents.push(content)
}

// All requests of an extraction share one output format and one set of parameters.
const toFormat = memoize((output: OutputFormat): Node => {
  const json = { responseMimeType: "application/json" }
  if (output.mode === "markdown" || output.mode === "text") return {}
  if (output.mode === "json" || isBeyond(output)) return { generationConfig: json }
  if (output.mode === "json_schema") return { generationConfig: { ...json, responseJsonSchema: output.jsonSchema } }
  const { description, jsonSchema, name } = output
  const declared = name.replace(/^[^a-zA-Z_]/, "_")
  return {
    tools: [{
      functionDeclarations: [{
        name: declared,
        ...(description !== undefined && { description }),
        parametersJsonSchema: jsonSchema
      }]
    }],
    toolConfig: { functionCallingConfig: { mode: "ANY", allowedFunctionNames: [declared] } }
  }
})

/** Whether the API cannot express the schema. The dialect has it shown in the prompt. */
const isBeyond = ({ jsonSchema, strict }: JsonFormat): boolean => {
  if (strict !== false) return false
  const { $defs, ...schema } = jsonSchema
  const accepted = google.accept({
    schema,
    definitions: object($defs) as SchemaDocument["definitions"] | undefined ?? {}
  })
  return Result.isFailure(accepted) || !accepted.success.strict
}

const toParameters = memoize((parameters: Parameters): {
  readonly config: Node
  readonly rest: Node
  readonly extra: Node
} => ({
  config: {
    ...(parameters.maxTokens !== undefined && { maxOutputTokens: parameters.maxTokens }),
    ...(parameters.temperature !== undefined && { temperature: parameters.temperature }),
    ...(parameters.topP !== undefined && { topP: parameters.topP }),
    ...(parameters.seed !== undefined && { seed: parameters.seed }),
    ...(parameters.stop !== undefined && { stopSequences: [...parameters.stop] }),
    ...(parameters.frequencyPenalty !== undefined && { frequencyPenalty: parameters.frequencyPenalty }),
    ...(parameters.presencePenalty !== undefined && { presencePenalty: parameters.presencePenalty }),
    ...(parameters.reasoningEffort !== undefined && {
      thinkingConfig: parameters.reasoningEffort === "none"
        ? { thinkingBudget: 0 }
        : { thinkingLevel: parameters.reasoningEffort }
    })
  },
  rest: parameters.serviceTier === undefined
    ? {}
    : { serviceTier: parameters.serviceTier === "default" ? "standard" : parameters.serviceTier },
  extra: parameters.extra ?? {}
}))

/** The parameters that the API does not have. */
export const dropped = ({ parameters }: LlmRequest): ReadonlyArray<string> =>
  (["verbosity", "promptCacheKey", "logprobs"] as const).filter((name) => parameters[name] !== undefined)

const toContent = (
  message: Exclude<Message, { readonly role: "system" }>,
  model: string,
  names: ReadonlyMap<string, string>
): Result.Result<Content, AiError.InvalidUserInputError> => {
  switch (message.role) {
    case "assistant": {
      const signature = text(ownData(message.providerData, "google")?.["thoughtSignature"])
      return Result.succeed({
        role: "model",
        parts: [
          ...(message.content === "" && signature === undefined ? [] : [{
            text: message.content,
            ...(signature !== undefined && { thoughtSignature: signature })
          }]),
          ...(message.toolCalls ?? []).map((call, index) => toCall(call, index, model))
        ]
      })
    }
    case "tool":
      return Result.succeed({
        role: "user",
        parts: [{
          functionResponse: {
            name: names.get(message.toolCallId) ?? message.toolCallId,
            response: { output: message.content }
          }
        }]
      })
    case "user":
      return typeof message.content === "string"
        ? Result.succeed({ role: "user", parts: [{ text: message.content }] })
        : Result.map(Result.all(message.content.map(toPart)), (parts) => ({ role: "user", parts }))
  }
}

/** What the API documents for calls that no model of its own has thought of. */
const unsigned = "skip_thought_signature_validator"

const toCall = (call: ToolCall, index: number, model: string): Node => {
  const own = ownData(call.providerData, "google")
  const needed = index === 0 && !/^gemini-(?:1|2)\b/.test(model) ? unsigned : undefined
  const thoughtSignature = text(own?.["thoughtSignature"]) ?? needed
  return {
    functionCall: { name: call.name, args: argumentsObject(call.arguments) },
    ...(thoughtSignature !== undefined && { thoughtSignature })
  }
}

const mediaTypes = /^(?:image\/(?:png|jpeg|webp|heic|heif)|application\/pdf|audio\/.+|video\/.+|text\/.+)$/

const toPart = (part: UserPart): Result.Result<Node, AiError.InvalidUserInputError> => {
  if (part.type === "text") return Result.succeed({ text: part.text })
  const { mediaType, url } = part
  if (!mediaTypes.test(mediaType)) {
    return Result.fail(
      new AiError.InvalidUserInputError({ description: `Gemini does not accept files of type "${mediaType}"` })
    )
  }
  const data = base64Of(url)
  return Result.succeed(
    data === undefined
      ? { fileData: { mimeType: mediaType, fileUri: url } }
      : { inlineData: { mimeType: mediaType, data } }
  )
}
