/** An `Llm` as a `LanguageModel` of `effect/ai`. */
import * as AiError from "effect/ai/AiError"
import * as LanguageModel from "effect/ai/LanguageModel"
import type * as Prompt from "effect/ai/Prompt"
import type * as Response from "effect/ai/Response"
import * as Tool from "effect/ai/Tool"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Completion } from "./Completion.ts"
import type { Llm } from "./Llm.ts"
import type { LlmError } from "./LlmError.ts"
import type { JsonFormat, LlmRequest, Message, OutputFormat, UserPart } from "./LlmRequest.ts"

type Options = LanguageModel.ProviderOptions

export const make = (llm: Llm["Service"]): Effect.Effect<LanguageModel.LanguageModel> =>
  LanguageModel.make({
    generateText: (options) =>
      Effect.flatMap(Effect.fromResult(toRequest(options, llm)), (request) =>
        Effect.mapBoth(llm.complete(request), {
          onFailure: toAiError("generateText"),
          onSuccess: toParts
        })),
    streamText: (options) =>
      Stream.unwrap(Effect.map(Effect.fromResult(toRequest(options, llm)), (request) => {
        let begun = false
        return llm.stream(request).pipe(
          Stream.mapError(toAiError("streamText")),
          Stream.flatMap((part) => {
            if (part._tag === "ToolArgumentsDelta") return Stream.empty
            if (part._tag === "TextDelta") {
              const delta: Response.StreamPartEncoded = { type: "text-delta", id: "text", delta: part.delta }
              const first: ReadonlyArray<Response.StreamPartEncoded> = begun ? [] : [{ type: "text-start", id: "text" }]
              begun = true
              return Stream.fromIterable([...first, delta])
            }
            const end: ReadonlyArray<Response.StreamPartEncoded> = begun ? [{ type: "text-end", id: "text" }] : []
            return Stream.fromIterable([...end, ...withoutText(toParts(part.completion))])
          })
        )
      }))
  })

const withoutText = (parts: ReadonlyArray<Response.PartEncoded>): ReadonlyArray<Response.StreamPartEncoded> =>
  parts.filter(({ type }) => type !== "text") as ReadonlyArray<Response.StreamPartEncoded>

const toAiError = (method: string) => ({ message, provider, reason }: LlmError): AiError.AiError =>
  AiError.make({
    module: provider,
    method,
    reason: AiError.isAiErrorReason(reason) ? reason : new AiError.UnknownError({ description: message })
  })

const refuse = (description: string): AiError.AiError =>
  AiError.make({
    module: "effect-instructor",
    method: "generateText",
    reason: new AiError.InvalidRequestError({ description })
  })

const toRequest = (options: Options, llm: Llm["Service"]): Result.Result<LlmRequest, AiError.AiError> =>
  Result.map(toOutput(options, llm), (output) => ({
    model: llm.model,
    messages: options.prompt.content.flatMap(toMessages),
    output,
    parameters: {}
  }))

const toOutput = (options: Options, llm: Llm["Service"]): Result.Result<OutputFormat, AiError.AiError> => {
  const { responseFormat, toolChoice, tools } = options
  if (responseFormat.type === "json") {
    const { definitions, schema } = Schema.toJsonSchemaDocument(responseFormat.schema)
    return accepted("json_schema", responseFormat.objectName, undefined, { schema, definitions }, llm)
  }
  const [tool, ...others] = tools
  if (tool === undefined || toolChoice === "none") return Result.succeed({ mode: "text" })
  const isForced = toolChoice === "required" || typeof toolChoice === "object" && "tool" in toolChoice
  if (others.length > 0 || !isForced) {
    return Result.fail(refuse(
      "A request of an Llm has one output: give one tool, and require it with toolChoice"
    ))
  }
  const { $defs, ...schema } = Tool.getJsonSchema(tool)
  return accepted("tools", tool.name, tool.description, { schema, definitions: ($defs ?? {}) as never }, llm)
}

const accepted = (
  mode: JsonFormat["mode"],
  name: string,
  description: string | undefined,
  document: Parameters<Llm["Service"]["dialect"]["accept"]>[0],
  llm: Llm["Service"]
): Result.Result<OutputFormat, AiError.AiError> =>
  Result.match(llm.dialect.accept(document), {
    onFailure: (unsupported) =>
      Result.fail(
        AiError.make({
          module: llm.provider,
          method: "generateText",
          reason: new AiError.UnsupportedSchemaError({
            description: `at ${unsupported.path}, ${unsupported.description}`
          })
        })
      ),
    onSuccess: ({ jsonSchema, strict }) =>
      Result.succeed({
        mode,
        name,
        ...(description !== undefined && { description }),
        jsonSchema: jsonSchema as JsonFormat["jsonSchema"],
        strict
      })
  })

const toMessages = (message: Prompt.Message): ReadonlyArray<Message> => {
  switch (message.role) {
    case "system":
      return [{ role: "system", content: message.content }]
    case "user":
      return [{ role: "user", content: message.content.map(toPart) }]
    case "assistant": {
      const toolCalls = message.content.flatMap((part) =>
        part.type === "tool-call"
          ? [{ id: part.id, name: part.name, arguments: JSON.stringify(part.params ?? {}) }]
          : []
      )
      const content = message.content.map((part) => part.type === "text" ? part.text : "").join("")
      return [{ role: "assistant", content, ...(toolCalls.length > 0 && { toolCalls }) }]
    }
    case "tool":
      return message.content.flatMap((part) =>
        part.type === "tool-result"
          ? [{ role: "tool" as const, toolCallId: part.id, content: JSON.stringify(part.result ?? null) }]
          : []
      )
  }
}

const toPart = (part: Prompt.UserMessagePart): UserPart => {
  if (part.type === "text") return { type: "text", text: part.text }
  const { data, fileName, mediaType } = part
  const url = data instanceof URL
    ? data.href
    : typeof data === "string"
    ? /^(?:https?|data):/.test(data) ? data : `data:${mediaType};base64,${data}`
    : `data:${mediaType};base64,${Base64.encode(data)}`
  return { type: "file", mediaType, ...(fileName !== undefined && { fileName }), url }
}

const toParts = ({ finishReason, id, model, text, toolCalls, usage }: Completion): Array<Response.PartEncoded> => [
  { type: "response-metadata", id, modelId: model },
  ...(text === "" ? [] : [{ type: "text" as const, text }]),
  ...toolCalls.map((call) => ({
    type: "tool-call" as const,
    id: call.id,
    name: call.name,
    params: Result.getOrElse(Result.try((): unknown => JSON.parse(call.arguments)), () => call.arguments),
    providerExecuted: false
  })),
  {
    type: "finish",
    reason: finishReason,
    usage: {
      inputTokens: {
        uncached: usage.inputTokens - usage.cachedInputTokens,
        total: usage.inputTokens,
        cacheRead: usage.cachedInputTokens,
        cacheWrite: usage.cacheWriteTokens
      },
      outputTokens: {
        total: usage.outputTokens,
        text: Math.max(0, usage.outputTokens - usage.reasoningTokens),
        reasoning: usage.reasoningTokens
      }
    }
  }
]
